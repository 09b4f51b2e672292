"""Finding sets by name, and the full check of a folder: made faults, and those of two real samples."""
import re
import shutil

import numpy as np
import pytest
from PIL import Image
from test_coco import change, good
from test_coco import write as write_coco
from test_voc import thing
from test_voc import write as write_voc

from paperlib.data import named_sets
from paperlib.data.pixels import read_rgb
from paperlib.data.set_checks import check
from paperlib.world import build as world_build


def texts(faults):
    return [str(f) for f in faults]


def test_a_good_set_has_no_faults(tmp_path):
    write_coco(tmp_path, good())
    assert check(tmp_path) == []


def test_the_check_goes_on_after_a_fatal_fault_and_opens_every_image(tmp_path):
    write_coco(tmp_path, change(annotations__0__image_id=99, annotations__1__bbox=[1, 1, 0, 0]))
    (tmp_path / "images/7.png").write_bytes(b"")
    Image.fromarray(np.zeros((10, 20), np.uint8)).save(tmp_path / "images/8.png")
    found = check(tmp_path)
    assert [f.fatal for f in found] == [True, True, False, False]
    assert "image_id 99" in found[0].found and "0 bytes" in found[1].found
    assert found[2].action == "dropped" and found[3].found == "pixels of kind L"
    write_coco(tmp_path, "{")
    assert "complete JSON" in check(tmp_path)[0].found


def test_many_grey_pictures_are_one_line(tmp_path):
    write_coco(tmp_path, good())
    for name in ("7.png", "8.png"):
        with Image.open(tmp_path / "images" / name) as picture:
            grey = picture.convert("L")
        grey.save(tmp_path / "images" / name)
    [line] = texts(check(tmp_path))
    assert "images: 2 pictures, first 7.png: found pixels of kind L; expected RGB (converted)" in line


def test_twins_masks_and_spellings_are_pointed_out(tmp_path):
    record = change(annotations__1__bbox=[2, 1, 4, 6], annotations__1__category_id=3, categories__0__name="Cat ",
                    annotations__0__segmentation=[[2, 1, 16, 1, 16, 7, 2, 7]])
    write_coco(tmp_path, record)
    found = "\n".join(texts(check(tmp_path)))
    assert "annotation 2 (cat): found IoU 1.00 with annotation 1 (cat)" in found
    assert "annotation 1 (cat): found bbox [2, 1, 4, 6] around polygons that span x 2..16, y 1..7" in found
    assert "class 'Cat ': found also 'cat'" in found and found.count("\n") == 2


def test_two_classes_of_one_name_stop_and_an_unused_one_goes(tmp_path):
    file = write_coco(tmp_path, change(categories__0__name="cat"))
    words = "found two categories named 'cat' (ids 5 and 3); expected names that differ"
    assert words in texts(check(tmp_path))[0] and check(tmp_path)[0].fatal
    with pytest.raises(ValueError, match=re.escape(words)):
        named_sets.load(file)
    record = good()
    record["categories"].insert(0, {"id": 0, "name": "cat", "supercategory": "none"})
    write_coco(tmp_path, record)
    assert [(f.record, f.action, f.fatal) for f in check(tmp_path)] == [("categories", "dropped", False)]
    assert [each["id"] for each in named_sets.load(file).categories] == [3, 5]


def test_two_records_of_one_picture_are_pointed_out(tmp_path):
    write_coco(tmp_path, change(images__1__file_name="./7.png"))
    (tmp_path / "images/8.png").unlink()
    found, = check(tmp_path)
    assert found.record == "image 8" and found.found == "the same file as image 7" and not found.fatal


