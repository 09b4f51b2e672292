"""Sets written anew: in another format, in parts by share, and without their faults; what is lost is said."""
import json
import os
import stat
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from PIL import Image
from test_coco import change, good
from test_coco import write as write_coco
from test_layouts import LINE, picture, text, yolo
from test_voc import thing
from test_voc import write as write_voc

from paperlib.__main__ import main
from paperlib.data import named_sets
from paperlib.data.formats.shares import by_share
from paperlib.data.set_checks import check


def said(capsys):
    out = capsys.readouterr()
    return out.out + out.err


def convert(name, to, out):
    return main(["data", "convert", str(name), "--to", to, "--out", str(out)])


def boxes(data):
    """Class and box, to 0.01 px, of every object, crowds left out, image by image."""
    lines = []
    for image in data.images:
        anns = [ann for ann in data.annotations[image["id"]] if not ann["iscrowd"]]
        lines.append(sorted((data.class_of(ann), *np.round(ann["bbox"], 2).tolist()) for ann in anns))
    return lines


@pytest.mark.parametrize("to", ["coco", "voc", "yolo"])
@pytest.mark.parametrize("then", ["coco", "voc", "yolo"])
def test_there_and_back_again_every_box_is_where_it_was(tmp_path, capsys, to, then):
    write_coco(tmp_path, good())
    assert convert(tmp_path / "instances.json", to, tmp_path / "a/new") == 0
    assert convert(tmp_path / "a/new", then, tmp_path / "again") == 0
    first, last = named_sets.load(tmp_path), named_sets.load(tmp_path / "again")
    if (to, then) == ("voc", "yolo"):
        assert sum(map(len, last.annotations.values())) == 4             # the crowd, difficult in between
    elif "yolo" in (to, then):
        assert boxes(last) == boxes(first)
    elif "voc" in (to, then):
        assert sum(map(len, last.annotations.values())) == 4             # the crowd as a difficult object
        assert sum(bool(ann["difficult"]) for ann in last.every_annotation()) == 1
    else:
        assert last.coco_dict()["annotations"] == first.coco_dict()["annotations"]
    assert (last.image(0) == 7).all() and (last.image(1) == 8).all() and not check(tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "again", "images", "instances.json"]
    lines = said(capsys)
    assert ("crowd region" in lines) == ({to, then} != {"coco"})         # what a format cannot say is never silent
    assert ("masks are left out" in lines) == ({to, then} != {"coco"})


def test_polygons_go_to_yolo_and_back_where_each_object_is_one(tmp_path, capsys):
    record = good()
    record["annotations"] = record["annotations"][:1]
    write_coco(tmp_path, record)
    assert convert(tmp_path / "instances.json", "yolo", tmp_path / "y") == 0
    assert "note" not in said(capsys)
    seg = named_sets.load(tmp_path / "y").annotations[1][0]["segmentation"]
    assert seg == [pytest.approx([2, 1, 6, 1, 6, 7, 2, 7])]
    record["annotations"][0]["segmentation"] = [[4.5, 1, 6, 1, 6, 7, 4.5, 7]]  # 2.5 px off: its box is written
    write_coco(tmp_path, record)
    assert convert(tmp_path / "instances.json", "yolo", tmp_path / "b") == 0
    assert boxes(named_sets.load(tmp_path / "b")) == boxes(named_sets.load(tmp_path / "instances.json"))


def test_all_splits_go_and_names_that_clash_are_told_apart(tmp_path, capsys):
    for split in ("train", "val"):
        picture(tmp_path / "set" / split / "a.png")
        record = good() | {"images": [{"id": 7, "file_name": "a.png", "height": 10, "width": 20}]}
        text(tmp_path / f"set/annotations/instances_{split}.json", json.dumps(record))
    for to in ("coco", "voc", "yolo"):
        assert convert(tmp_path / "set", to, tmp_path / to) == 0
        assert named_sets.splits(tmp_path / to) == ["train", "val"] and not check(tmp_path / to)
    names = {path.name for path in (tmp_path / "voc/JPEGImages").iterdir()}
    assert names == {"a.png", "val_a.png"}


