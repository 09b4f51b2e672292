"""COCO files: what is read, what is refused, what is dropped and counted."""
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools import mask as rle_tools

from paperlib.data.named_sets import load
from paperlib.data.pixels import read_rgb
from paperlib.data.read_coco import read_coco
from paperlib.data.record_checks.faults import parse_json
from paperlib.data.record_checks.segmentations import right_polygons, thin, wrong_mask
from paperlib.parts.masks import unpack


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def good():
    """Two images of 20 x 10 px; three objects and a crowd in the first, nothing in the second."""
    crowd = np.zeros((10, 20), np.uint8)
    crowd[6:, 12:] = 1
    packed = rle_tools.encode(np.asfortranarray(crowd))
    runs = [0, 5, 195]
    ann = [{"id": 1, "image_id": 7, "category_id": 3, "bbox": [2, 1, 4, 6], "area": 24, "iscrowd": 0,
            "segmentation": [[2, 1, 6, 1, 6, 7, 2, 7]]},
           {"id": 2, "image_id": 7, "category_id": 5, "bbox": [0, 0, 1, 5], "area": 5, "iscrowd": 0,
            "segmentation": {"size": [10, 20], "counts": runs}},
           {"id": 3, "image_id": 7, "category_id": 5, "bbox": [10, 2, 5, 5]},
           {"id": 4, "image_id": 7, "category_id": 3, "bbox": [12, 6, 8, 4], "area": 32, "iscrowd": 1,
            "segmentation": {"size": [10, 20], "counts": packed["counts"].decode()}}]
    return {"info": {}, "images": [{"id": i, "file_name": f"{i}.png", "height": 10, "width": 20} for i in (7, 8)],
            "annotations": ann, "categories": [{"id": 5, "name": "dog"}, {"id": 3, "name": "cat"}]}


def write(folder, data):
    (folder / "images").mkdir(exist_ok=True)
    for i in (7, 8):
        Image.fromarray(np.full((10, 20, 3), i, np.uint8)).save(folder / "images" / f"{i}.png")
    file = folder / "instances.json"
    file.write_text(data if isinstance(data, str) else json.dumps(data))
    return file


def test_reads_boxes_labels_masks_and_empty_images(tmp_path):
    data = read_coco(write(tmp_path, good()), report=None)
    assert data.classes == ["cat", "dog"] and len(data) == 2 and not data.skipped
    image, target = data[0]
    assert image.shape == (3, 10, 20) and image.dtype == torch.uint8 and (image == 7).all()
    assert target["boxes"].tolist() == [[2, 1, 6, 7], [0, 0, 1, 5], [10, 2, 15, 7], [12, 6, 20, 10]]
    assert target["labels"].tolist() == [1, 2, 2, 1] and target["crowd"].tolist() == [False] * 3 + [True]
    assert target["area"].tolist() == [24, 5, 25, 32] and target["size"].tolist() == [10, 20]
    empty = data.target(1, masks=True)
    assert empty["boxes"].shape == (0, 4) and empty["masks"].shape == (0, 10, 20) and "difficult" not in empty
    assert data.area_ranges["medium"] == (32**2, 96**2)


def test_masks_of_polygons_and_both_kinds_of_rle(tmp_path):
    record = good()
    del record["annotations"][2]
    masks = read_coco(write(tmp_path, record)).target(0, masks=True)["masks"]
    assert masks.dtype == torch.bool and masks.sum((1, 2)).tolist() == [24, 5, 32]
    assert masks[0, 1:7, 2:6].all() and masks[1, :5, 0].all() and masks[2, 6:, 12:].all()


def test_a_box_without_mask_is_named_when_masks_are_asked_for(tmp_path):
    with pytest.raises(ValueError, match="annotation 3 has no segmentation"):
        read_coco(write(tmp_path, good())).target(0, masks=True)


