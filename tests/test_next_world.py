"""Version 3 of the drawings: today's sets stay as they are; marks and parts look like things from near."""
import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from paperlib.data.named_sets import load
from paperlib.data.set_checks import check
from paperlib.studies import lookalikes, next_world
from paperlib.tables import records
from paperlib.world import build, drawn_sets
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.layout import Placed
from paperlib.world.painting import frames, lumps, surfaces
from paperlib.world.painting.pieces import BROAD, LARGE, SIZES, pieces, plain_pieces
from paperlib.world.painting.things import LARGE as DRESSED
from paperlib.world.pen import MAIN
from paperlib.world.scenes import SCENES
from paperlib.world.world import World, compose, draw_scene

NEXT = drawn_sets.WORLDS["minicoco3"]
TODAYS = {"minicoco": "f7cce5a8fb5d", "minivoc": "d26bfa160680", "mininet": "a43c9c8f1217",
          "minicoco?stuff=0": "859aecade7d5"}
FIXED = "2a7d6fcd1f92e60e"  # annotations and masks of twenty scenes
SUMS = (7_469_606, 7_668_769, 9_363_742, 6_335_242, 8_867_226, 8_052_503,
        6_742_522, 6_636_862, 8_458_533, 4_765_351, 7_521_689, 7_945_761, 7_745_457,
        7_945_852, 7_505_598, 6_045_563, 6_696_540, 5_078_605, 9_082_721, 7_820_822)  # of all values of each picture


PORTRAITS = (2_382_431, 1_437_694, 1_952_232, 1_475_861, 2_187_961, 1_905_175)  # of all values of six portraits


def annotations_of(scenes) -> str:
    """A digest of everything but the pictures."""
    sha = hashlib.sha256()
    for _, instances in scenes:
        for t in instances:
            sha.update(repr((t["category"], t["bbox"], t["area"], t["crowd"])).encode())
            sha.update(t["mask"].tobytes())
    return sha.hexdigest()[:16]


@pytest.fixture(scope="module")
def drawings():
    return [compose(NEXT, seed) for seed in range(7_000_000, 7_000_120)]


def test_todays_sets_keep_their_versions_and_the_next_have_others():
    assert {name: drawn_sets.version(name) for name in TODAYS} == TODAYS
    others = [drawn_sets.version(name) for name in ("minicoco3", "mininet3", "minicoco?frames=1", "minicoco?version=3")]
    assert len({*others, *TODAYS.values()}) == 8


def test_the_next_sets_have_todays_seeds_in_another_version():
    for name, earlier in drawn_sets.EARLIER.items():
        for split in drawn_sets.COUNTS[name]:
            assert drawn_sets.seed_of(name, split, 5) == drawn_sets.seed_of(earlier, split, 5)
        assert drawn_sets.world_of(name).version == 3 and drawn_sets.world_of(earlier).version == 2
    again = dataclasses.replace(World(), version=3)
    assert not np.array_equal(draw_scene(World(), 4)[0], draw_scene(again, 4)[0])


def test_the_next_set_is_drawn_and_read_like_todays(tmp_path, monkeypatch):
    build.build("minicoco3", tmp_path / "minicoco3", 1, {"train": 12, "val": 4})
    assert check(tmp_path / "minicoco3") == []
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    assert len(load("minicoco3", "val")) == 4 and len(load("minicoco3", "train").classes) == 36