def test_a_link_to_nothing_is_one_broken_picture_among_others(tmp_path):
    write_coco(tmp_path, good())
    (tmp_path / "images/a.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "images/b.png").write_bytes(b"")
    found = check(tmp_path / "images")
    assert [f.record for f in found if f.fatal] == ["image a.png", "image b.png"]
    assert "a link to a file that is not there" in found[0].found and "2 pictures without" in found[-1].found


DEEP = {"bytes": (np.int32, 1, 1), "16 bits": (np.int32, 256, 1), "fractions": (np.float32, 1 / 255, 1),
        "bytes as fractions": (np.float32, 1, 1), "32 bits": (np.int32, 2**20, 0), "negative": (np.int32, -1, 0),
        "large": (np.float32, 300, 0), "NaN": (np.float32, np.nan, 0)}


@pytest.mark.parametrize("name", DEEP)
def test_tiffs_of_32_bits_are_read_by_their_range_or_refused(tmp_path, name):
    kind, factor, usable = DEEP[name]
    values = np.tile(np.array([0, 51, 102, 204], float), (10, 5))
    Image.fromarray((values * factor).astype(kind)).save(tmp_path / "a.tif")
    if usable:
        assert (read_rgb(tmp_path / "a.tif", (10, 20)).numpy() == values).all()
    else:
        words = r"a.tif: found pixels of mode [IF] from .* to .*; expected 8 or 16 bits a channel"
        with pytest.raises(ValueError, match=words):
            read_rgb(tmp_path / "a.tif", (10, 20))


def test_unlisted_files_and_images_in_two_splits(tmp_path):
    write_voc(tmp_path, names=("a", "b", "c"), listed=["a", "b"])
    (tmp_path / "ImageSets/Main/test.txt").write_text("b\n")
    assert not any("in both" in f.found for f in check(tmp_path))        # test lies whole within train: meant
    write_voc(tmp_path, names=("a", "b", "c", "d"), listed=["a", "b"])
    (tmp_path / "ImageSets/Main/test.txt").write_text("b\nd\n")
    found = {(f.file.rpartition("/")[2], f.found) for f in check(tmp_path)}
    assert found == {("b.jpg", "in both"), ("c.jpg", "no annotation record"), ("c.xml", "in no split")}


def test_odd_sizes_and_missing_labels_need_a_class_of_one_size(tmp_path):
    names = [f"i{k:02}" for k in range(30)]
    write_voc(tmp_path, names=("a", *names), things=[thing("cat", (1, 1, 19, 9))])
    dogs = [thing("dog", (k, 2, k + 2, 4)) for k in (1, 5, 9, 13, 17)]
    for name in names:
        write_voc(tmp_path, names=(name,), listed=names)
        file = tmp_path / f"Annotations/{name}.xml"
        file.write_text(file.read_text().replace(thing(), "".join(dogs)))
    (tmp_path / "Annotations/i07.xml").write_text((tmp_path / "Annotations/i07.xml").read_text().replace(
        dogs[0], thing("dog", (1, 1, 19, 9))))
    write_voc(tmp_path, names=("a",), things=[thing("cat", (1, 1, 19, 9))], listed=["a", *names])
    found = texts(check(tmp_path, "train"))
    assert len(found) == 2 and "i07.xml: object 1 (dog): found bbox" in found[0] and "of 171 px^2" in found[0]
    assert "a.jpg: image 1: found no dog among 1 objects; expected about 5" in found[1]


def test_bccd_has_exactly_the_faults_that_were_verified_by_eye(shared):
    """Seen in the pictures: two clicks on empty ground, eight cells boxed twice (seven of them 2 px apart), a platelet
    called WBC and two white cells called Platelets, fifteen crowded pictures in which no red cell was labelled."""
    found = check(shared / "data/bccd")
    stems = {}
    for f in found:
        kind = f.action if f.action == "dropped" else f.found.split()[0]
        stems.setdefault(kind, []).append((f.file.rpartition("_")[2][2:5], f.record))
    assert not any(f.fatal for f in found) and len(found) == 28
    assert sorted(stems["dropped"]) == [("338", "object 13 (RBC)"), ("343", "object 4 (RBC)")]
    assert sorted(s for s, _ in stems["IoU"]) == ["013", "020", "100", "104", "251", "284", "331", "403"]
    assert sorted(stems["bbox"]) == [("113", "object 13 (WBC)"), ("133", "object 10 (Platelets)"),
                                     ("135", "object 9 (Platelets)")]
    assert sorted(s for s, _ in stems["no"]) == ["134", "147", "150", "152", "224", "249", "250", "258", "267", "268",
                                                 "303", "322", "327", "330", "350"]


def test_bccd_loads_with_its_two_clicks_dropped(shared, capsys):
    data = named_sets.load(shared / "data/bccd", "trainval")
    assert capsys.readouterr().out.startswith("bccd/trainval: 2 dropped") and len(data) == 292
    assert len(data.skipped) == 2 and not data.clipped and data.classes == ["Platelets", "RBC", "WBC"]
    with pytest.raises(KeyError, match=r"which split.*test, train, trainval, val"):
        named_sets.load(shared / "data/bccd")


def test_coco128_has_a_grey_image_and_a_snowboard_labelled_twice(shared):
    found = check(shared / "data/coco128")
    assert sorted((f.record, f.found[:12]) for f in found) == [
        ("annotation 1851481 (snowboard)", "IoU 0.87 wit"), ("image 86", "pixels of ki")]
    data = named_sets.load(shared / "data/coco128", limit=16)
    assert len(data) == 16 and len(data.classes) == 80 and data.pixels() is None
    whole = named_sets.load(shared / "data/coco128")
    assert sum(a["iscrowd"] for anns in whole.annotations.values() for a in anns) == 10


def test_masks_of_coco128_fill_their_boxes_and_areas(shared):
    data = named_sets.load(shared / "data/coco128")
    for i in range(0, 128, 16):
        target = data.target(i, masks=True)
        ys, xs = target["masks"].any(2), target["masks"].any(1)
        for box, y, x, mask, area in zip(target["boxes"], ys, xs, target["masks"], target["area"]):
            extent = [x.nonzero().min(), y.nonzero().min(), x.nonzero().max() + 1, y.nonzero().max() + 1]
            assert max(abs(float(e) - float(b)) for e, b in zip(extent, box)) < 2
            assert abs(mask.sum() - area) < 0.1 * area + 20


def test_names_paths_and_splits(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path))
    write_voc(tmp_path / "minivoc")
    for part in ("train2014", "train2017", "val2017"):
        write_coco(tmp_path, good())
        (tmp_path / "coco2017/annotations").mkdir(parents=True, exist_ok=True)
        shutil.copy(tmp_path / "instances.json", tmp_path / f"coco2017/annotations/instances_{part}.json")
        shutil.copytree(tmp_path / "images", tmp_path / "coco2017" / part)
    assert named_sets.load("minivoc", "train").name == named_sets.load("minivoc/train").name == "minivoc/train"
    assert named_sets.splits("coco2017") == ["train2014", "train2017", "val"]
    assert named_sets.load("coco2017", "val2017").root.name == "val2017" == named_sets.load("coco2017/val").root.name
    assert named_sets.load("coco2017", "train2017").root.name == "train2017"
    assert named_sets.load(tmp_path / "instances.json", limit=1).images[0]["id"] == 7
    known = named_sets.known_sets()
    assert known["minivoc"] == str(tmp_path / "minivoc") and "download" in known["voc2012"]
    with pytest.raises(KeyError, match="no split 'test'; it has train2014, train2017, val"):
        named_sets.load("coco2017", "test")
    with pytest.raises(KeyError, match=r"no split .val.; it has no splits, only instances\.json"):
        named_sets.load(tmp_path, "val")
    with pytest.raises(KeyError, match=r"no data set 'mincoco'.*minicoco, mininet, minivoc"):
        named_sets.load("mincoco")
    (tmp_path / "images/labels.csv").write_text("in a format that is not read")
    with pytest.raises(KeyError, match=r"is no detection set: it holds 7.png, 8.png, labels.csv; expected COCO"):
        named_sets.load(tmp_path / "images")


def test_a_failed_drawing_leaves_nothing_and_a_good_one_is_drawn_once(tmp_path, monkeypatch):
    calls = []

    def build(name, root, jobs):
        calls.append(name)
        write_coco(root, good())
        if len(calls) == 1:
            raise KeyboardInterrupt
    monkeypatch.setattr(world_build, "build", build)
    monkeypatch.setenv("PAPERLIB_DATA", str(tmp_path / "data"))
    with pytest.raises(KeyboardInterrupt):
        named_sets.load("minicoco")
    assert [p.name for p in (tmp_path / "data").iterdir()] == [".minicoco.lock"]
    assert len(named_sets.load("minicoco")) == len(named_sets.load("minicoco")) == 2 and len(calls) == 2