def test_the_set_states_its_own_area_bounds(tmp_path):
    data = read_coco(write(tmp_path, good() | {"info": {"area_bounds": [12, 32]}}))
    assert data.area_ranges["small"] == (0, 144) and data.area_ranges["large"][0] == 1024
    assert data.coco_dict()["info"]["area_bounds"] == [12, 32]


def test_subset_pixels_and_version(tmp_path):
    file = write(tmp_path, good())
    data = read_coco(file)
    assert isinstance(data.pixels(), np.memmap) and data.pixels().shape == (2, 3, 10, 20)
    second = data.subset([1])
    assert second.pixels().max() == 8 and [i["id"] for i in second.images] == [8] and len(data.subset(5)) == 2
    Image.fromarray(np.full((10, 20, 3), 99, np.uint8)).save(tmp_path / "images" / "8.png")
    assert read_coco(file).pixels()[1].max() == 99                       # a changed file is decoded again
    file.write_text(file.read_text() + "\n")
    assert read_coco(file).version != data.version and read_coco(file).annotations == data.annotations


def test_only_some_categories_in_the_order_asked_for(tmp_path):
    data = read_coco(write(tmp_path, good()), report=None)
    dogs, both = data.only(["dog"]), data.only(["dog", "cat"])
    assert dogs.classes == ["dog"] and dogs.target(0)["labels"].tolist() == [1, 1] and len(dogs) == 2
    assert dogs.target(0)["boxes"].tolist() == data.target(0)["boxes"][1:3].tolist()
    assert both.target(0)["labels"].tolist() == [2, 1, 1, 2] and both.pixels().shape == data.pixels().shape
    with pytest.raises(KeyError, match="no category 'emu'; it has cat, dog"):
        data.only(["cat", "emu"])
    (tmp_path / "other").mkdir()
    file = write(tmp_path / "other", {**good(), "categories": [{"id": 5, "name": "dog"}, {"id": 3, "name": "sheep"}]})
    with pytest.raises(KeyError, match="no category 'sheep'"):
        load(f"{tmp_path / 'instances.json'}@{file}")


def test_pixels_is_none_when_sizes_differ(tmp_path):
    record = good()
    record["images"][1]["width"] = 21
    assert read_coco(write(tmp_path, record)).pixels() is None


def test_the_dict_goes_through_pycocotools(tmp_path):
    from pycocotools.coco import COCO
    reference = COCO()
    reference.dataset = read_coco(write(tmp_path, good())).coco_dict()
    reference.createIndex()
    assert reference.annToMask(reference.anns[4]).sum() == 32 and len(reference.imgs) == 2


def change(**changes):
    """A copy of the good record with one key of one record changed: change(annotations__0__bbox=...)."""
    record = good()
    for path, value in changes.items():
        at, *keys = record, *path.split("__")
        for key in keys[:-1]:
            at = at[int(key) if key.isdigit() else key]
        at.pop(keys[-1]) if value is KeyError else at.__setitem__(keys[-1], value)
    return record


