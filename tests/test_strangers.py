"""Annotation files come from strangers: numbers out of range, paths that lead out, and sets joined or swapped."""
import copy
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from test_coco import change, good
from test_coco import write as write_coco

from paperlib.data import download, named_sets
from paperlib.data.read_coco import read_coco
from paperlib.data.set_checks import check
from paperlib.scoring.coco_metrics import coco_metrics

NAN, INF = float("nan"), float("inf")
FAR_POLYGON = [[2, 1, 1e9, 1, 6, 7]]


def alone(*words):
    """The command line in a process of its own, which a fault may end or fill with 22 GB."""
    resource = pytest.importorskip("resource", reason="Windows has no limits of a process")

    def little_memory():
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    return subprocess.run([sys.executable, "-m", "paperlib", *map(str, words)], capture_output=True, text=True,
                          timeout=120, preexec_fn=little_memory)


@pytest.mark.parametrize("polygon", [
    [[2, 1, NAN, 1, 6, 7]], [[2, 1, INF, 1, 6, 7]], FAR_POLYGON, [[2, 1, 10**400, 1, 6, 7]], [[2, 1, "6", 1, 6, 7]],
    [[2, 1, 6, 1, 6, 7, 2]]], ids=lambda polygon: str(polygon)[:20])
def test_polygons_out_of_range_are_refused_where_they_enter(tmp_path, polygon):
    file = write_coco(tmp_path, change(annotations__0__segmentation=polygon))
    with pytest.raises(ValueError, match=r"instances\.json: annotation 1: found .*polygon.*; expected"):
        read_coco(file)
    truth = change(annotations__0__segmentation=polygon)
    with pytest.raises(ValueError, match=r"annotation 1: segmentation is .*polygon.*; expected"):
        coco_metrics(truth, [], "segm")


def test_score_survives_a_far_polygon(tmp_path):
    truth = good()
    truth["annotations"] = [a for a in truth["annotations"] if "segmentation" in a]
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    results = [{"image_id": 7, "category_id": 3, "score": 0.5, "segmentation": FAR_POLYGON}]
    (tmp_path / "dt.json").write_text(json.dumps(results))
    done = alone("score", tmp_path / "gt.json", tmp_path / "dt.json", "--type", "segm")
    assert done.returncode == 2 and "coordinates from 1 to 1e+09" in done.stderr
    assert done.stderr.count("\n") == 1 and "dt.json: result 0: segmentation is" in done.stderr


@pytest.mark.parametrize(("where", "value"), [
    ("annotations__0__bbox", [NAN, 1, 4, 6]), ("annotations__0__bbox", [2, 1, 4, 1e300]),
    ("annotations__0__bbox", [2, 1, 10**400, 6]), ("annotations__0__area", NAN), ("annotations__0__area", "24"),
    ("annotations__0__area", 1e300), ("annotations__1__segmentation__counts", [0, 5, 195, -400, 400]),
    ("annotations__1__segmentation__size", [10, 10**12]), ("images__0__height", NAN), ("images__0__width", 10**9)])
def test_numbers_of_every_kind_are_checked(tmp_path, where, value):
    file = write_coco(tmp_path, change(**{where: value}))
    with pytest.raises(ValueError, match=r"instances\.json: (annotation|image) \d: found .*; expected"):
        read_coco(file)


@pytest.mark.parametrize("name", ["../7.png", "a/../../7.png", "/etc/7.png", "C:/7.png", "..\\7.png", None, ""])
def test_no_file_name_leads_out_of_the_set(tmp_path, name):
    file = write_coco(tmp_path, change(images__0__file_name=name))
    with pytest.raises(ValueError, match=r"image 7: found file_name .*; expected"):
        read_coco(file)
    assert any(f.fatal and f.record == "image 7" for f in check(tmp_path))


def test_a_record_cannot_name_a_picture_of_masks(tmp_path):
    secret = tmp_path / "secret.png"
    Image.fromarray(np.ones((10, 20), np.uint8)).save(secret)
    file = write_coco(tmp_path, change(annotations__0__segmentation={"png": str(secret), "index": 1}))
    with pytest.raises(ValueError, match="annotation 1: found RLE of size None"):
        read_coco(file)


def test_an_archive_that_grows_beyond_measure_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10_000_000))
    with pytest.raises(ValueError, match=r"bomb\.zip: found 10000000 bytes .*; expected at most 10 times"):
        download.unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_sizes_follow_the_area_and_null_is_no_area(tmp_path):
    truth = good()
    truth["annotations"] = [a | {"area": None} for a in truth["annotations"][:1]]
    box = [{"image_id": 7, "category_id": 3, "score": 0.5, "bbox": [2, 1, 4, 6]}]
    scores = coco_metrics(copy.deepcopy(truth), box)
    assert scores["APs"] > 0.99 and np.isnan(scores["APl"])
    assert read_coco(write_coco(tmp_path, truth)).target(0)["area"].tolist() == [24]


@pytest.mark.parametrize(("crowds", "words"), [(True, "no object and 4 crowd regions"), (False, "with no object")])
def test_a_set_without_objects_is_not_called_fine(tmp_path, crowds, words):
    data = good()
    data["annotations"] = [a | {"iscrowd": 1} for a in data["annotations"]] if crowds else []
    write_coco(tmp_path, data)
    assert any(words in f.found and "nothing to learn" in f.expected for f in check(tmp_path))


def folds(root, names=("fold1", "fold2")):
    """Folds of a set that keep all their pictures in one folder; each file counts its image, 1, on its own."""
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for k, name in enumerate(names):
        Image.fromarray(np.full((10, 20, 3), k, np.uint8)).save(root / f"images/{name}.png")
        record = {"images": [{"id": 1, "file_name": f"{name}.png", "height": 10, "width": 20}],
                  "categories": [{"id": 1, "name": "cat"}],
                  "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [k, 1, 5, 5], "iscrowd": 0}]}
        (root / f"annotations/instances_{name}.json").write_text(json.dumps(record))


def test_a_missing_split_is_never_answered_by_another(tmp_path):
    folds(tmp_path)
    assert named_sets.splits(tmp_path) == ["fold1", "fold2"]
    assert named_sets.load(tmp_path, "fold2").images[0]["file_name"] == "fold2.png"
    for asked in ("fold9", "fold", "fol", "fold12"):
        with pytest.raises(KeyError, match=f"no split '{asked}'; it has fold1, fold2"):
            named_sets.load(tmp_path, asked)


def test_a_list_over_files_with_the_same_ids_joins_by_file_and_id(tmp_path):
    folds(tmp_path)
    (tmp_path / "annotations/both.txt").write_text("fold2.png\nfold1.png\n")
    both = named_sets.load(tmp_path, "both")
    assert [both.target(i)["boxes"].tolist() for i in (0, 1)] == [[[1, 1, 6, 6]], [[0, 1, 5, 6]]]
    assert len({image["id"] for image in both.images}) == 2
    (tmp_path / "annotations/unclear.txt").write_text("1\n")
    with pytest.raises(ValueError, match=r"unclear\.txt: line '1': found the name of 2 images"):
        named_sets.load(tmp_path, "unclear")


def test_a_path_that_is_not_there_is_reported_under_its_own_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/images").mkdir(parents=True)
    with pytest.raises(KeyError, match="no data set 'photos/nowhere'"):
        named_sets.load("photos/nowhere")
    folds(tmp_path / "set")
    with pytest.raises(KeyError, match=r"no data set 'set/nowhere': .*set has no split 'nowhere'; it has fold1, fold2"):
        named_sets.load("set/nowhere")
