"""The three sets on disk: the same bytes from any number of processes, read by everyone's readers, masks exact."""
import dataclasses
import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torchvision
from pycocotools import mask as rle_tools
from pycocotools.coco import COCO

from paperlib.data import named_sets
from paperlib.data.read_coco import read_coco
from paperlib.data.read_voc import read_voc
from paperlib.data.set_checks import check
from paperlib.parts.masks import filled, polygons, run_lengths
from paperlib.world import build, drawn_sets, write_pictures
from paperlib.world.captions import captions
from paperlib.world.world import World, draw_scene
from paperlib.world.write_voc import _flag, write_voc

COUNTS = {"minicoco": {"train": 60, "val": 8, "test": 4}, "minivoc": {"trainval": 20, "test": 8},
          "mininet": {"train": 36, "val": 36}}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("drawn")
    for name, counts in COUNTS.items():
        build.build(name, root / name, 1, counts)
    return {name: root / name for name in COUNTS}


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("name", COUNTS)
def test_same_bytes_from_two_processes(name, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(write_pictures, "CHUNK", 7)
    build.build(name, tmp_path, 2, COUNTS[name])
    assert files(tmp_path) == files(folders[name])


@pytest.mark.parametrize("name", ["minicoco", "minivoc"])
def test_no_fault_in_any_set(name, folders):
    assert check(folders[name]) == []


def test_coco_readers_agree_on_boxes_and_masks(folders):
    folder = folders["minicoco"]
    file = folder / "annotations/instances_train.json"
    ours, theirs = read_coco(file), COCO(file)
    assert ours.area_ranges["small"] == (0, 144) and ours.area_ranges["large"][0] == 1296
    for k, image in enumerate(ours.images):
        number = int(image["file_name"][:12]) - 1
        _, drawn = draw_scene(World(), drawn_sets.seed_of("minicoco", "train", number))
        anns = theirs.loadAnns(theirs.getAnnIds(image["id"]))
        assert [a["bbox"] for a in anns] == [t["bbox"] for t in drawn]
        for ann, thing, mask in zip(anns, drawn, ours.target(k, masks=True)["masks"], strict=True):
            assert np.array_equal(theirs.annToMask(ann), thing["mask"]) and np.array_equal(mask.numpy(), thing["mask"])
            assert ann["area"] == thing["area"] and ann["iscrowd"] == thing["crowd"]
    pairs = torchvision.datasets.CocoDetection(folder / "train", file)
    assert len(pairs) == 60 and pairs[0][0].size == (128, 128)


def test_test_split_has_no_labels_and_captions_are_five(folders):
    notes = folders["minicoco"] / "annotations"
    assert "annotations" not in json.loads((notes / "image_info_test.json").read_text())
    assert not (notes / "instances_test.json").exists()
    lines = json.loads((notes / "captions_val.json").read_text())["annotations"]
    assert len(lines) == 5 * COUNTS["minicoco"]["val"]
    for k in range(0, len(lines), 5):
        five = lines[k:k + 5]
        assert len({line["caption"] for line in five}) == 5 and len({line["image_id"] for line in five}) == 1


def test_voc_readers_agree_on_boxes_and_masks(folders, tmp_path):
    ours = read_voc(folders["minivoc"], "trainval")
    assert len(ours.classes) == 20
    for k, image in enumerate(ours.images):
        seed = drawn_sets.seed_of("minivoc", "trainval", int(image["file_name"][:6]) - 1)
        _, drawn = draw_scene(drawn_sets.WORLDS["minivoc"], seed)
        target = ours.target(k, masks=True)
        for thing, box, mask in zip(drawn, target["boxes"], target["masks"], strict=True):
            x, y, w, h = thing["bbox"]
            assert box.tolist() == [x, y, x + w, y + h] and np.array_equal(mask.numpy(), thing["mask"])
    (tmp_path / "VOCdevkit").mkdir()
    (tmp_path / "VOCdevkit" / "VOC2012").symlink_to(folders["minivoc"])
    theirs = torchvision.datasets.VOCDetection(tmp_path, "2012", "trainval")
    assert len(theirs) == 20 and theirs[0][1]["annotation"]["size"]["width"] == "128"
    segments = torchvision.datasets.VOCSegmentation(tmp_path, "2012", "val")
    assert len(segments) == 10 and set(np.unique(segments[0][1])) <= {*range(21), 255}
    listed = (folders["minivoc"] / "ImageSets/Main/person_trainval.txt").read_text().split()
    has = {image["file_name"][:6] for image in ours.images
           if any(a["category_id"] == 15 for a in ours.annotations[image["id"]])}
    assert {stem for stem, flag in zip(listed[::2], listed[1::2]) if flag != "-1"} == has


def test_mininet_is_a_folder_per_class(folders):
    found = torchvision.datasets.ImageFolder(folders["mininet"] / "train")
    assert len(found.classes) == 36 and len(found) == 36 and found[0][0].size == (64, 64)


def test_seeds_are_disjoint():
    seeds = {}
    for name, counts in drawn_sets.COUNTS.items():
        for split, size in counts.items():
            first = drawn_sets.seed_of(name, split, 0)
            seeds[name, split] = range(first, first + size)
    assert len({seed for part in seeds.values() for seed in part}) == sum(map(len, seeds.values()))


def test_the_sets_keep_the_versions_that_records_were_made_on():
    """Every dial is in a set's version: a dial that comes or goes makes all records stale."""
    versions = {"minicoco": "f7cce5a8fb5d", "minivoc": "d26bfa160680", "mininet": "a43c9c8f1217",
                "minicoco?stuff=0": "859aecade7d5"}
    assert {name: drawn_sets.version(name) for name in versions} == versions


def test_unknown_set_or_split_is_an_error(tmp_path):
    with pytest.raises(KeyError, match="minicoco"):
        build.build("micrococo", tmp_path)
    with pytest.raises(KeyError, match="trainval"):
        build.build("minivoc", tmp_path, counts={"train": 3})


def test_polygons_fill_the_mask_exactly():
    rng = np.random.default_rng(0)
    for density in (0.3, 0.6, 0.9):                  # pieces, holes, holes in pieces in holes, diagonal touches
        mask = rng.random((24, 30)) < density
        assert np.array_equal(filled(polygons(mask), 24, 30), mask)
    ring = np.zeros((20, 20), bool)
    ring[2:18, 2:18], ring[6:14, 6:14], ring[9:11, 9:11] = True, False, True
    assert np.array_equal(filled(polygons(ring), 20, 20), ring) and len(polygons(ring)) == 2
    assert polygons(np.zeros((4, 4), bool)) == []


@pytest.mark.parametrize("kind", ["full", "none", "corner", "random"])
def test_run_lengths_are_cocos(kind):
    mask = {"full": np.ones((5, 7), bool), "none": np.zeros((5, 7), bool), "corner": np.arange(35).reshape(5, 7) == 34,
            "random": np.random.default_rng(1).random((5, 7)) < 0.5}[kind]
    lengths = run_lengths(mask)
    assert sum(lengths["counts"]) == 35 and np.array_equal(filled(lengths, 5, 7), mask)
    packed = rle_tools.frPyObjects(lengths, 5, 7)
    assert packed["counts"] == rle_tools.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]


