"""Labelling one's own pictures: what is drawn is in the COCO file at once, can be taken back, and is gone on with."""
import json

import numpy as np
import pytest
from PIL import Image

from paperlib.data.read_coco import read_coco
from paperlib.teach.labeller.labelling import Labelling


@pytest.fixture
def folder(tmp_path):
    for i, size in enumerate([(80, 60), (40, 90), (64, 64)]):
        Image.fromarray(np.full((*size[::-1], 3), 90 + i, np.uint8)).save(tmp_path / f"p{i}.jpg")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_boxes_are_saved_cut_and_read_back(folder):
    labelling = Labelling(folder, ["cat", "dog"])
    assert len(labelling) == 3 and labelling.next_unlabelled() == 0
    labelling.change(1, [[-5, 10, 20, 30, 2], [30, 80, 50, 50, 1], [3, 3, 1, 9, 1]])
    dataset = read_coco(folder / "instances.json", folder, report=None)
    assert dataset.classes == ["cat", "dog"] and dataset.image_ids == [2] and dataset.sizes == [(90, 40)]
    assert dataset.target(0)["boxes"].tolist() == [[0, 10, 15, 40], [30, 80, 40, 90]]
    assert dataset.target(0)["labels"].tolist() == [2, 1]
    again = Labelling(folder, ["bird"])
    assert again.classes == ["cat", "dog", "bird"] and again.boxes(1) == labelling.boxes(1)
    assert again.labelled == [1] and again.next_unlabelled(1) == 2 and again.next_unlabelled(2) == 0


def test_the_next_picture_is_looked_for_all_around(folder):
    labelling = Labelling(folder, ["cat"])
    labelling.accept(0)
    labelling.accept(2)
    assert [labelling.next_unlabelled(after) for after in (-1, 0, 1, 2)] == [1] * 4
    labelling.accept(1)
    assert labelling.next_unlabelled(1) is None


def test_two_pixels_are_the_least_side(folder):
    labelling = Labelling(folder, ["cat"])
    labelling.change(0, [[1, 2, 2, 9, 1], [1, 2, 9, 1.9, 1]])
    assert labelling.boxes(0) == [[1, 2, 2, 9, 1]]


def test_a_change_can_be_taken_back_also_from_the_file(folder):
    labelling = Labelling(folder, ["cat"])
    labelling.change(0, [[1, 2, 30, 20, 1]])
    labelling.change(0, [[1, 2, 30, 20, 1]])                             # nothing new, nothing to undo
    labelling.change(0, [])
    labelling.change(2, [[5, 5, 10, 10, 1]])
    assert [labelling.undo() for _ in range(2)] == [2, 0] and labelling.boxes(0) == [[1, 2, 30, 20, 1]]
    assert [image["id"] for image in json.loads((folder / "instances.json").read_text())["images"]] == [1]
    assert labelling.undo() == 0 and labelling.labelled == [] and labelling.undo() is None


def test_suggestions_count_only_when_accepted(folder):
    labelling = Labelling(folder, ["cat"], suggest=lambda file: [(4, 4, 9, 9, "cat"), (1, 1, 5, 5, "ship")])
    assert labelling.boxes(0) == [[4, 4, 9, 9, 1]] and labelling.labelled == []
    assert not (folder / "instances.json").exists()
    labelling.accept(0)
    labelling.change(1, [])
    content = json.loads((folder / "instances.json").read_text())
    assert len(content["images"]) == 2 and [a["bbox"] for a in content["annotations"]] == [[4, 4, 9, 9]]


def test_a_class_that_comes_later_gets_suggestions_too(folder):
    labelling = Labelling(folder, ["cat"], suggest=lambda file: [(4, 4, 9, 9, "cat"), (1, 1, 5, 5, "ship")])
    assert len(labelling.boxes(0)) == 1
    labelling.add_class("ship")
    assert labelling.boxes(0) == [[4, 4, 9, 9, 1], [1, 1, 5, 5, 2]]


def test_a_phone_s_upright_picture_is_labelled_upright(folder):
    exif = Image.Exif()
    exif[0x0112] = 6                                                     # turn by a quarter to see it upright
    Image.fromarray(np.zeros((30, 50, 3), np.uint8)).save(folder / "turned.jpg", exif=exif)
    labelling = Labelling(folder, ["cat"])
    labelling.change(3, [[0, 0, 30, 50, 1]])
    dataset = read_coco(folder / "instances.json", folder, report=None)
    assert dataset.sizes == [(50, 30)] and dataset.image(0).shape == (3, 50, 30)


@pytest.mark.parametrize(("boxes", "words"), [
    ([[1, 2, 9, 9, 0]], "label from 1 to 1"),
    ([[1, 2, 3, 4]], "expected x, y, width, height and a label"), ([[1, 2, 9, 9, 3]], "label from 1 to 1"),
    ([[1, 2, float("nan"), 9, 1]], "p0.jpg: box")])
def test_wrong_boxes_change_nothing(folder, boxes, words):
    labelling = Labelling(folder, ["cat"])
    with pytest.raises(ValueError, match=words):
        labelling.change(0, boxes)
    assert labelling.labelled == []


def test_clear_errors(folder, tmp_path):
    with pytest.raises(ValueError, match="no class to label"):
        Labelling(folder)
    with pytest.raises(ValueError, match="expected a name"):
        Labelling(folder, [" "])
    (folder / "none").mkdir()
    with pytest.raises(ValueError, match="no pictures"):
        Labelling(folder / "none", ["cat"])
    Labelling(folder, ["cat"]).change(0, [])
    (folder / "p0.jpg").unlink()
    with pytest.raises((ValueError, FileNotFoundError), match=r"p0\.jpg"):
        Labelling(folder, ["cat"])
    (folder / "p1.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"p1\.jpg: found no whole image"):
        Labelling(folder, ["cat"], file=folder / "new.json").change(0, [])


def test_the_widget_shows_and_saves(folder):
    pytest.importorskip("anywidget")
    from paperlib.teach.labeller.widget import label

    shown = label(folder, ["cat"])
    assert shown.size == [80, 60] and shown.picture.startswith("data:image/jpeg;base64,") and not shown.boxes
    shown.boxes = [[1, 2, 30, 20, 1]]                                    # as the browser does
    assert "1 of 3 labelled" in shown.said
    shown._asked(None, {"do": "next"}, [])
    assert shown.place == 1 and shown.boxes == [] and "p1.jpg" in shown.title
    shown._asked(None, {"do": "class", "name": "dog"}, [])
    assert shown.classes == ["cat", "dog"]
    shown._asked(None, {"do": "undo"}, [])
    assert shown.place == 0 and shown.boxes == []
    shown.boxes = [[1, 2, 30, 20, 7]]
    assert "label from 1 to 2" in shown.said
    assert json.loads((folder / "instances.json").read_text())["images"] == []
