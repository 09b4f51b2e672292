"""The doctor's advice: pictures that are there twice, and settings to try whose command can be run as it stands."""
import json
import shlex
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from test_diagnose import painted

from paperlib.__main__ import main
from paperlib.config import override
from paperlib.data import named_sets
from paperlib.data.formats.look_alikes import pairs, prints
from paperlib.data.read_coco import read_coco
from paperlib.doctor import examine, suggest
from paperlib.doctor.duplicates import examine_duplicates
from paperlib.doctor.examine import doctor
from paperlib.doctor.overfit import PROPOSALS, overfit
from paperlib.systems.presets.retinanet import resnet50, tiny
from paperlib.systems.registry import PRESETS, SYSTEMS

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def photograph(seed, side=96):
    """A picture of soft random blobs, as unlike another as two photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def split(folder, name, pictures):
    """A split of a COCO folder: {file name: picture}, each with one object."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    (folder / "images").mkdir(exist_ok=True)
    images, annotations = [], []
    for number, (file, picture) in enumerate(pictures.items(), 1):
        picture.save(folder / "images" / file)
        images.append({"id": number, "file_name": file, "height": picture.height, "width": picture.width})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [8, 8, 40, 40], "area": 1600,
                            "iscrowd": 0})
    record = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "blob"}]}
    (folder / "annotations" / f"instances_{name}.json").write_text(json.dumps(record))
    return read_coco(folder / "annotations" / f"instances_{name}.json", folder / "images", name, report=None)


def test_a_picture_is_known_again_after_jpeg_scaling_and_another_name(tmp_path):
    train = split(tmp_path, "train", {f"{n}.png": photograph(n) for n in range(12)})
    val = split(tmp_path, "val", {"same.png": photograph(3), "jpeg.jpg": photograph(5),
                                  "large.png": photograph(7, 300), "new.png": photograph(99),
                                  "dark.png": photograph(8).point(lambda tone: tone * 0.5)})
    ours, theirs = prints(train), prints(val)
    assert sorted(map(tuple, pairs(ours, theirs).tolist())) == [(3, 0), (5, 1), (7, 2), (8, 4)]
    (leak,) = examine_duplicates(train, [val])
    assert leak.serious and "4 of 12 pictures of train are also in val" in leak.text and "3.png = same.png" in leak.text
    assert [finding.level for finding in examine_duplicates(train)] == ["ok"]


def test_twice_in_one_set_is_a_look_and_each_pair_counts_once(tmp_path):
    data = split(tmp_path, "train", {"a.png": photograph(1), "b.png": photograph(2), "c.png": photograph(1)})
    (twice,) = examine_duplicates(data)
    assert twice.level == "look" and "1 pictures are in train twice: a.png = c.png" in twice.text


def test_a_split_keeps_what_looks_the_same_in_one_part(tmp_path, capsys):
    pictures = {}
    for n in range(10):
        pictures |= {f"{n}.png": photograph(n), f"{n}b.jpg": photograph(n), f"{n}c.png": photograph(n, 120)}
    split(tmp_path / "twins", "all", pictures)
    words = ["data", "split", str(tmp_path / "twins"), "--out"]
    assert main([*words, str(tmp_path / "new"), "--shares", "train=0.5", "val=0.3", "test=0.2"]) == 0
    said = capsys.readouterr().out
    assert "note: 20 pictures look like another one" in said and "train 15 images" in said and "val 9 images" in said
    parts = []
    for name in ("train", "val", "test"):
        parts.append({Path(file).name[0] for file in named_sets.load(tmp_path / "new", name).files})
    assert len(set.union(*parts)) == sum(map(len, parts)) == 10
    assert main([*words, str(tmp_path / "apart"), "--look-alikes", "apart"]) == 0
    assert "look like" not in capsys.readouterr().out


def test_a_split_of_one_scene_is_refused(tmp_path, capsys):
    split(tmp_path / "one", "all", {f"{n}.jpg": photograph(1) for n in range(4)})
    words = ["data", "split", str(tmp_path / "one"), "--out", str(tmp_path / "new")]
    assert main(words) == 2
    assert "pictures that look the same stay in one part" in capsys.readouterr().err
    assert main([*words, "--look-alikes", "apart"]) == 0