def test_a_set_of_other_drawings_is_drawn_again_and_a_strangers_folder_left_alone(tmp_path, monkeypatch):
    drawn = []

    def draw(name, folder, jobs=None):
        drawn.append(name)
        (folder / "version").write_text(drawn_sets.version(name) + "\n")

    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    monkeypatch.setattr(build, "build", draw)
    for _ in range(2):
        assert named_sets.ensure("minivoc") == tmp_path / "minivoc"
    assert drawn == ["minivoc"]                                         # drawn on first use, then found
    (tmp_path / "minivoc" / "version").write_text("000000000000\n")
    named_sets.ensure("minivoc")
    assert drawn == ["minivoc"] * 2
    assert (tmp_path / "minivoc" / "version").read_text().strip() == drawn_sets.version("minivoc")
    (tmp_path / "minicoco").mkdir()                                     # no stamp: not ours to replace
    named_sets.ensure("minicoco")
    assert len(drawn) == 2 and not list(tmp_path.glob(".mini*-*"))
    with pytest.raises(KeyError, match="no embedded data set 'maxicoco'"):
        named_sets.ensure("maxicoco")


def test_a_name_may_turn_dials(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    monkeypatch.setattr(drawn_sets, "TURNED", (6, 4))
    name = "minicoco?categories=20&size_range=(12,60)"
    assert drawn_sets.world_of(name) == dataclasses.replace(World(), categories=20, size_range=(12, 60))
    drawn = named_sets.load(name, "val")
    assert len(drawn) == 4 and len(drawn.classes) == 20
    stamp = tmp_path / "minicoco-categories=20-size_range=-12-60" / "version"
    assert stamp.read_text().strip() == drawn_sets.version(name)
    assert len({drawn_sets.version(n) for n in (name, "minicoco", "minicoco?stuff=0", "minicoco?stuff=1")}) == 4
    with pytest.raises(KeyError, match="no dial 'stuf'; there are size,"):
        named_sets.load("minicoco?stuf=0", "val")
    with pytest.raises(ValueError, match="stuff=much is no number"):
        drawn_sets.world_of("minicoco?stuff=much")


def test_every_set_can_have_a_dial_turned(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_sets, "TURNED", (4, 2))
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    assert [len(named_sets.load("minivoc?stuff=0", split)) for split in ("trainval", "test")] == [4, 2]
    folder = named_sets.ensure("mininet?stuff=0")
    assert len(list(folder.rglob("*.jpg"))) == 6


def test_what_a_killed_drawing_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(drawn_sets, "TURNED", (4, 2))
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    command = [sys.executable, "-c", "from paperlib.data import named_sets\n"
               "from paperlib.world import drawn_sets\ndrawn_sets.TURNED = (9000, 2)\n"
               "named_sets.ensure('mininet?stuff=0', 1)"]
    drawing = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not list(tmp_path.glob(".mininet-stuff=0.part-*/train")):
        assert drawing.poll() is None
        time.sleep(0.05)
    drawing.kill()
    drawing.wait()
    (other := tmp_path / ".mininet-stuff=0.5.part-xyz").mkdir()
    named_sets.ensure("mininet?stuff=0")
    assert not list(tmp_path.glob(".mininet-stuff=0.part-*")) and other.exists()


def test_read_only_folder_gets_a_hint(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "taken"))
    with pytest.raises(OSError, match=r"minivoc cannot be drawn there .* set PAPERLIB_DATA"):
        named_sets.ensure("minivoc")