def test_a_frame_shows_its_scene_as_it_is_and_hides_what_hung_before():
    rng, hung = np.random.default_rng(0), 0
    scenery = rng.integers(0, 255, (128, 128, 3)).astype(np.uint8)
    small = np.array([[60, 60, 8, 8], [20, 90, 10, 6]])
    for seed in range(40):
        image = np.zeros_like(scenery)
        marks = frames.hang(image, np.random.default_rng(seed), scenery, small, [(64, 64, 4, 4)])
        for x, y, w, h in set(marks) - {(64, 64, 4, 4)}:
            source = small[(small[:, 2:] == (w, h)).all(1)][0]
            middle = (slice(y - 4, y + h + 4), slice(x - 4, x + w + 4))
            other = (slice(source[1] - 4, source[1] + h + 4), slice(source[0] - 4, source[0] + w + 4))
            inside = x >= 4 and y >= 4 and x + w + 4 <= 128 and y + h + 4 <= 128
            assert not inside or np.array_equal(image[middle], scenery[other])
            hung += 1
        touched = image[64:68, 64:68].any()
        assert ((64, 64, 4, 4) in marks) == (not touched)
    assert hung > 40


def test_a_frame_has_nothing_to_show_without_small_things():
    image = np.zeros((128, 128, 3), np.uint8)
    marks = frames.hang(image, np.random.default_rng(0), image, np.zeros((0, 4), int), [(1, 1, 5, 5)])
    assert marks == [(1, 1, 5, 5)] and not image.any()


def test_marks_are_in_view_and_no_objects(drawings):
    number = 0
    for drawing in drawings:
        for x, y, w, h in drawing.marks.tolist():
            covered = np.unique(drawing.owner[y:y + h, x:x + w])
            assert len(covered) == 1                # nobody's, or of the one large thing that wears the mark
            if covered[0]:
                item = drawing.placed[covered[0] - 1]
                assert max(item.wide, item.high) >= DRESSED > max(w, h)
            number += 1
    assert number > 60


def test_pieces_are_small_parts_of_large_things_in_full_view(drawings):
    number = 0
    for drawing in drawings:
        for x, y, w, h in pieces(drawing.placed, drawing.owner).tolist():
            assert SIZES[0] <= max(w, h) <= SIZES[1] and min(x, y) >= 0 and max(x + w, y + h) <= 128
            middle = drawing.owner[y + h // 4:y + h - h // 4, x + w // 4:x + w - w // 4]
            names = np.bincount(middle.ravel(), minlength=len(drawing.placed) + 1)
            item = drawing.placed[names[1:].argmax()]
            assert item.category is not None
            assert max(item.wide, item.high) >= LARGE and min(item.wide, item.high) >= BROAD
            number += 1
    assert number > 100


def _large(name: str, seed: int, side: float = 100) -> Placed:
    k = [category.name for category in CATEGORIES].index(name)
    aspect = CATEGORIES[k].aspect
    wide, high = side * min(1, aspect), side * min(1, 1 / aspect)
    return Placed(k, CATEGORIES[k].draw(np.random.default_rng(seed)), 64, 110, side, 0, wide, high)


def test_plain_parts_give_way_and_faces_stay():
    """A car's wheels are taken out with their hubs, and keep their place in its outline; a person keeps the head."""
    counts = {}
    for name in ("car", "person"):
        counts[name] = [0, 0]
        for seed in range(12):
            item = _large(name, seed, 82)
            parts, boxes = plain_pieces(item, 128)
            counts[name][0] += len(boxes)
            counts[name][1] += len(item.parts) - len(parts)
            kept = [part.points for part in parts]
            assert all(any(part.points is points for part in item.parts) for points in kept)
            if len(boxes) and item.wide >= BROAD:   # what has given way is kept in mind
                item.plain, item.parts = item.parts, parts
                assert len(pieces([item], np.ones((128, 128), int))) >= len(boxes)
    assert counts["car"][0] >= 12 and counts["car"][1] >= 6


def test_grain_is_on_the_thing_only_and_a_print_where_there_is_room():
    rng = np.random.default_rng(0)
    mask = np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    spot = np.full((60, 60, 3), 128, np.uint8)
    surfaces.roughen(spot, mask, surfaces.surface(rng).bumps, 8.0)
    assert (spot[~mask] == 128).all() and 5 < spot[mask].std() < 20
    image, air = np.full((80, 80, 3), 90, np.uint8), np.zeros(3)
    prints = [surfaces.printed(rng, [30], [1.0], 12)]
    window = slice(20, 80), slice(20, 80)
    (mark,) = surfaces.wear(image, window, mask, prints, lambda size: (0.0, 0.0), air)
    inside = np.zeros((80, 80), bool)
    inside[30:70, 30:70] = True
    x, y, w, h = mark
    assert inside[y:y + h, x:x + w].all() and (image[y:y + h, x:x + w] != 90).any()
    assert surfaces.wear(image, window, mask[:8, :8], prints, lambda size: (0.0, 0.0), air) == []


def test_a_blurred_thing_hides_what_lies_behind():
    before = np.zeros((40, 40, 3), np.uint8)
    before[:, ::2] = 255                            # stripes
    image, mask = before.copy(), np.zeros((40, 40), bool)
    mask[8:32, 8:32] = True
    image[mask] = 100
    surfaces.defocus(image, before, mask, (8, 8, 24, 24), 1.5)
    assert np.abs(image[15:25, 15:25].astype(int) - 100).max() <= 2
    assert np.array_equal(image[:2], before[:2]) and image[8, 20].max() < 255


def test_backs_do_not_lie_on_each_other():
    world = dataclasses.replace(NEXT, backed=1.0)
    item = _large("cup", 0, 12)
    one, two = np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128, 3), np.uint8)
    lumps.back(world, one, np.random.default_rng(0), SCENES[0], [item], 0.3)
    both = [item, _large("cup", 1, 100)]            # the second is too large
    lumps.back(world, two, np.random.default_rng(0), SCENES[0], both, 0.3)
    assert one.any() and np.array_equal(one, two)
    x, y = int(item.x), int(item.y - item.high / 2)
    assert one[y, x].any()
    near = _large("cup", 2, 12)
    near.move(item.x + 8, item.y)
    two[:] = 0
    lumps.back(world, two, np.random.default_rng(0), SCENES[0], [item, near], 0.3)
    assert np.array_equal(one, two)


