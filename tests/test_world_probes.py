"""Probes of the drawn world: what they show a network, and that their records are found again."""
import numpy as np
import pytest
import torch

from paperlib.claims.verdicts import judged
from paperlib.data.named_sets import load
from paperlib.studies import coco_margins, linear_probes, world
from paperlib.tables import records
from paperlib.world import drawn_sets
from paperlib.world.world import Drawing, World


def test_a_window_keeps_the_middle_and_greys_what_lies_outside():
    image = np.zeros((20, 20, 3), np.uint8)
    image[8:12, 6:10] = 200
    same = world.window(image, (6, 8, 4, 4), 12, 12)
    assert (same[4:8, 4:8] == 200).all() and (same == 200).sum() == 48
    larger = world.window(image, (0, 0, 2, 2), 40, 40)
    assert (larger[:15] == world.GREY).all()
    tight = world.only(same, 4, 2)
    assert (tight[5:7, 4:8] == 200).all() and (tight != world.GREY).sum() == 24


def test_context_crops_show_the_same_thing_at_the_same_size(monkeypatch):
    monkeypatch.setattr(world, "SCENES", {"train": 10, "val": 10})
    found = world.small_things(World(), "val", 1.0)
    assert len(found) > 10
    for tight, wide, label in found:
        shown = (tight != world.GREY).any(2)
        assert shown[18, 18] and np.array_equal(tight[shown], wide[shown]) and shown.mean() < 0.12 and 0 <= label < 36


def test_marks_and_things_come_in_pairs_of_one_size(monkeypatch):
    monkeypatch.setattr(world, "SCENES", {"train": 30, "val": 30})
    found = world.things_and_marks(World(), "val", 1.0)
    assert len(found) > 10 and [yes for *_, yes in found] == [1, 0] * (len(found) // 2)
    assert len({wide.tobytes() for _, wide, yes in found if yes}) == len(found) // 2  # each object once


def test_small_things_are_those_that_count_as_small_and_single():
    things = [{"crowd": crowd, "area": area, "bbox": [4, 4, 10, 10], "category": 3}
              for crowd, area in ((False, 143), (False, 144), (True, 20))]  # 12 x 12 px is no more small
    scene = Drawing(np.zeros((32, 32, 3), np.uint8), things, None, np.zeros((0, 4), int))
    assert [label for *_, label in world.small_in(scene)] == [2]


def test_linear_probe_learns_what_is_linear():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4))
    y = (x[:, 0] > 0).astype(int)
    assert linear_probes.linear(x[:400], y[:400], x[400:], y[400:]) > 0.9
    assert linear_probes.linear(x[:400, 1:], y[:400], x[400:, 1:], y[400:]) < 0.65
    named = linear_probes.names(x[:400], y[:400], x[400:])
    assert (named == y[400:]).mean() == linear_probes.linear(x[:400], y[:400], x[400:], y[400:])


def test_a_level_is_read_in_four_cells_whatever_the_side():
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    for side in (32, 64):
        found = linear_probes.levels(images, side)
        assert [(stride, *x.shape) for stride, x in found.items()] == [
            (2, 3, 64), (4, 3, 128), (8, 3, 192), (16, 3, 256), (32, 3, 384)]
    twice = linear_probes.levels(images.repeat(100, 1, 1, 1), 64)                     # more than one part
    np.testing.assert_allclose(twice[32][-3:], found[32], rtol=1e-4, atol=1e-4)


def test_each_seed_portrays_other_things_in_the_same_order(monkeypatch):
    monkeypatch.setattr(world, "PORTRAITS", {"train": 40})
    first, again, other = ([(drawing.image, label) for drawing, label in world.portraits("train", 1, seed)]
                           for seed in (0, 0, 1))
    assert [label for _, label in first] == [label for _, label in other] == [k % 36 for k in range(40)]
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, again))
    assert not any(np.array_equal(a, b) for (a, _), (b, _) in zip(first, other))


def test_more_portraits_include_the_fewer(monkeypatch):
    monkeypatch.setattr(world, "PORTRAITS", {"train": 144, "val": 72})
    found = world.examples(World(), 2, 1, (0.5, 1))
    assert len(found) == 10 and all(len(values) == 2 for values in found.values())
    depth = world.depth(World(), 2, 1)
    assert depth == {f"stride {s}": found[f"stride {s}, 144 portraits"] for s in (2, 4, 8, 16, 32)}
    assert min(found["stride 32, 144 portraits"]) > max(found["stride 2, 144 portraits"])


def test_probes_run_are_recorded_and_go_stale(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(world, "SCENES", {"train": 30, "val": 20})
    monkeypatch.setattr(world, "PORTRAITS", {"train": 640, "val": 40})
    monkeypatch.setattr(world, "STEPS", 2)
    new = world.bench(["context", "objectness", "depth", "examples", "colour"], seeds=1)
    assert all(0 <= v <= 1 for r in new for v in r["metrics"].values())
    assert not any(r["stale"] for r in world.measured().values())
    monkeypatch.setattr(world, "REVISION", 99)
    assert all(r["stale"] for r in world.measured().values())
    assert len(records.read("world", "bench")) == 5
    with pytest.raises(KeyError, match="no probe 'taste'"):
        world.bench(["taste"])


def test_a_part_of_a_probe_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    monkeypatch.setitem(world.PROBES, "colour", lambda _, seeds, share: {"colour alone": [share] * seeds})
    assert world.bench(["colour"], seeds=2, share=0.5)[0]["metrics"] == {"colour alone": 0.5}
    assert records.read("world", "bench") == []
    world.bench(["colour"], seeds=2)
    assert [record["values"] for record in records.read("world", "bench")] == [{"colour alone": [1.0, 1.0]}]


def test_claims_about_cocos_figures_are_judged_by_their_records(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(drawn_sets, "TURNED", (30, 20))
    monkeypatch.setattr(coco_margins, "_set", lambda split, share: load("minicoco?stuff=1", split))
    on_probes = {"coco-shape-mask-poor", "coco-box-crude"}  # the union of workers is a study: it could not fail
    before = {line.id: line.verdict for line in judged("smoke") if line.id in on_probes}
    assert set(before.values()) == {"not run"} and len(before) == 2
    new = {r["row"]: r["values"]["margin"] for r in world.bench(list(coco_margins.PROBES), seeds=2)}
    assert [len(new[name]) for name in coco_margins.PROBES][:2] == [14, 2]
    after = {line.id: line for line in judged("smoke") if line.id in on_probes}
    for name in on_probes:
        assert after[name].measured == pytest.approx(100 * np.mean(new[name]), abs=1e-3)
        assert after[name].verdict in ("holds", "unresolved")
    monkeypatch.setattr(world, "REVISION", 99)
    assert {line.verdict for line in judged("smoke") if line.id in on_probes} == {"stale"}