def test_a_class_is_only_difficult_where_each_of_its_objects_is(tmp_path):
    for part in ("Annotations", "SegmentationObject", "SegmentationClass"):
        (tmp_path / part).mkdir()
    mask = np.zeros((32, 32), bool)
    mask[4:20, 4:20] = True
    easy = {"name": "cat", "category": 1, "mask": mask, "bbox": [4, 4, 16, 16], "truncated": False,
            "visible": 1.0}
    hidden, small = easy | {"visible": 0.4}, easy | {"bbox": [4, 4, 8, 8]}
    for instances, hard in (([easy], False), ([hidden], True), ([small], True), ([hidden, easy], False),
                            ([easy, small], False), ([hidden, small], True)):
        drawing = SimpleNamespace(image=np.zeros((32, 32, 3), np.uint8), instances=instances)
        assert write_voc(tmp_path, "1", drawing) == {"cat": hard}
    drawing.instances = [easy | {"visible": 0.9}, easy | {"truncated": True}]
    write_voc(tmp_path, "1", drawing)
    written = (tmp_path / "Annotations" / "1.xml").read_text()
    assert [int(flag) for flag in re.findall(r"<occluded>(.)<", written)] == [1, 0]
    assert [int(flag) for flag in re.findall(r"<truncated>(.)<", written)] == [0, 1]
    assert [_flag("cat", {"cat": hard}) for hard in (False, True)] == [1, 0]
    assert _flag("cat", {"dog": False}) == -1


def test_captions_count_and_name_what_is_there():
    def said(**counts):
        things = []
        for name, number in counts.items():
            things += [{"name": name, "crowd": number == "crowd"}] * (1 if number == "crowd" else number)
        drawing = SimpleNamespace(instances=things, scene=SimpleNamespace(where="in a field"))
        return captions(drawing, 0)

    some = "many people, three buses and an umbrella"
    assert said(person=10, bus=3, umbrella=1) == [
        f"{some[0].upper()}{some[1:]} in a field.", f"A picture of {some}, in a field.",
        f"There are {some} in a field.", "In a field: many people.",
        "Here we see many people beside three buses in a field."]
    assert said(sheep=9)[3] == "In a field: nine sheep." and said(cow="crowd")[3] == "In a field: many cows."
    assert said(cat=1)[2] == "There is a cat in a field."