def test_flat_and_broken_pictures_and_nested_splits_are_no_fault(tmp_path):
    flat = Image.new("RGB", (96, 96), "#808080")
    train = split(tmp_path, "train", {"a.png": flat, "b.png": flat, "c.png": photograph(4), "d.png": photograph(5)})
    (tmp_path / "images" / "d.png").write_bytes(b"")
    assert len(prints(train).files) == 1
    assert "no picture is in train twice" in examine_duplicates(train, [train.subset([2])])[0].text
    across = np.tile(np.linspace(0, 1, 96), (96, 1))                     # skies: all bits alike, other pictures
    skies = {f"{power}.png": Image.fromarray((255 * across**power).astype(np.uint8)).convert("RGB") for power in (1, 8)}
    assert examine_duplicates(split(tmp_path / "s", "train", skies))[0].level == "ok"
    shifted = [np.asarray(photograph(4)).copy() for _ in range(2)]
    shifted[1][20:70, 20:70] = 255 - shifted[1][20:70, 20:70]            # the same room, another thing in it
    frames = split(tmp_path / "f", "train", {f"{n}.png": Image.fromarray(one) for n, one in enumerate(shifted)})
    assert examine_duplicates(frames)[0].level == "ok"


def test_small_objects_ask_for_a_larger_size(tmp_path):
    data = painted(tmp_path, [[(20, 30, 11, 11, 1), (100, 60, 12, 10, 2), (60, 150, 10, 12, 1)]] * 6, side=256)
    present, chosen = suggest.suggestion(data, tiny(2), (64,), "retinanet")
    assert present.size == (64,) and not present.good and chosen.size[0] > 64 and chosen.reached > present.reached
    (finding,) = suggest.examine_suggestion(data, tiny(2), (64,), "retinanet", "paperlib train retinanet")
    assert finding.level == "look" and f"--size {chosen.size[0]}" in finding.advice


def test_pictures_without_objects_do_not_hide_those_with_some(tmp_path, monkeypatch):
    monkeypatch.setattr(suggest, "IMAGES", 2)  # the first and the last picture, both empty
    data = painted(tmp_path, [[], [(4, 6, 32, 32, 1)], [(4, 6, 32, 32, 1)], []])
    present, _ = suggest.suggestion(data, tiny(2), (64,), "retinanet")
    assert 0 <= present.reached <= 1
    crowds = painted(tmp_path, [[], [(4, 6, 32, 32, 1)], []], crowd=(0,))
    assert suggest.suggestion(crowds, tiny(2), (64,), "retinanet") is None


def test_long_objects_ask_for_long_anchors(tmp_path):
    data = painted(tmp_path, [[(0, 20, 120, 36, 1), (10, 80, 110, 34, 2)]] * 6, side=128)
    cfg = override(tiny(2), {"anchors.ratios": (1.0,)})
    present, chosen = suggest.suggestion(data, cfg, (128,), "rpn")       # no demand on the scale but one
    assert present.reached < 0.5 and chosen.reached >= 0.9 and "anchors.ratios" in chosen.changes


def test_a_model_that_fits_is_left_as_it_is(tmp_path):
    data = painted(tmp_path, [[(4, 6, 32, 32, 1), (70, 60, 64, 64, 2)]] * 5, side=160)
    cfg = override(tiny(2), {"anchors.size_per_stride": 4.0})
    present, chosen = suggest.suggestion(data, cfg, (160,), "retinanet")
    assert present is chosen and present.good
    (finding,) = suggest.examine_suggestion(data, cfg, (160,), "retinanet", "paperlib train retinanet")
    assert finding.level == "ok" and finding.advice == "paperlib train retinanet --size 160"


def test_a_coarse_pyramid_is_offered_a_finer_level():
    changes = suggest._changes(resnet50(2))
    finer = [each for each in changes if each.get("pyramid.levels") == (2, 3, 4, 5, 6)]
    assert finer and all(each["anchors.levels"] == (2, 3, 4, 5, 6) for each in finer) and changes[0] == {}
    for system in ("retinanet", "rpn", "faster_rcnn"):
        cfg = PRESETS[system]["tiny"](2)
        for each in suggest._changes(cfg):
            override(cfg, each)                                          # each is a change that there is


