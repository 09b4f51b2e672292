"""`DATA = "FOLDER"` in the notebooks: the small copy of a set of one's own, its detector, and each notebook on it.

Two notebooks run here; PAPERLIB_EVERY_NOTEBOOK=1 runs each one on each kind of folder.
"""
import json
import os
from contextlib import chdir
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from paperlib.course import twins
from paperlib.data.named_sets import load
from paperlib.teach import shown_detector
from paperlib.teach.small_copy import _scale, small_copy
from paperlib.training.weights import load_weights, read_header

SHARED = Path(os.environ.get("PAPERLIB_SHARED", twins.NOTEBOOKS.parents[1] / "shared")) / "data"
EVERY = bool(os.environ.get("PAPERLIB_EVERY_NOTEBOOK"))
OFFERED = ("00_start_here", "01_coco", "02_scoring", "03_rcnn", "04_fast_rcnn", "05_faster_rcnn", "08_fpn",
           "10_focal_loss", "11_retinanet")
XML = ("<annotation><filename>{name}</filename><size><width>{w}</width><height>{h}</height><depth>3</depth></size>"
       "<object><name>kangaroo</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
       "<ymax>{y2}</ymax></bndbox></object></annotation>")


def pictures():
    """Fourteen pictures of several sizes, each with one bright object: (rgb, [x, y, w, h])."""
    rng = np.random.default_rng(0)
    for _ in range(14):
        w, h, side = rng.integers([200, 180, 40], [420, 330, 120])
        x, y = rng.integers(0, [w - side, h - side])
        rgb = rng.integers(60, 200, (h, w, 3)).astype(np.uint8)
        rgb[y:y + side, x:x + side] = (220, 90, 20)
        yield rgb, [int(x), int(y), int(side), int(side)]


def voc(folder):
    for part in ("JPEGImages", "Annotations"):
        (folder / part).mkdir(parents=True)
    for i, (rgb, (x, y, w, h)) in enumerate(pictures()):
        Image.fromarray(rgb).save(folder / f"JPEGImages/p{i}.jpg")
        text = XML.format(name=f"p{i}.jpg", h=rgb.shape[0], w=rgb.shape[1], x1=x + 1, y1=y + 1, x2=x + w, y2=y + h)
        (folder / f"Annotations/p{i}.xml").write_text(text)
    return folder