def test_a_picture_that_lies_on_its_side_keeps_its_boxes_in_yolo(tmp_path):
    write_coco(tmp_path, good())
    rotated = Image.Exif()
    rotated[0x0112] = 6
    tilted = np.random.default_rng(0).integers(0, 255, (10, 20, 3), np.uint8)
    Image.fromarray(tilted).save(tmp_path / "images/7.png", exif=rotated)  # recorded as it is stored, not as shown
    assert convert(tmp_path / "instances.json", "yolo", tmp_path / "y") == 0
    first, last = named_sets.load(tmp_path), named_sets.load(tmp_path / "y")
    assert (first.image(0) == last.image(0)).all() and boxes(first) == boxes(last)


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    write_coco(tmp_path / "full", good())
    name = str(tmp_path / "full")
    for words, message in (
            (["convert", name, "--to", "voc"], "lacks --out"), (["convert", name, "--out", "x"], "lacks --to"),
            (["convert", name, "--to", "coco", "--out", name], "is there already"),
            (["split", name, "--out", str(tmp_path / "x"), "--shares", "train=0.5"], "add up to 1"),
            (["split", name, "--out", str(tmp_path / "x"), "--shares", "a=.3", "b=.3", "c=.4"], "found 2 images"),
            (["split", name, "--out", str(tmp_path / "x"), "--shares", "train:1"], "expected PART=SHARE"),
            (["split", name, "--out", str(tmp_path / "x"), "--shares", "../a=0.5", "b=.5"], "the name of a part")):
        assert main(["data", *words]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and message in lines[0]
    write_coco(tmp_path / "full", change(categories__0__name="bell \a"))
    assert main(["data", "convert", name, "--to", "voc", "--out", str(tmp_path / "x")]) == 2
    assert "that VOC's XML files can hold" in said(capsys)
    (tmp_path / "full/images/8.png").unlink()
    write_coco(tmp_path, good())
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "x"))] == []


def test_shares_are_stratified_by_class_and_follow_their_seed(tmp_path):
    names = [f"i{k:02}" for k in range(40)]
    write_voc(tmp_path, names=names)
    for k, name in enumerate(names):
        file = tmp_path / f"Annotations/{name}.xml"
        objects = thing("cat") * (k < 10) + thing("rare") * (k in (3, 30)) + thing("dog") * (k < 35)
        file.write_text(file.read_text().replace(thing(), objects))
    data = named_sets.load(tmp_path, "train")
    parts = by_share(data, {"train": 0.5, "val": 0.3, "test": 0.2}, seed=1)
    assert {part: len(chosen) for part, chosen in parts.items()} == {"train": 20, "val": 12, "test": 8}
    assert sorted(chain.from_iterable(parts.values())) == list(range(40))
    subsets = {part: data.subset(chosen) for part, chosen in parts.items()}
    counts = {part: Counter(ann["name"] for ann in subset.every_annotation()) for part, subset in subsets.items()}
    assert [counts[part]["cat"] for part in parts] == [5, 3, 2] and counts["train"]["rare"] == 1
    assert all(abs(counts[part]["dog"] - want) <= 1 for part, want in (("train", 17.5), ("val", 10.5), ("test", 7)))
    assert parts == by_share(data, {"train": 0.5, "val": 0.3, "test": 0.2}, seed=1)
    assert parts != by_share(data, {"train": 0.5, "val": 0.3, "test": 0.2}, seed=2)


def test_split_makes_two_parts_in_the_format_of_the_set(tmp_path, capsys):
    for k in range(5):
        picture(tmp_path / f"images/{k}.jpg")
        text(tmp_path / f"labels/{k}.txt", LINE)
    text(tmp_path / "classes.txt", "cat\ndog\n")
    assert main(["data", "split", str(tmp_path), "--out", str(tmp_path / "new")]) == 0
    assert "YOLO, train 4 images with 4 objects; val 1 images with 1 objects" in said(capsys)
    assert named_sets.splits(tmp_path / "new") == ["train", "val"]
    assert main(["data", "split", str(tmp_path / "new"), "--out", str(tmp_path / "x")]) == 2
    assert "has splits already (train, val)" in said(capsys)
    files = list((tmp_path / "new").rglob("*"))
    umask = os.umask(0)
    os.umask(umask)
    for path in files:                                                   # as the user's other files are
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~umask