FATAL = {
    "truncated": (json.dumps(good())[:300], "line 1.*300 bytes.*complete JSON"),
    "not a dict": ("[]", "top level: found a list"),
    "no images": (change(images=KeyError), "top level: found keys.*expected a list under 'images'"),
    "no annotations": (change(annotations=KeyError), "expected a list under 'annotations'"),
    "image without height": (change(images__1__height=KeyError), "image 8: found no 'height'"),
    "image of no size": (change(images__1__height=0), "image 8: found height 0"),
    "annotation without bbox": (change(annotations__0__bbox=KeyError), "annotation 1: found no 'bbox'"),
    "annotation without id": (change(annotations__2__id=KeyError), "annotation number 2: found no 'id'"),
    "category without name": (change(categories__0__name=KeyError), "category 5: found no 'name'"),
    "unknown image": (change(annotations__1__image_id=9),
                      "annotation 2: found image_id 9; expected the id of one of the 2"),
    "unknown category": (change(annotations__1__category_id=4), "annotation 2: found category_id 4"),
    "image id twice": (change(images__1__id=7), "image 7: found the same id twice"),
    "annotation id twice": (change(annotations__1__id=1), "annotation 1: found the same id twice"),
    "category id twice": (change(categories__1__id=5), "category 5: found the same id twice"),
    "NaN box": (change(annotations__0__bbox=[1, 2, float("nan"), 4]), "annotation 1: found bbox .*nan.*finite"),
    "negative box": (change(annotations__0__bbox=[5, 5, -2, 4]), "annotation 1: found bbox .*-2.*not negative"),
    "three numbers": (change(annotations__0__bbox=[1, 2, 3]), "annotation 1: found bbox"),
    "text": (change(annotations__0__bbox=["1", "2", "3", "4"]), "annotation 1: found bbox"),
    "outside": (change(annotations__0__bbox=[15, 2, 40, 4]),
                "annotation 1: .*half of the box inside.*20 wide and 10 high"),
    "RLE of another size": (change(annotations__1__segmentation__size=[20, 10]),
                            r"annotation 2: found RLE of size \[20, 10\]"),
    "RLE too long": (change(annotations__1__segmentation__counts=[0, 5, 300]),
                     "annotation 2: .*add up to 305 pixels.*200"),
    "RLE negative": (change(annotations__1__segmentation__counts=[0, -5, 205]), "annotation 2: found RLE runs"),
    "packed RLE cut": (change(annotations__3__segmentation__counts="X4"), "annotation 4: found RLE runs that add up"),
    "packed RLE junk": (change(annotations__3__segmentation__counts="\x01"), "annotation 4: .*cannot be read"),
    "RLE without counts": (change(annotations__1__segmentation={"size": [10, 20]}), "annotation 2: .*cannot be read"),
    "odd polygon": (change(annotations__0__segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "annotation 1: found polygon"),
    "short polygon in no list": (change(annotations__0__segmentation=[1, 2, 3, 4]), "annotation 1: found polygon"),
    "NaN polygon": (change(annotations__0__segmentation=[[1, 2, 3, float("nan"), 5, 6]]),
                    "annotation 1: found polygon"),
    "missing image": (change(images__1__file_name="9.png"), "image 8: found no such file.*9.png"),
}


@pytest.mark.parametrize("name", FATAL)
def test_fatal_faults_stop_with_file_record_found_and_expected(tmp_path, name):
    data, message = FATAL[name]
    with pytest.raises(ValueError, match=f"(?s)instances.json: .*{message}") as error:
        read_coco(write(tmp_path, data))
    assert "expected" in str(error.value) and "\n" not in str(error.value)


DROPPED = {
    "zero area": (change(annotations__0__bbox=[2, 1, 0, 6]), "1 dropped .*annotation 1, bbox", [2, 3, 4]),
    "two points": (change(annotations__0__segmentation=[[2, 1, 6, 7]]),
                   "1 dropped .*annotation 1, a polygon of 2", [1, 2, 3, 4]),
    "slightly out": (change(annotations__0__bbox=[17, 1, 4, 6]), "1 clipped .*annotation 1", [1, 2, 3, 4]),
}


@pytest.mark.parametrize("name", DROPPED)
def test_what_real_coco_has_is_dropped_or_clipped_and_counted_in_one_line(tmp_path, name, capsys):
    record, line, kept = DROPPED[name]
    data = read_coco(write(tmp_path, record))
    out = capsys.readouterr().out
    assert out.count("\n") == 1 and re.search(line, out)
    assert [a["id"] for a in data.annotations[7]] == kept
    assert len(data.skipped) == (name != "slightly out") and len(data.clipped) == (name == "slightly out")
    assert data.target(0)["boxes"][:, 2].max() <= 20


def test_one_bad_polygon_of_two_leaves_the_object(tmp_path):
    record = change(annotations__0__segmentation=[[2, 1, 6, 7], [2, 1, 6, 1, 6, 7, 2, 7]])
    data = read_coco(write(tmp_path, record))
    assert len(data.annotations[7]) == 4 and len(data.annotations[7][0]["segmentation"]) == 1


def test_no_annotations_at_all_is_a_valid_set(tmp_path):
    data = read_coco(write(tmp_path, change(annotations=[])))
    assert len(data) == 2 and data.target(0)["boxes"].shape == (0, 4)


def test_the_first_of_several_faults_says_how_many_there_are(tmp_path):
    record = change(annotations__0__image_id=1, annotations__1__image_id=2)
    with pytest.raises(ValueError, match=r"annotation 1: .*and 1 more"):
        read_coco(write(tmp_path, record))


def test_unpack_equals_the_runs_that_were_packed():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = (rng.random((37, 53)) < rng.random()).astype(np.uint8)
        flat = mask.flatten(order="F")
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff([0, *edges, flat.size]).tolist()
        runs = runs if flat[0] == 0 else [0, *runs]
        assert unpack(rle_tools.encode(np.asfortranarray(mask))["counts"]).tolist() == runs


KINDS = {"L": 102, "P": 102, "RGBA": 102, "CMYK": 102, "I;16": 102, "1": 255, "LA": 102}   # 102: in the web palette


@pytest.mark.parametrize("mode", KINDS)
def test_every_kind_of_picture_becomes_rgb(tmp_path, mode):
    file = write(tmp_path, change(images__0__file_name="x.tif"))
    grey = Image.fromarray(np.full((10, 20), KINDS[mode], np.uint8))
    if mode == "I;16":
        picture = Image.fromarray(np.full((10, 20), 102 * 256 + 17, np.uint16))
    else:
        picture = (grey if mode in ("L", "1", "LA") else grey.convert("RGB")).convert(mode)
    assert picture.mode == mode
    picture.save(tmp_path / "images" / "x.tif" if mode != "P" else tmp_path / "images" / "x.png")
    data = read_coco(file if mode != "P" else write(tmp_path, change(images__0__file_name="x.png")))
    image = data.image(0)
    assert image.shape == (3, 10, 20) and (image.int() - KINDS[mode]).abs().max() <= 1


@pytest.mark.parametrize("tag, upright", [(6, True), (3, True), (6, False)])
def test_the_rotation_flag_is_applied_when_the_record_says_so(tmp_path, tag, upright):
    turned = tag == 6 and upright
    pixels = np.zeros((20, 10, 3) if turned else (10, 20, 3), np.uint8)
    pixels[0, 0] = 255                                     # the stored top left corner
    exif = Image.Exif()
    exif[0x0112] = tag
    file = write(tmp_path, good())
    Image.fromarray(pixels).save(tmp_path / "images" / "7.png", exif=exif)
    image = read_coco(file).image(0)
    where = (image[0] == 255).nonzero().tolist()
    assert where == [{(6, True): [0, 19], (3, True): [9, 19], (6, False): [0, 0]}[tag, upright]]


@pytest.mark.parametrize("damage, message", [
    ("delete", "image file is missing"), ("empty", "0 bytes"), ("cut", "no whole image"), ("junk", "no whole image"),
    ("size", "found 21 x 10 pixels .*expected 20 x 10")])
def test_a_damaged_image_is_named(tmp_path, damage, message):
    data = read_coco(write(tmp_path, good()))
    file = tmp_path / "images" / "8.png"
    noise = np.random.default_rng(0).integers(0, 255, (10, 20, 3), np.uint8)
    Image.fromarray(noise).save(file)
    whole = file.read_bytes()
    if damage == "delete":
        file.unlink()
    elif damage == "size":
        Image.fromarray(np.zeros((10, 21, 3), np.uint8)).save(file)
    else:
        file.write_bytes({"empty": b"", "cut": whole[:len(whole) // 2], "junk": b"hello" * 20}[damage])
    with pytest.raises((ValueError, FileNotFoundError), match=rf"8\.png: .*{message}"):
        data.image(1)
    with pytest.raises((ValueError, FileNotFoundError), match=r"8\.png"):
        data.pixels()
    assert not list((tmp_path / "cache").rglob("*.npy")) and not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.parametrize("recorded, stored", [("8.png", "8.PNG"), ("caf\u00e9.png", "cafe\u0301.png")])
def test_a_picture_whose_name_is_only_spelt_otherwise_is_named(tmp_path, recorded, stored):
    """Windows and macOS find a.jpg for A.JPG, and macOS writes an accent as a letter of its own."""
    file = write(tmp_path, change(images__1__file_name=recorded))
    (tmp_path / "images" / "8.png").rename(tmp_path / "images" / stored)
    if (tmp_path / "images" / recorded).is_file():
        pytest.skip("this file system sees no difference")
    with pytest.raises(ValueError, match=rf"image 8: found no such file; but '{stored}' is there.*rename the file"):
        read_coco(file)
    with pytest.raises(FileNotFoundError, match=rf"image file is missing; but '{stored}' is there"):
        read_rgb(tmp_path / "images" / recorded, (10, 20))


ODD = (b"123456789012345678901234567890", b"18446744073709551616", b"-0.0", b"NaN", b"-Infinity", b"1e999", b"1e-400",
       b'"a\nb"', rb'"\ud800"', rb'"\ud83d\ude00"', b'"\xff"', b'"\xc0\x80"', b'{"a": 1, "a": 2}', b"\xef\xbb\xbf[1]",
       "[1]".encode("utf-16"), b"[1,]", b"01", b"[1] x", b"", b"9007199254740993.0", b"[" * 100_000, b"1" * 5000)


@pytest.mark.parametrize("text", ODD, ids=lambda text: text[:20])
def test_the_fast_parser_reads_what_the_usual_one_reads(text):
    try:
        expected = repr(json.loads(text))
    except (ValueError, RecursionError) as error:
        with pytest.raises(type(error), match=re.escape(str(error)[:40])):
            parse_json(text)
    else:
        assert repr(parse_json(text)) == expected


def test_polygons_that_pass_together_pass_alone():
    """The one look at many masks accepts what the check of one accepts, unless something odd stands among them."""
    size, rng = (60, 80), np.random.default_rng(0)
    plain = [[rng.uniform(-80, 160, 2 * int(n)).tolist() for n in rng.integers(3, 9, k)] for k in (1, 2, 3)]
    odd = [[[1, 2, 3, 4, 5, 1e3]], [[1, 2, 3, 4, 5, -81]], [[1, 2, 3, 4, 5, float("nan")]], [[1, 2, 3, 4]], [], None,
           [[1, 2, 3, 4, 5, float("inf")]], [[1, 2, 3, 4, 5]], [*plain[0], [1, 2, 3, 4, 5, 161]], "text",
           {"counts": "0"}, [[0, 0, 79, 0, 79, 59] * 20_000]]
    hostile = [[[1, 2, 3, 4, 5, "6"]], [["1", "2"] * 3], [[1, 2, 3, 4, 5, None]], [[[1, 2]] * 6],
               [[1, 2, 3, 4, 5, 10**400]], [[1, 2, 3, 4, 5, [6]]]]

    def passed(segmentations: list) -> list[bool]:
        return right_polygons([{"image_id": 1, "segmentation": seg} for seg in segmentations], {1: size}).tolist()

    right = passed([*plain, *odd])
    assert right == [True] * 3 + [False] * len(odd)
    assert not any(wrong_mask(seg, size) for seg in plain)
    for one in hostile:
        assert wrong_mask(one, size) and not passed([plain[0], one])[1]
    several = [plain[int(k)] if k < 3 else odd[int(k) - 3] for k in rng.integers(0, 3 + len(odd), 200)]
    accepted = [seg for seg, ok in zip(several, passed(several)) if ok]
    assert accepted and not any(wrong_mask(seg, size) or thin(seg) for seg in accepted)