def coco(folder):
    """With an outline for one object and run lengths for another."""
    folder.mkdir()
    content = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "kangaroo"}]}
    for i, (rgb, box) in enumerate(pictures()):
        h, w = rgb.shape[:2]
        Image.fromarray(rgb).save(folder / f"p{i}.png")
        content["images"].append({"id": i, "file_name": f"p{i}.png", "height": h, "width": w})
        content["annotations"].append({"id": i + 1, "image_id": i, "category_id": 7, "bbox": box})
    x, y, w, h = content["annotations"][0]["bbox"]
    content["annotations"][0]["segmentation"] = [[x, y, x + w, y, x, y + h]]
    image, (x, y, w, h) = content["images"][1], content["annotations"][1]["bbox"]
    mask = np.zeros((image["height"], image["width"]), np.uint8)
    mask[y:y + h, x:x + w // 2] = 1
    runs = np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=0, append=0))
    content["annotations"][1]["segmentation"] = {
        "size": list(mask.shape), "counts": np.diff([0, *runs, mask.size]).tolist()}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Copies go to a folder of the test; drawn sets stay where they are."""
    (tmp_path / "data").mkdir()
    monkeypatch.setattr("paperlib.teach.small_copy.data_folder", lambda: tmp_path / "data")
    return tmp_path


@pytest.mark.parametrize("make", [voc, coco])
def test_a_copy_has_every_object_in_its_place(place, make, capsys):
    copy = small_copy(make(place / "set"), 96, "trainval", "test")
    assert "11 pictures to learn from and 3 to score on" in capsys.readouterr().out
    seen = 0
    for split in ("trainval", "test"):
        part = load(copy, split)
        assert set(part.sizes) == {(96, 96)} and part.classes == ["kangaroo"]
        for i in range(len(part)):
            image, target = part.image(i).float(), part.target(i, masks=True)
            (x1, y1, x2, y2), = target["boxes"].round().int().tolist()
            inside = image[:, y1 + 1:y2 - 1, x1 + 1:x2 - 1].mean((1, 2))
            assert (inside - inside.new_tensor([220, 90, 20])).abs().max() < 8       # the object's colour, no other
            assert target["masks"][0, y1:y2, x1:x2].any() and not target["masks"][0, :, x2 + 1:].any()
            seen += 1
    assert seen == 14
    assert small_copy(place / "set", 96, "trainval", "test") == copy and not capsys.readouterr().out
    assert small_copy(place / "set", 64, "trainval", "test") != copy


def test_outlines_are_copied(place):
    copy, shares = small_copy(coco(place / "set"), 96), []
    for split in ("train", "val"):
        part = load(copy, split)
        for i in range(len(part)):
            target = part.target(i, masks=True)
            box = (target["boxes"][0, 2:] - target["boxes"][0, :2]).prod()
            shares.append(float(target["masks"].sum() / box))
    halves = [share for share in shares if share < 0.75]
    assert len(halves) == 2 and halves == pytest.approx([0.5, 0.5], abs=0.15)


def test_names_and_splits(place):
    assert small_copy("minicoco") == "minicoco" and small_copy("minivoc/val", 64) == "minivoc/val"
    with pytest.raises(ValueError, match="SIZE is 16"):
        small_copy(voc(place / "set"), 16)
    with pytest.raises(KeyError, match="no data set"):
        small_copy(place / "none")
    for i in range(1, 14):
        (place / f"set/Annotations/p{i}.xml").unlink()
    with pytest.raises(ValueError, match=r"1 picture\(s\); expected two or more"):
        small_copy(place / "set")


def test_the_shown_detector_knows_the_classes(place, monkeypatch):
    monkeypatch.setitem(shown_detector.STEPS, "smoke", 2)
    assert shown_detector.shown_weights("minicoco").name == "retinanet.safetensors"
    copy = small_copy(coco(place / "set"), 64)
    path = shown_detector.shown_weights(copy, plan="smoke", device="cpu")
    assert load_weights(path).trained.classes == ("kangaroo",)
    assert {"AP", "steps", "seconds"} <= read_header(path).keys()
    monkeypatch.setattr(shown_detector, "fit", lambda *_: pytest.fail("taught again"))
    assert shown_detector.shown_weights(copy, plan="smoke", device="cpu") == path


def run_twin(name, data):
    """Execute the code cells of a twin in one namespace, with DATA set after its parameters."""
    plt.switch_backend("Agg")
    cells = [cell for cell in twins.read_twin(name, twins.NOTEBOOKS).cells if cell.cell_type == "code"]
    space = {"__name__": "notebook"}
    with chdir(twins.NOTEBOOKS):
        for k, cell in enumerate(cells):
            lines = [line for line in cell.source.splitlines() if not line.lstrip().startswith(("!", "%"))]
            exec(compile("\n".join(lines), f"{name}, code cell {k}", "exec"), space)
            if k == 0:
                assert "DATA" in space
                space["DATA"] = str(data)
            plt.close("all")


def folders(place):
    yield voc(place / "voc")
    yield coco(place / "coco")
    for name in ("bccd", "coco128"):
        if (SHARED / name).is_dir():
            yield SHARED / name


@pytest.mark.slow
@pytest.mark.parametrize("name", OFFERED if EVERY else ("00_start_here", "02_scoring"))
def test_a_notebook_runs_on_a_folder(place, monkeypatch, name):
    monkeypatch.setenv("PAPERLIB_BUDGET", "smoke")
    for folder in folders(place):
        run_twin(name, folder)
        if not EVERY:
            break


def test_every_notebook_that_offers_a_folder_is_known():
    """A notebook that caps its pictures has SIZE; one that does not use DATA says so."""
    for name in twins.names():
        text = twins.twin_path(name).read_text(encoding="utf-8")
        if "a COCO or VOC folder" in text.split("# %%")[2] or "COCO or VOC set" in text.split("# %%")[2]:
            assert name in OFFERED
            assert name == "01_coco" or "\nSIZE = " in text


def test_areas_shrink_with_both_sides():
    record = {"bbox": [8, 4, 20, 10], "area": 120.0, "segmentation": [[8, 4, 28, 4, 28, 14]]}
    _scale(record, 0.5, 60, 80, 40)
    assert record == {"bbox": [4, 2, 10, 5], "area": 30.0, "segmentation": [[4, 2, 14, 2, 14, 7]]}