def test_a_back_has_a_colour_of_its_place():
    assert set(lumps.TYPICAL) == {scene.name for scene in SCENES}
    used = [k for _, colours in lumps.TYPICAL.values() for k in colours]
    assert sorted(used) == list(range(len(MAIN)))   # every colour that bodies have, in one place
    world = dataclasses.replace(NEXT, backed=1.0, rough=0.0)
    for scene in SCENES:
        image = np.zeros((128, 128, 3), np.uint8)
        lumps.back(world, image, np.random.default_rng(1), scene, [_large("cup", 0, 12)], 0.0)
        inked = image[image.any(2)].astype(int)
        middle = np.median(inked, 0)
        typical = [MAIN[k] for k in lumps.TYPICAL[scene.name][1]]
        assert min(np.abs(middle - colour).max() for colour in typical) <= 15


def test_grain_is_as_coarse_on_a_small_thing_as_on_a_large_one():
    bumps, fields = surfaces.surface(np.random.default_rng(0)).bumps, []
    for side in (28, 84):
        spot = np.full((side, side, 3), 128, np.uint8)
        surfaces.roughen(spot, np.ones((side, side), bool), bumps, 8.0)
        fields.append(spot[:28, :28])
    assert np.array_equal(*fields) and fields[0].std() > 2


def test_portraits_in_company_show_their_category():
    world = drawn_sets.WORLDS["mininet3"]
    sides, others = [], 0
    for seed in range(72):
        label = 1 + seed % 36
        instances = draw_scene(world, seed, label)[1]
        of_label = [t for t in instances if t["category"] == label]
        assert of_label
        sides.append(max(max(t["bbox"][2:]) for t in of_label))
        others += len(instances) > len(of_label)
    assert min(sides) < 24 and others > 20


