"""The folders and formats that people and their tools make: each is found, read and never taken for another."""
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_voc import thing

from paperlib.data import named_sets
from paperlib.data.set_checks import check

SIZE = (20, 10)                                                          # width, height of all pictures here
BOX = [2, 1, 4, 6]                                                       # x, y, width, height of the dog in each
LINE = "1 0.2 0.4 0.2 0.6\n"                                             # the same to YOLO, whose class 1 is a dog
XML = ("<annotation><size><width>20</width><height>10</height></size>" + thing("dog", (3, 2, 6, 7)) +
       "</annotation>")
NAMES = "names: [cat, dog]\n"


def picture(file, size=SIZE, **more):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)).save(file, **more)


def text(file, content):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8")


def coco(file, name, **more):
    """A COCO file of one picture with one dog."""
    record = {"images": [{"id": 0, "file_name": name, "width": 20, "height": 10}],
              "annotations": [{"id": 0, "image_id": 0, "category_id": 1, "bbox": BOX, "iscrowd": 0, **more}],
              "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "dog"}]}
    text(file, json.dumps(record))


def yolo(top, splits, inside=("images/{}", "labels/{}")):
    for split in splits:
        picture(top / inside[0].format(split) / f"{split}.jpg")
        text(top / inside[1].format(split) / f"{split}.txt", LINE)


# Each writes a set below a folder and gives its splits.
def roboflow_coco(top):
    for split in ("train", "valid"):
        picture(top / split / f"{split}_jpg.rf.1.jpg")
        coco(top / split / "_annotations.coco.json", f"{split}_jpg.rf.1.jpg")
    text(top / "README.roboflow.txt", "exported")
    return ["train", "valid"]


def roboflow_yolo(top):
    yolo(top, ("train", "valid"), ("{}/images", "{}/labels"))
    text(top / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n" + NAMES)
    return ["train", "val"]


def roboflow_voc(top):
    for split in ("train", "valid"):
        picture(top / split / "a.jpg")
        text(top / split / "a.xml", XML)
    return ["train", "valid"]


def roboflow_darknet(top):
    for split in ("train", "valid"):
        picture(top / split / "a.jpg")
        text(top / split / "a.txt", LINE)
        text(top / split / "_darknet.labels", "cat\ndog\n")
    return ["train", "valid"]


def cvat_coco(top):
    picture(top / "images/default/a.jpg")
    coco(top / "annotations/instances_default.json", "a.jpg")
    return ["default"]


def cvat_voc(top):
    picture(top / "JPEGImages/a.jpg")
    text(top / "Annotations/a.xml", XML)
    text(top / "ImageSets/Main/default.txt", "a\n")
    text(top / "labelmap.txt", "# label:color_rgb:parts:actions\ncat:128,0,0::\n")
    return ["default"]


def cvat_yolo(top):
    picture(top / "obj_train_data/a.jpg")
    text(top / "obj_train_data/a.txt", LINE)
    text(top / "obj.names", "cat\ndog\n")
    text(top / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n")
    text(top / "train.txt", "data/obj_train_data/a.jpg\n")
    return ["train"]


def cvat_ultralytics(top):
    yolo(top, ("train",))
    text(top / "data.yaml", "names:\n  0: cat\n  1: dog\npath: .\ntrain: train.txt\n")
    text(top / "train.txt", "data/images/train/train.jpg\n")
    return ["train"]


def ultralytics(top):
    yolo(top, ("train2017", "val2017"))
    text(top / "coco8.yaml", "path: ../datasets/coco8\ntrain: images/train2017\nval: images/val2017\ntest:\n"
         "names: {0: cat, 1: dog}\ndownload: https://nowhere/coco8.zip\n")
    return ["train", "val"]


def folders_alone(top):
    yolo(top, ("train", "val"))
    text(top / "labels/classes.txt", "cat\ndog\n")
    return ["train", "val"]


def label_studio_coco(top):
    picture(top / "images/1f2e-a.jpg")
    coco(top / "result.json", "images/1f2e-a.jpg", segmentation=[], ignore=0)
    return [None]


def label_studio_yolo(top):
    picture(top / "images/1f2e-a.jpg")
    text(top / "labels/1f2e-a.txt", LINE)
    text(top / "classes.txt", "cat\ndog\n")
    text(top / "notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {"version": "1.0"}}')
    return [None]


def via_coco(top):
    picture(top / "a.jpg")
    coco(top / "via_export_coco.json", "a.jpg", image_id="0", segmentation=[2, 1, 6, 1, 6, 7, 2, 7])
    text(top / "via_project_2024.json", '{"_via_settings": {}, "_via_img_metadata": {}}')
    return [None]


def annots_beside_images(top):
    picture(top / "images/00001.jpg")
    text(top / "annots/00001.xml", XML)
    return [None]


def annotations_beside_images(top):
    picture(top / "images/a.png")
    text(top / "annotations/a.xml", XML)
    return [None]


def annotations_by_split(top):
    for split in ("train", "test"):
        picture(top / "images" / split / "a.png")
        text(top / "annotations" / split / "a.xml", XML)
    return ["test", "train"]


def xml_beside_pictures(top):
    picture(top / "a.JPG")
    text(top / "a.xml", XML)
    return [None]


def json_by_split(top):
    for split in ("train", "val"):
        picture(top / "images" / f"{split}.jpg")
        coco(top / "annotations" / f"{split}_annotations.json", f"{split}.jpg")
    return ["train", "val"]


LAYOUTS = [roboflow_coco, roboflow_yolo, roboflow_voc, roboflow_darknet, cvat_coco, cvat_voc, cvat_yolo,
           cvat_ultralytics, ultralytics, folders_alone, label_studio_coco, label_studio_yolo, via_coco,
           annots_beside_images, annotations_beside_images, annotations_by_split, xml_beside_pictures, json_by_split]


@pytest.mark.parametrize("write", LAYOUTS, ids=lambda write: write.__name__)
def test_a_layout_is_read_and_has_no_fault(tmp_path, write):
    top = tmp_path / "my set"
    expected = write(top)
    assert named_sets.splits(top) == expected
    for split in expected:
        data = named_sets.load(top, split)
        target = data.target(0)
        assert len(data) == 1 and data.classes[int(target["labels"]) - 1] == "dog"
        np.testing.assert_allclose(target["boxes"], [[2, 1, 6, 7]], atol=1e-5)
        assert data.image(0).shape == (3, 10, 20)
        assert data.name == (f"my set/{split}" if split else "my set")
    usual = {roboflow_yolo: ["test: '../test/images'"], via_coco: ["annotations", "annotations"]}  # said, not wrong
    faults = check(top)
    assert [fault.record for fault in faults] == usual.get(write, []) and not any(fault.fatal for fault in faults)
    with pytest.raises(KeyError, match=r"no split 'nowhere'; it has "):
        named_sets.load(top, "nowhere")


def test_polygons_and_boxes_of_yolo_and_the_cameras_rotation(tmp_path):
    rotated = Image.Exif()
    rotated[0x0112] = 6
    picture(tmp_path / "images/a.jpg", (10, 20), exif=rotated)           # shown as 20 x 10
    text(tmp_path / "labels/a.txt", "1 0.1 0.1 0.3 0.1 0.3 0.7\n0 0.5 0.5 1.0000001 1\n")
    text(tmp_path / "classes.txt", "cat\ndog\n")
    data = named_sets.load(tmp_path)
    target = data.target(0)
    assert target["size"].tolist() == [10, 20] and not data.clipped
    np.testing.assert_allclose(target["boxes"], [[2, 1, 6, 7], [0, 0, 20, 10]], atol=1e-5)
    assert data.annotations[1][0]["segmentation"] == [pytest.approx([2, 1, 6, 1, 6, 7])]
    assert target["area"][0] == pytest.approx(12, abs=4) and data.image(0).shape == (3, 10, 20)
    text(tmp_path / "labels/a.txt", "0 0.5 0.5 1.02 1\n")                # too far out to be rounding
    assert len(named_sets.load(tmp_path).clipped) == 1


BAD_LINES = {
    "2 0.2 0.4 0.2 0.6": "found class number '2'; expected 0 to 1", "dog 0.2 0.4 0.2 0.6": "found class number 'dog'",
    "-1 0.2 0.4 0.2 0.6": "class number", "nan 0.2 0.4 0.2 0.6": "class number", "1 0.2 0.4 0.2": "found 4 numbers",
    "1 0.2 0.4 0.2 0.6 0.99": "found 6 numbers", "1 4 4 4 6": "expected fractions of the picture",
    "1 0.2 0.4 nan 0.6": "expected finite numbers", "1 0.2 0.4 -0.2 0.6": "width and height not negative",
    "1 0.2 x 0.2 0.6": "expected numbers", "1 0.2 0.4 1e999 0.6": "finite numbers"}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_wrong_line_of_yolo_is_named_with_its_file(tmp_path, line):
    yolo(tmp_path, ("train",))
    text(tmp_path / "classes.txt", "cat\ndog\n")
    text(tmp_path / "labels/train/train.txt", f"{LINE}{line}\n")
    with pytest.raises(ValueError, match=r"train\.txt: line 2: found") as error:
        named_sets.load(tmp_path, "train")
    assert BAD_LINES[line] in str(error.value) and "hint: " in str(error.value)
    assert [f.record for f in check(tmp_path)] == ["line 2"]


BAD_YAML = {
    "names: [cat\n": r"data.yaml: line \d: found broken YAML", "train: images/train\nnames: [cat, cat, dog]\n": "twice",
    "train: images/train\nnames: {0: cat, 2: dog}\n": "without a gap",
    "train: images/train\nnames: dog\n": "a list of texts",
    "train: /nowhere\nnames: [cat, dog]\n": "found no pictures at train: '/nowhere'",
    "train: images/train\nnames: [cat, {}]\n": "a list of texts",
    'train: images/train\nnames: [cat, "\\ud800"]\n': "a name in whole letters"}


@pytest.mark.parametrize("content", BAD_YAML)
def test_a_wrong_data_yaml_is_named(tmp_path, content):
    yolo(tmp_path, ("train",))
    text(tmp_path / "data.yaml", content)
    with pytest.raises(ValueError, match=BAD_YAML[content]):
        named_sets.load(tmp_path, "train")


@pytest.mark.parametrize("names", ["{0: cat, 2: dog}", "dog", "[cat, {}]", "[]"])
def test_names_that_cannot_be_read_are_one_fault_and_labels_are_still_read(tmp_path, names):
    yolo(tmp_path, ("train",))
    text(tmp_path / "data.yaml", f"train: images/train\nnames: {names}\n")
    assert [fault.record for fault in check(tmp_path)] == ["names"]
    (labels,) = (tmp_path / "labels" / "train").iterdir()
    labels.write_text(f"{LINE}0 0.5 0.5 nan 0.2\n")
    assert {fault.record for fault in check(tmp_path)} == {"names", "line 2"}


def test_a_count_of_classes_that_the_names_contradict_is_pointed_out(tmp_path):
    yolo(tmp_path, ("train",))
    text(tmp_path / "data.yaml", "train: images/train\nnc: 3\nnames: [cat, dog]\n")
    (fault,) = check(tmp_path)
    assert (fault.record, fault.found, fault.fatal) == ("nc", "nc 3 beside 2 names", False)
    assert named_sets.load(tmp_path, "train").classes == ["cat", "dog"]


def test_what_yolo_leaves_open_is_said(tmp_path):
    yolo(tmp_path, ("train",))
    picture(tmp_path / "images/train/bare.jpg")
    text(tmp_path / "labels/train/lonely.txt", LINE)
    assert named_sets.load(tmp_path, "train").classes == ["0", "1"]
    saw = {f.record: f.found for f in check(tmp_path)}
    assert saw["names"] == "no data.yaml and no classes.txt"
    assert saw["1 pictures (50%), first images/train/bare.jpg"] == "no file of labels" and "in no split" in saw.values()


def test_pictures_alone_are_a_set_without_labels(tmp_path):
    for name in ("b.jpg", "a.png"):
        picture(tmp_path / "photos" / name)
    data = named_sets.load(tmp_path / "photos")
    assert [image["file_name"] for image in data.images] == ["a.png", "b.jpg"] and data.classes == []
    assert data.image(0).shape == (3, 10, 20) and data.target(0)["boxes"].shape == (0, 4)
    (fault,) = check(tmp_path / "photos")
    assert fault.found == "2 pictures without any annotation file" and not fault.fatal
    text(tmp_path / "photos/a.json", '{"shapes": []}')                   # labels in a format that is not read
    with pytest.raises(KeyError, match=r"is no detection set: it holds a\.json, a\.png, b\.jpg"):
        named_sets.load(tmp_path / "photos")


def test_files_of_other_things_are_no_annotations(tmp_path):
    picture(tmp_path / "images/a.png")
    text(tmp_path / "pom.xml", "<project></project>")
    text(tmp_path / "config.yaml", "train: 3\n")
    text(tmp_path / "found.json", json.dumps([{"image_id": 1, "score": 0.5}]))
    with pytest.raises(KeyError, match="is no detection set"):
        named_sets.load(tmp_path)
    coco(tmp_path / "any.json", "a.png")
    assert len(named_sets.load(tmp_path)) == 1


def test_no_yaml_leads_out_of_its_folder(tmp_path):
    yolo(tmp_path / "secret/deep", ("train",))
    text(tmp_path / "mine/set/data.yaml", f"path: {tmp_path / 'secret/deep'}\ntrain: images/train\n{NAMES}")
    with pytest.raises(ValueError, match="found no pictures at train"):
        named_sets.load(tmp_path / "mine/set", "train")
    shutil.move(tmp_path / "secret/deep", tmp_path / "mine/deep")        # beside it, as Ultralytics' datasets/ lie
    text(tmp_path / "mine/set/data.yaml", f"path: ../deep\ntrain: images/train\n{NAMES}")
    assert len(named_sets.load(tmp_path / "mine/set", "train")) == 1


FOREIGN = {
    "annotations.xml": ("<annotations><version>1.1</version></annotations>", "CVAT's own XML, which is not read"),
    "a.json": ('{"version": "5.0", "shapes": []}', "LabelMe's JSON"),
    "labels.csv": ("a,b\n1,2", r"a table \(a,b\), which is not read here: export .*'From a table' in data/README.md"),
    "L.CSV": ("", "a table, which is not read here"), "labels.mat": ("MATLAB 5.0", "MATLAB's data"),
    "train/_annotations.csv": ("filename,x", r"a table \(filename,x\)"),
    "project.json": ('{"_via_settings": {}}', "a project of VIA"),
    "tasks.json": ('[{"id": 1, "annotations": [{"result": [{"from_name": "label"}]}]}]', "Label Studio's own JSON")}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_format_that_is_not_read_is_named_with_the_way_out(tmp_path, name):
    picture((tmp_path / name).with_name("a.png"))
    content, words = FOREIGN[name]
    text(tmp_path / name, content)
    with pytest.raises(KeyError, match=f"is no detection set: .*; {name} looks like {words}"):
        named_sets.load(tmp_path)


def test_of_many_files_of_a_format_some_are_named(tmp_path):
    for name in "abcde":
        picture(tmp_path / f"images/{name}.png")
        text(tmp_path / f"labels/{name}.csv", "cat,1,2,3,4")
    with pytest.raises(KeyError, match=r"labels/a.csv, labels/b.csv, labels/c.csv and 2 more look like a table"):
        named_sets.load(tmp_path)


def test_the_lines_that_make_a_set_of_a_table(tmp_path, monkeypatch):
    readme = (Path(__file__).parents[1] / "data/README.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"### From a table\n.*?```python\n(.*?)```", readme, re.DOTALL)
    for name in ("b.png", "a.png"):
        picture(tmp_path / "images" / name)
    text(tmp_path / "labels.csv", "filename,xmin,ymin,xmax,ymax,class\nb.png,2,1,6,7,dog\na.png,0,0,3,3,cat\n")
    monkeypatch.chdir(tmp_path)
    exec(lines, {})
    (tmp_path / "labels.csv").rename(tmp_path.parent / "labels.csv")
    data = named_sets.load(tmp_path)
    assert check(tmp_path) == [] and data.classes == ["cat", "dog"]
    assert data.target(1)["boxes"].tolist() == [[2, 1, 6, 7]] and data.target(1)["labels"].tolist() == [2]


def test_what_unpacking_leaves(tmp_path):
    annots_beside_images(tmp_path / "zip/set")
    text(tmp_path / "zip/__MACOSX/set/annots/._00001.xml", "\0")
    text(tmp_path / "zip/set/annots/._00001.xml", "\0\0\0")
    assert check(tmp_path / "zip/set") == [] and named_sets.splits(tmp_path / "zip") == ["set"]
    cvat_coco(tmp_path / "other/deep")
    with pytest.raises(KeyError, match=f"is no detection set: .*; {tmp_path}/other/deep is one"):
        named_sets.load(tmp_path / "other")
    text(tmp_path / "set.zip", "PK")
    with pytest.raises(KeyError, match="found an archive; expected the folder that it unpacks to"):
        named_sets.load(tmp_path / "set.zip")


def test_a_split_that_is_another_once_more_is_pointed_out(tmp_path):
    yolo(tmp_path, ("train",))
    text(tmp_path / "data.yaml", f"train: images/train\nval: images/train\n{NAMES}")
    (fault,) = check(tmp_path)
    assert fault.record == "splits train and val" and fault.found == "the same 1 images"