@pytest.mark.parametrize("system", ["retinanet", "fast_rcnn", "rpn", "faster_rcnn", "rcnn"])
def test_the_command_that_is_offered_runs(tmp_path, monkeypatch, capsys, system):
    monkeypatch.chdir(tmp_path)
    pictures = {f"{n}.png": photograph(n, 128) for n in range(4)}
    split(tmp_path / "my set", "train", pictures)
    split(tmp_path / "my set", "val", {"new.png": photograph(9, 128), "old.png": photograph(0, 128)})
    monkeypatch.setattr(examine, "overfit", lambda *a: overfit(*a[:4], 1, a[5]))
    more = ["--set", "proposals.kind=dense"] if system == "fast_rcnn" or system == "rcnn" else []
    words = ["doctor", "my set", "--split", "train", "--budget", "smoke", "--system", system, "--preset", "tiny", *more]
    assert main(words) == 1                                              # a leak is serious
    out = capsys.readouterr().out
    assert "1 of 4 pictures of my set/train are also in my set/val: 0.png = old.png" in out
    command = shlex.split(out.strip().splitlines()[-1].removeprefix("       -> "))
    assert command[:5] == ["paperlib", "train", system, "--data", "my set"]
    assert main([*command[1:], "--steps", "1", "--batch", "2", "--out", "out"]) == 0


def test_steps_of_the_command_line_are_the_trials(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(examine, "overfit", lambda *a: seen.append(a[4]) or overfit(*a[:4], 1, a[5]))
    painted(tmp_path, [[(4, 6, 24, 24, 1), (34, 30, 26, 22, 2)]] * 4)
    for words in (["--steps", "7"], [], ["--system", "rcnn", "--set", "proposals.kind=dense"]):
        main(["doctor", str(tmp_path), "--budget", "smoke", "--preset", "tiny", *words])
    assert seen == [7, examine.STEPS, examine.FEW_STEPS["rcnn"]]
    capsys.readouterr()


def test_a_trial_is_given_few_proposals(tmp_path, monkeypatch):
    data = painted(tmp_path, [[(4, 6, 24, 24, 1), (34, 30, 26, 22, 2)]] * 4)
    counts = []

    class Counting(SYSTEMS["fast_rcnn"]):
        def losses(self, images, targets):
            counts.append(max(len(target["proposals"]) for target in targets))
            return super().losses(images, targets)
    monkeypatch.setitem(SYSTEMS, "fast_rcnn", Counting)
    cfg = override(PRESETS["fast_rcnn"]["tiny"](2), {"proposals.kind": "dense_rich", "proposals.keep": 5000})
    overfit(data, cfg, None, "fast_rcnn", 1, CPU)
    assert set(counts) == {PROPOSALS}


def test_systems_on_given_proposals_are_told_a_size(tmp_path):
    data = painted(tmp_path, [[(20, 30, 12, 12, 1), (100, 60, 12, 12, 2)]] * 5, side=256)
    assert suggest.visible_size(data, (128,)) == (256,) and suggest.visible_size(data, None) is None
    assert suggest.visible_size(painted(tmp_path, [[(20, 30, 64, 64, 1)]] * 3, side=256), (128,)) == (128,)


def test_sizes_to_try_end_at_that_of_the_stored_pictures():
    data = SimpleNamespace(sizes=[(256, 300), (200, 256), (256, 256)])
    assert suggest._sizes(data, (128,)) == [(128,), (192,), (256,)] and suggest._sizes(data, None) == [None]
    assert suggest._sizes(data, (300,)) == [(300,)]


def test_bccd_and_its_splits(shared):
    data = named_sets.load(shared / "data/bccd", "val")
    findings = examine_duplicates(data, [named_sets.load(shared / "data/bccd", "test")])
    assert [finding.level for finding in findings] == ["ok"]
    present, chosen = suggest.suggestion(data, tiny(3), (128,), "retinanet")
    assert not present.good and chosen.good and chosen.size == (128,) and chosen.changes  # objects had too few anchors


def test_advice_without_a_command_names_the_options(tmp_path):
    data = painted(tmp_path, [[(20, 30, 11, 11, 1), (100, 60, 12, 10, 2)]] * 4, side=256)
    last = doctor(data, tiny(2), (64,), steps=0, report=None)[-1]
    assert last.topic == "try" and last.advice.startswith("--size ")