def test_windows_of_things_and_decoys_come_in_pairs_of_one_size(monkeypatch):
    monkeypatch.setattr(lookalikes, "SCENES", {"train": 30, "val": 30})
    lookalikes.lookalikes.cache_clear()
    found = lookalikes.lookalikes("minicoco3", "val", 1.0)
    lookalikes.lookalikes.cache_clear()
    for images, labels in found.values():
        assert len(images) == len(labels) > 10 and labels.tolist() == [1, 0] * (len(labels) // 2)
        assert images.shape[1:] == (3, 64, 64)
    assert torch.equal(lookalikes.middle(images, 24), images[..., 20:44, 20:44])


def test_pairs_are_of_one_width_and_height():
    image = np.zeros((128, 128, 3), np.uint8)
    decoys = [(image, [10, 10, 6, 12]), (image, [10, 10, 12, 6]), (image, [40, 40, 30, 30])]
    marked = image.copy()
    marked[60:, 60:] = 255
    objects = {(6, 12): [(image, [10, 10, 6, 12])], (13, 5): [(marked, [90, 90, 13, 5])],
               (12, 12): [(image, [1, 1, 12, 12])]}
    images, labels = lookalikes.pairs(decoys, objects)
    assert labels.tolist() == [1, 0, 1, 0]          # the third has no object of its size
    assert sorted(images[::2].float().mean((1, 2, 3)).tolist())[1] > 100


def test_rows_run_are_recorded_and_go_stale(monkeypatch, tmp_path):
    monkeypatch.setenv("PAPERLIB_RESULTS", str(tmp_path))
    monkeypatch.setattr(lookalikes, "SCENES", {"train": 12, "val": 12})
    monkeypatch.setattr(next_world, "PORTRAITS", {"train": 72, "val": 36})
    monkeypatch.setattr(lookalikes, "STEPS", 2)
    lookalikes.lookalikes.cache_clear()
    names = [name for name in next_world.rows() if name.endswith("3")]
    new = next_world.bench(names, seeds=1)
    lookalikes.lookalikes.cache_clear()
    assert len(new) == 5 and all(0 <= v <= 1 for record in new for v in record["metrics"].values())
    assert set(next_world.measured()) == set(names)
    assert not any(record["stale"] for record in next_world.measured().values())
    monkeypatch.setattr(next_world, "REVISION", 99)
    assert all(record["stale"] for record in next_world.measured().values())
    assert len(records.read("world3", "bench")) == 5
    with pytest.raises(KeyError, match="no row 'taste'"):
        next_world.bench(["taste"])


def test_version_3_is_frozen():
    """Records of the next sets hang on these pictures: another drawing is another version."""
    scenes = [draw_scene(NEXT, seed) for seed in range(20)]
    sums = [int(image.sum(dtype=int)) for image, _ in scenes]
    assert annotations_of(scenes) == FIXED
    assert np.abs(np.subtract(sums, SUMS)).max() <= 200
    portraits = [draw_scene(drawn_sets.WORLDS["mininet3"], seed, 1 + 5 * seed)[0] for seed in range(6)]
    assert np.abs(np.subtract([int(image.sum(dtype=int)) for image in portraits], PORTRAITS)).max() <= 50


def test_the_next_set_is_calibrated_on_cocos_statistics():
    """300 scenes; the margins are the targets' plus two standard errors of so small a sample."""
    scenes = [draw_scene(NEXT, seed)[1] for seed in range(7_000_000, 7_000_300)]
    kinds = np.array([len({t["category"] for t in instances}) for instances in scenes])
    sides = [t["area"] ** 0.5 for instances in scenes for t in instances if not t["crowd"]]
    assert 7.7 - 1.0 < np.mean([len(instances) for instances in scenes]) < 7.7 + 1.0
    assert 3.5 - 0.4 < kinds.mean() < 3.5 + 0.4 and 0.05 < (kinds == 1).mean() < 0.16
    shares = np.histogram(sides, [0, 12, 36, 129])[0] / len(sides)
    assert np.abs(shares - (0.41, 0.34, 0.24)).max() < 0.08
