"""What a conversion reads back: classes by name over all splits, objects picture by picture."""
import json

import pytest
from test_coco import change, good
from test_coco import write as write_coco
from test_convert import boxes, convert, said
from test_layouts import text

from paperlib.data import named_sets
from paperlib.data.formats import write_yolo


def test_classes_are_joined_by_their_names_over_all_splits(tmp_path):
    write_coco(tmp_path, good())
    (tmp_path / "annotations").mkdir()
    (tmp_path / "instances.json").rename(tmp_path / "annotations/instances_train.json")
    other = change(categories__0__id=3, categories__1__id=5)
    other["categories"].append({"id": 4, "name": "bird"})
    text(tmp_path / "annotations/instances_val.json", json.dumps(other))
    assert convert(tmp_path, "yolo", tmp_path / "yolo") == 0
    for split in ("train", "val"):
        assert boxes(named_sets.load(tmp_path / "yolo", split)) == boxes(named_sets.load(tmp_path, split))


def test_a_flag_that_is_null_is_0_in_voc(tmp_path):
    write_coco(tmp_path, change(annotations__0__truncated=None))
    assert convert(tmp_path / "instances.json", "voc", tmp_path / "voc") == 0
    assert [ann["truncated"] for ann in named_sets.load(tmp_path / "voc").every_annotation()] == [0] * 4


@pytest.mark.parametrize(("to", "wrong", "words"), [
    ("yolo", {"images__1__file_name": "7.png"}, "YOLO, it would have 1 images; expected 2, whose records name 1 files"),
    ("voc", {"annotations__0__truncated": "a bit"}, "annotation 1: found truncated 'a bit'; expected 0 or 1")])
def test_what_another_format_cannot_hold_is_told(tmp_path, capsys, to, wrong, words):
    write_coco(tmp_path, change(**wrong))
    assert convert(tmp_path / "instances.json", to, tmp_path / "new") == 2 and words in said(capsys)


def test_objects_that_were_written_wrong_are_told_by_picture(tmp_path, capsys, monkeypatch):
    write_coco(tmp_path, good())
    lines = write_yolo._lines
    for exchanged, words in ((("0 ", "1 "), "it would have 0 objects of class 'cat'; expected 1"),
                             ((" 0.2 ", " 0.5 "), "object 1 of picture '7' would be 'cat' in x1, y1, x2, y2 = [8.0")):
        monkeypatch.setattr(write_yolo, "_lines", lambda *args, e=exchanged: [x.replace(*e, 1) for x in lines(*args)])
        assert convert(tmp_path / "instances.json", "yolo", tmp_path / "new") == 2 and words in said(capsys)