FAULTY = {  # what is wrong: what is done about it
    "images__0__file_name": ("C:\\me\\7.png", "now '7.png'"), "images__0__height": ("-3", "the picture's: height 10"),
    "annotations__0__area": (float("nan"), "area nan; expected now none"),
    "annotations__0__iscrowd": ("0", "iscrowd '0'; expected now 0"),
    "annotations__0__bbox": (["2", 1, 4, 6], "now [2.0, 1, 4, 6]"),
    "annotations__1__bbox": ([1, 0, -1, 5], "now [0, 0, 1, 5]"), "annotations__1__id": (1, "id 1; expected now 5"),
    "annotations__2__image_id": (99, "image_id 99"), "annotations__1__segmentation": ("x", "segmentation 'x'"),
    "annotations__2__bbox": ([18, 2, 90, 5], "at least half of the box inside")}


@pytest.mark.parametrize("where", FAULTY)
def test_a_copy_is_written_without_the_fault_and_says_so(tmp_path, capsys, where):
    value, words = FAULTY[where]
    write_coco(tmp_path, change(**{where: value}))
    assert main(["data", "check", str(tmp_path / "instances.json"), "--fix", str(tmp_path / "new")]) == 0
    lines = said(capsys)
    assert words in lines.partition("changed: ")[2] and "0 of them fatal" in lines.splitlines()[-1]
    first, last = good(), named_sets.load(tmp_path / "new")
    lost = "left out" in lines
    assert lost == (where in ("annotations__2__image_id", "annotations__2__bbox"))
    assert sum(map(len, last.annotations.values())) == len(first["annotations"]) - lost
    assert [ann["bbox"] for ann in last.every_annotation()][:2] == [[2, 1, 4, 6], [0, 0, 1, 5]]


def test_a_broken_picture_and_its_labels_are_left_out(tmp_path, capsys):
    things = [thing(box=(6, 2, 3, 7)), thing("cat", difficult="perhaps")]
    write_voc(tmp_path / "set", names=("a", "b", "c"), things=things)
    (tmp_path / "set/JPEGImages/b.jpg").write_bytes(b"")
    xml = tmp_path / "set/Annotations/c.xml"
    xml.write_text(xml.read_text().replace("<width>20</width>", "<width>0</width>"))
    assert main(["data", "check", str(tmp_path / "set"), "--fix", str(tmp_path / "new")]) == 0
    lines = said(capsys)
    assert "b.jpg: image 2: found no whole image (the file has 0 bytes)" in lines
    assert "a.xml: object 1: found edges 6, 2, 3, 7; expected now 3.0, 2.0, 6.0, 7.0 [mended]" in lines
    assert "c.xml: size: found height 10, width 0; expected the picture's: height 10, width 20" in lines
    data = named_sets.load(tmp_path / "new", "train")
    assert [data.target(i)["boxes"].tolist() for i in range(2)] == [[[2, 1, 6, 7]], [[2, 1, 6, 7]]]


def test_of_a_wrong_yolo_set_the_good_lines_stay(tmp_path, capsys):
    yolo(tmp_path / "set", ("train", "val"))
    text(tmp_path / "set/classes.txt", "cat\ndog\n")
    text(tmp_path / "set/labels/val/val.txt", f"9 1 1 1 1\n{LINE}")
    assert main(["data", "check", str(tmp_path / "set"), "--fix", str(tmp_path / "new")]) == 0
    assert "val.txt: line 1: found class number '9'" in said(capsys)
    assert [len(named_sets.load(tmp_path / "new", split).annotations[1]) for split in ("train", "val")] == [1, 1]


def test_where_nothing_can_be_used_nothing_is_written(tmp_path, capsys):
    text(tmp_path / "set/instances.json", "{")
    assert main(["data", "check", str(tmp_path / "set"), "--fix", str(tmp_path / "new")]) == 2
    assert "nothing of it can be used" in said(capsys) and not (tmp_path / "new").exists()
