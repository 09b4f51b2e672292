"""Scores against pycocotools (called directly), the reference numbers of its repository, and hand-worked cases."""
import contextlib
import io
import json
import time
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paperlib.data.batches import fit_size
from paperlib.data.image_batches import by_canvas, image_batches, resize, resized
from paperlib.data.record_checks.values import area_ranges
from paperlib.paths import weights_folder
from paperlib.scoring.checked_arrays import detections, truth
from paperlib.scoring.coco_curves import curves, hotcoco
from paperlib.scoring.coco_metrics import average_recall, coco_metrics, covered, voc_ap
from paperlib.scoring.detect import detect_all
from paperlib.scoring.proposal_recall import proposals_of
from paperlib.scoring.result_files import score_files
from paperlib.scoring.simulated_detector import made_detections, made_truth
from paperlib.systems.contract import DetectionSystem
from paperlib.systems.presets import fast_rcnn
from paperlib.systems.presets.retinanet import tiny
from paperlib.training.trained import Trained
from paperlib.training.weights import load_weights
from paperlib.world.world import World, draw_scene

COCO_AREAS = area_ranges()

ENGINES = ["pycocotools", pytest.param("hotcoco", marks=pytest.mark.skipif(not hotcoco, reason="no hotcoco here"))]
KEYS = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"]
SETTINGS = {"max_examples": 20, "deadline": None, "derandomize": True}


def oracle(gt, results, kind="bbox", use_cats=1, max_dets=(1, 10, 100)) -> COCOeval:
    """pycocotools alone, on copies."""
    with contextlib.redirect_stdout(io.StringIO()):
        truths = COCO()
        truths.dataset = json.loads(json.dumps(gt))
        truths.createIndex()
        out = COCOeval(truths, truths.loadRes(json.loads(json.dumps(results))), kind)
        out.params.useCats, out.params.maxDets = use_cats, list(max_dets)
        out.evaluate()
        out.accumulate()
        if tuple(max_dets) == (1, 10, 100):
            out.summarize()
    return out


def as_masks(results, sizes):
    """The same records with the box drawn as an ellipse-like polygon mask."""
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    out = []
    for r in results:
        (x, y, w, h), (height, width) = r["bbox"], sizes[r["image_id"]]
        ring = np.stack([x + w / 2 * (1 + np.cos(angles)), y + h / 2 * (1 + np.sin(angles))], 1).clip(0)
        code = rle.merge(rle.frPyObjects([ring.ravel().tolist()], height, width))
        out.append({**r, "segmentation": {"size": code["size"], "counts": code["counts"].decode()}})
    return out


def small_case(seed, decimals=4, **noise):
    gt = made_truth(12, seed, categories=4, crowd=0.1, size=(96, 128))
    results = made_detections(gt, seed + 1, **noise)
    for r in results:
        r["score"] = round(r["score"], decimals)                 # few decimals: many ties
    return gt, results


# -- the twelve numbers

@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_reference_numbers_of_cocoapi(shared, kind, engine):
    folder = shared / "data" / "cocoapi"
    if not folder.is_dir():
        pytest.skip("cocoapi samples not found")
    text = (folder / "val2014_fake_eval_res.txt").read_text().split(f"type={kind}")[1]
    wanted = [float(line.rsplit("=", 1)[1]) for line in text.splitlines() if line.startswith(" Average")][:12]
    got = score_files(folder / "instances_val2014_100.json", folder / f"instances_val2014_fake{kind}100_results.json",
                      kind, engine=engine)
    assert [round(got[key], 3) for key in KEYS] == wanted


@pytest.mark.parametrize("engine", ENGINES)
@settings(**SETTINGS)
@given(seed=st.integers(0, 10**6), decimals=st.integers(1, 4), copies=st.floats(0, 4),
       kind=st.sampled_from(["bbox", "segm"]))
def test_equals_pycocotools(engine, seed, decimals, copies, kind):
    gt, results = small_case(seed, decimals, copies=copies)
    if kind == "segm":
        sizes = {i["id"]: (i["height"], i["width"]) for i in gt["images"]}
        gt["annotations"] = as_masks(gt["annotations"], sizes)
        results = [{k: v for k, v in r.items() if k != "bbox"} for r in as_masks(results, sizes)]
    got = coco_metrics(gt, results, kind, engine=engine)
    want = oracle(gt, results, kind)
    np.testing.assert_allclose([got[k] for k in KEYS], np.where(want.stats < 0, np.nan, want.stats), rtol=0, atol=1e-12)
    precision, recall = curves(truth(gt, kind), detections(truth(gt, kind), results, kind), engine=engine,
                               areas=list(COCO_AREAS.values()))
    np.testing.assert_array_equal(precision, want.eval["precision"])         # bit for bit, not only the means
    np.testing.assert_array_equal(recall, want.eval["recall"])


@pytest.mark.parametrize("engine", ENGINES)
@settings(**SETTINGS)
@given(seed=st.integers(0, 10**6), limits=st.sampled_from([(3,), (2, 5, 300), (1, 10, 1000)]))
def test_average_recall_equals_pycocotools_without_categories(engine, seed, limits):
    gt, results = small_case(seed, copies=2.0)
    results = [{**r, "category_id": 1} for r in results]
    got = average_recall(gt, results, k=limits, engine=engine)
    recall = oracle(gt, results, use_cats=0, max_dets=limits).eval["recall"][:, 0]
    for m, k in enumerate(limits):
        assert got[f"AR{k}"] == pytest.approx(recall[:, 0, m].mean(), abs=1e-12)
    if (recall[:, 1] > -1).all():
        assert got["ARs"] == pytest.approx(recall[:, 1, -1].mean(), abs=1e-12)
    assert 0 <= got["AUC"] <= got[f"AR{limits[-1]}"] + 1e-12


def test_auc_is_the_mean_over_log_proposals():
    """Ten objects, each found exactly by one proposal at ranks 1..10: AR(k) = k / 10."""
    boxes = [[20.0 * n, 0.0, 10.0, 10.0] for n in range(10)]
    gt = {"images": [{"id": 1, "height": 20, "width": 200}], "categories": [{"id": 1, "name": "a"}],
          "annotations": [{"id": n, "image_id": 1, "category_id": 1, "bbox": b, "area": 100.0, "iscrowd": 0}
                          for n, b in enumerate(boxes)]}
    proposals = [{"image_id": 1, "bbox": b, "score": 1 - n / 100} for n, b in enumerate(boxes)]
    k = np.unique(np.geomspace(1, 10, 31).round())
    want = np.sum((k[1:] + k[:-1]) / 20 * np.diff(np.log(k))) / np.log(10)
    got = average_recall(gt, proposals, k=(1, 5, 10))
    assert (got["AR1"], got["AR5"], got["AR10"]) == pytest.approx((0.1, 0.5, 1.0))
    assert got["AUC"] == pytest.approx(want)
    assert got["AUC"] == pytest.approx((1 - 0.1) / np.log(10), abs=0.01)     # the integral of k/10 over log k


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_found_and_nothing_to_find(engine):
    gt, results = small_case(3)
    empty = coco_metrics(gt, [], engine=engine)
    assert empty["AP"] == 0 and empty["AR100"] == 0
    bare = coco_metrics({**gt, "annotations": []}, results, engine=engine, per_category=True)
    assert all(np.isnan(bare[key]) for key in KEYS) and all(np.isnan(v) for v in bare["per_category"].values())
    assert voc_ap(gt, [])["mAP"] == 0 and np.isnan(voc_ap({**gt, "annotations": []}, results)["mAP"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("classes", [True, False])
def test_nothing_found_is_what_misses_alone_are(engine, classes):
    gt, _ = small_case(3)
    for n, a in enumerate(gt["annotations"]):
        a["difficult"], a["area"] = int(n % 4 == 0), [100.0, 1024.0, 9216.0, 2e4][n % 4]      # areas on the bounds
    gt["annotations"] += [{**gt["annotations"][0], "id": 1000, "category_id": 4, "area": 5.0, "iscrowd": 1}]
    gt["categories"] += [{"id": n, "name": f"class {n}"} for n in (5, 6)]
    only = {"id": 1001, "image_id": 1, "bbox": [0, 0, 9, 9], "area": 81.0}
    gt["annotations"] += [only | {"category_id": 5, "iscrowd": 1},
                          only | {"id": 1002, "category_id": 6, "difficult": 1}]
    columns, ranges = truth(gt), [COCO_AREAS[k] for k in COCO_AREAS]
    miss = [{"image_id": 2, "category_id": c, "bbox": [500, 500, 1, 1], "score": 0.5} for c in range(1, 7)]
    both = [detections(columns, records) for records in ([], miss)]
    got, want = (curves(columns, dt, areas=ranges, classes=classes, engine=engine) for dt in both)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (want[1] == -1).any() or not classes


def test_the_order_of_the_file_does_not_matter():
    gt, results = small_case(5)
    for key in ("images", "categories"):
        for record in gt[key]:
            record["id"] *= 3
    gt["annotations"] = [{**a, "image_id": 3 * a["image_id"], "category_id": 3 * a["category_id"]}
                         for a in gt["annotations"]]
    results = [{**r, "image_id": 3 * r["image_id"], "category_id": 3 * r["category_id"]} for r in results]
    gt["images"][0]["height"] = 97
    turned = {key: records[::-1] for key, records in gt.items()}
    a, b = truth(gt), truth(turned)
    for name in ("images", "categories", "names", "similar", "sizes"):
        assert getattr(a, name) == getattr(b, name)
    assert a.names == ["class 1", "class 2", "class 3", "class 4"] and a.sizes[0] == (97, 128) and a.images[3] == 1
    for metric in (lambda g: coco_metrics(g, results, per_category=True), lambda g: voc_ap(g, results)):
        assert metric(turned) == metric(gt)


def test_areas_and_boxes_that_a_record_lacks():
    gt, results = small_case(5)
    bare = {**gt, "annotations": [{k: v for k, v in a.items() if k != "area"} for a in gt["annotations"]]}
    np.testing.assert_allclose(truth(bare).area, truth(gt).area)
    masks = as_masks(results, {i["id"]: (i["height"], i["width"]) for i in gt["images"]})
    drawn_ = detections(truth(gt), [{k: v for k, v in r.items() if k != "bbox"} for r in masks]).boxes
    assert np.abs(drawn_ - detections(truth(gt), results).boxes).max() < 2.5 and drawn_[:, 2:].min() >= 0
    long = {**masks[0], "segmentation": {"size": [96, 128], "counts": [0, 96 * 128 + 5]}}
    with pytest.raises(ValueError, match=r"runs that add up to 12293 pixels; expected runs for 96 x 128 = 12288"):
        detections(truth(gt), [long], "segm")


@pytest.mark.parametrize("engine", ENGINES)
def test_ids_do_not_matter(engine):
    """pycocotools reads annotation id 0 as "not matched", and drops a true positive."""
    gt, results = small_case(5)
    zero = {**gt, "annotations": [{**a, "id": a["id"] - 1} for a in gt["annotations"]]}
    assert coco_metrics(zero, results, engine=engine) == coco_metrics(gt, results, engine=engine)
    far = {"images": [{**i, "id": 1000 + i["id"]} for i in gt["images"]],
           "categories": [{**c, "id": 7 * c["id"]} for c in gt["categories"]],
           "annotations": [{**a, "image_id": 1000 + a["image_id"], "category_id": 7 * a["category_id"]}
                           for a in gt["annotations"]]}
    moved = [{**r, "image_id": 1000 + r["image_id"], "category_id": 7 * r["category_id"]} for r in results]
    assert coco_metrics(far, moved, engine=engine) == coco_metrics(gt, results, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_difficult_objects_are_ignored(engine):
    gt, results = small_case(7, copies=0.0)
    hard = {**gt, "annotations": [{**a, "difficult": int(a["id"] % 3 == 0)} for a in gt["annotations"]]}
    outside = {**gt, "annotations": [{**a, "area": 1e12 if a["id"] % 3 == 0 else a["area"]} for a in gt["annotations"]]}
    assert coco_metrics(hard, results, engine=engine)["AP"] == coco_metrics(outside, results, engine=engine)["AP"]
    assert coco_metrics(hard, results, engine=engine)["AP"] != coco_metrics(gt, results, engine=engine)["AP"]


def test_area_bounds_of_the_file_and_own_ranges():
    gt, results = small_case(9)
    own = coco_metrics({**gt, "info": {"area_bounds": [12, 32]}}, results)
    asked = coco_metrics(gt, results, area_ranges={"all": (0, 1e10), "small": (0, 144), "medium": (144, 1024),
                                                   "large": (1024, 1e10)})
    assert own == pytest.approx(asked, nan_ok=True) and own["APm"] != coco_metrics(gt, results)["APm"]
    assert set(coco_metrics(gt, results, max_dets=(5, 300), area_ranges={"all": (0, 1e10), "tiny": (0, 50)})) == {
        "AP", "AP50", "AP75", "APtiny", "AR5", "AR300", "ARtiny"}


@pytest.mark.skipif(not hotcoco, reason="no hotcoco here")
def test_fast_engine_is_fast_and_equal():
    """A twelfth of COCO val2017's size; the whole of it gave 40 times and more, so 5 leaves room for a busy machine."""
    gt = made_truth(400, seed=1)
    results, seconds, numbers = made_detections(gt, seed=2, copies=10.0, background=32.0), {}, {}
    for engine in ("hotcoco", "pycocotools"):
        start = time.perf_counter()
        numbers[engine] = coco_metrics(gt, results, engine=engine)
        seconds[engine] = time.perf_counter() - start
    assert numbers["hotcoco"] == numbers["pycocotools"]
    assert seconds["pycocotools"] >= 5 * seconds["hotcoco"], seconds


# -- VOC

def line_of(labels, scores, num_gt):
    """One image a detection; detection i is on its own object where labels[i], else on nothing."""
    gt = {"images": [{"id": n, "height": 50, "width": 50} for n in range(len(labels) + num_gt)],
          "categories": [{"id": 1, "name": "a"}], "annotations": []}
    for n in [n for n, hit in enumerate(labels) if hit] + list(range(len(labels), len(labels) + num_gt - sum(labels))):
        gt["annotations"].append({"id": n, "image_id": n, "category_id": 1, "bbox": [5, 5, 10, 10], "area": 100})
    return gt, [{"image_id": n, "category_id": 1, "bbox": [5, 5, 10, 10], "score": s} for n, s in enumerate(scores)]


def test_voc_by_hand():
    """Hits +, +, -, +, - over 4 objects: precision 1, 1, 2/3, 3/4, 3/5 at recall 1/4, 1/2, 1/2, 3/4, 3/4."""
    gt, results = line_of([1, 1, 0, 1, 0], [0.9, 0.8, 0.7, 0.6, 0.5], num_gt=4)
    assert voc_ap(gt, results, 2010)["mAP"] == pytest.approx(0.5 * 1 + 0.25 * 0.75)
    assert voc_ap(gt, results, 2007)["mAP"] == pytest.approx((6 * 1 + 2 * 0.75) / 11)     # levels 0-.5, .6-.7, .8-1


def test_voc_on_the_bound_at_ties_and_with_nothing_that_counts():
    thing = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 10], "area": 100, "iscrowd": 0}
    gt = {"images": [{"id": 1, "height": 50, "width": 50}], "categories": [{"id": 1, "name": "a"}],
          "annotations": [thing]}
    half = [{"image_id": 1, "category_id": 1, "bbox": [5, 5, 10, 5], "score": 0.5}]
    assert voc_ap(gt, half)["mAP"] == 1 and voc_ap(gt, half, iou=0.51)["mAP"] == 0
    hard = {**thing, "id": 2, "difficult": 1}
    assert voc_ap({**gt, "annotations": [thing, hard]}, half)["mAP"] == 1       # of equals, the first in the file
    assert voc_ap({**gt, "annotations": [hard, thing]}, half)["mAP"] == 0
    for year in (2007, 2010):
        assert np.isnan(voc_ap({**gt, "annotations": [hard]}, [], year)["mAP"])


def slow_voc(gt, results, category, iou, year):
    """The rule, one detection after the other."""
    taken, tp, fp, points = set(), 0, 0, []
    mine = [a for a in gt["annotations"] if a["category_id"] == category]
    skip = {a["id"] for a in mine if a["iscrowd"] or a.get("difficult")}
    for d in sorted((r for r in results if r["category_id"] == category), key=lambda r: -r["score"]):
        here = [a for a in mine if a["image_id"] == d["image_id"]]
        overlap = rle.iou([d["bbox"]], [a["bbox"] for a in here], [0] * len(here))[0] if here else []
        best = int(np.argmax(overlap)) if here else 0
        if here and overlap[best] >= iou:
            if here[best]["id"] in skip:
                continue
            tp, fp = tp + (here[best]["id"] not in taken), fp + (here[best]["id"] in taken)
            taken.add(here[best]["id"])
        else:
            fp += 1
        points.append((tp / (len(mine) - len(skip)), tp / (tp + fp)))
    if year == 2007:
        return np.mean([max([p for r, p in points if r >= t / 10], default=0) for t in range(11)])
    area, last = 0.0, 0.0
    for n, (r, _) in enumerate(points):
        area, last = area + (r - last) * max(p for _, p in points[n:]), r
    return area


@settings(**SETTINGS)
@given(seed=st.integers(0, 10**6), year=st.sampled_from([2007, 2010]), iou=st.sampled_from([0.3, 0.5, 0.7]))
def test_voc_equals_the_slow_rule(seed, year, iou):
    gt, results = small_case(seed, copies=1.0)
    for a in gt["annotations"]:
        a["difficult"] = int(a["id"] % 5 == 0)
    got = voc_ap(gt, results, year, iou)["per_category"]
    for category in gt["categories"]:
        counted = [a for a in gt["annotations"] if not (a["iscrowd"] or a["difficult"])]
        some = any(a["category_id"] == category["id"] for a in counted)
        want = slow_voc(gt, results, category["id"], iou, year) if some else np.nan
        assert got[category["name"]] == pytest.approx(want, abs=1e-12, nan_ok=True)


# -- running a system

@dataclass
class Stub:
    """A data set of blank images whose top-left pixel holds the image's number."""
    shapes: list

    def __post_init__(self):
        self.images = [{"id": 10 + n, "height": h, "width": w} for n, (h, w) in enumerate(self.shapes)]
        self.categories = [{"id": 3, "name": "a"}, {"id": 8, "name": "b"}]

    def __len__(self):
        return len(self.shapes)

    def pixels(self):
        same = len(set(self.shapes)) == 1
        return np.stack([self.image(n).numpy() for n in range(len(self))]) if same else None

    def image(self, n):
        return torch.full((3, *self.shapes[n]), n, dtype=torch.uint8)


class Whole(torch.nn.Module, DetectionSystem):
    """Detects the whole (unpadded) image, as label 2."""
    cfg = tiny(2)

    def detect(self, images, sizes, proposals):
        assert all(side % 32 == 0 for side in images.shape[-2:]) and not self.training
        boxes = [torch.tensor([[0.0, 0.0, w, h]]) for h, w in sizes.tolist()]
        return [{"boxes": b, "scores": i[0, :1, 0].float() / 8, "labels": torch.tensor([2])}
                for i, b in zip(images, boxes)]


@pytest.mark.parametrize("short, long", [(None, None), (64, None), (64, 80)])
@pytest.mark.parametrize("batch", [1, 2, 8])
@pytest.mark.parametrize("shapes", [[(40, 60), (70, 33), (50, 50)], [(40, 60)] * 3])
def test_detect_all_returns_original_pixels_and_ids(short, long, batch, shapes):
    data = Stub(shapes)
    results = detect_all(Whole(), data, torch.device("cpu"), batch=batch, short=short, long=long)
    assert [r["image_id"] for r in results] == [10, 11, 12] and {r["category_id"] for r in results} == {8}
    assert [r["score"] for r in results] == [0, 1 / 8, 2 / 8]
    for r, (h, w) in zip(results, data.shapes):
        assert r["bbox"] == pytest.approx([0, 0, w, h])


# -- bad input

GOOD = {"image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "score": 0.5}
MASK = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": {"size": [20, 30], "counts": [300, 40, 260]}}


@pytest.mark.parametrize("kind, record, says", [
    ("bbox", {**GOOD, "image_id": 99}, "image_id 99"),
    ("bbox", {**GOOD, "image_id": [1]}, "image_id"),
    ("bbox", {k: v for k, v in GOOD.items() if k != "category_id"}, "category_id None"),
    ("bbox", {**GOOD, "score": float("nan")}, "score is nan"),
    ("bbox", {k: v for k, v in GOOD.items() if k != "score"}, "score is None"),
    ("bbox", {**GOOD, "bbox": [1, 1, 5]}, "bbox is [1, 1, 5]"),
    ("bbox", {**GOOD, "bbox": [1, 1, -5, 5]}, "negative side"),
    ("bbox", {**GOOD, "bbox": [1, 1, 5, float("inf")]}, "inf"),
    ("bbox", "cat", "expected a record"),
    ("segm", GOOD, "has no segmentation"),
    ("segm", {**MASK, "segmentation": {"size": [30, 20], "counts": [600]}}, "size [30, 20]"),
    ("segm", {**MASK, "segmentation": {"size": [20, 30], "counts": [300, 40]}}, "340 pixels"),
    ("segm", {**MASK, "segmentation": {"size": [20, 30], "counts": "b1d0"}}, "70 pixels; expected runs for 20 x 30 ="),
    ("segm", {**MASK, "segmentation": [[1, 2, 3, 4]]}, "three points or more"),
])
def test_bad_result_is_named(tmp_path, kind, record, says):
    gt = {"images": [{"id": 1, "height": 20, "width": 30}], "categories": [{"id": 1, "name": "a"}],
          "annotations": [{"id": 5, "bbox": [1, 1, 5, 5], "area": 25, **{k: MASK[k] for k in MASK if k != "score"}}]}
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    (tmp_path / "results.json").write_text(json.dumps([MASK if kind == "segm" else GOOD, record]))
    with pytest.raises((ValueError, KeyError)) as error:
        score_files(tmp_path / "gt.json", tmp_path / "results.json", kind)
    assert "results.json: result 1" in str(error.value) and says in str(error.value)


@pytest.mark.parametrize("change, says", [
    ({"annotations": [{"id": 5, "image_id": 2, "category_id": 1, "bbox": [0, 0, 1, 1]}]}, "annotation 5: image_id 2"),
    ({"images": None}, "no list 'images'"),
    ({"images": [{"id": 1}, {"id": 1}]}, "image id 1 appears twice"),
    ({"categories": [{"name": "a"}]}, "category number 0 has no 'id'"),
])
def test_bad_ground_truth_is_named(tmp_path, change, says):
    gt = {"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": [], **change}
    (tmp_path / "gt.json").write_text(json.dumps(gt))
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises((ValueError, KeyError)) as error:
        score_files(tmp_path / "gt.json", tmp_path / "results.json")
    assert "gt.json" in str(error.value) and says in str(error.value)


def test_files_that_are_not_json(tmp_path):
    (tmp_path / "gt.json").write_text('{"images": [')
    with pytest.raises(ValueError, match=r"gt.json: not valid JSON at line 1, column 13"):
        score_files(tmp_path / "gt.json", tmp_path / "gt.json")
    (tmp_path / "picture.json").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match=r"picture.json: not a text file"):
        score_files(tmp_path / "picture.json", tmp_path / "gt.json")
    with pytest.raises(FileNotFoundError):
        score_files(tmp_path / "absent.json", tmp_path / "gt.json")


def test_the_order_of_limits_does_not_matter():
    gt = made_truth(6, 0, categories=2)
    results = [{"image_id": a["image_id"], "category_id": a["category_id"], "bbox": a["bbox"], "score": 1 / (i + 1)}
               for i, a in enumerate(gt["annotations"])]
    assert coco_metrics(gt, results, max_dets=(100, 1, 10)) == coco_metrics(gt, results)


class Given:
    """As much of a set with proposals as `covered` looks at."""

    def __init__(self, targets, proposals):
        self.targets, self.proposals = targets, proposals

    def __len__(self):
        return len(self.targets)

    def target(self, i):
        return self.targets[i]


def test_given_proposals_cover_the_objects_that_count():
    box = torch.tensor([[0.0, 0.0, 10.0, 10.0]])
    boxes, no = torch.cat([box, box + 40, box + 80]), torch.tensor([False] * 3)
    crowd, difficult = torch.tensor([False, True, False]), torch.tensor([False, False, True])

    def share(proposals, **flags):
        target = {"boxes": boxes, "labels": torch.ones(3).long(), "crowd": no} | flags
        return covered(Given([target], [proposals]))

    assert share(boxes) == 1 and share(boxes[:0]) == 0 and share(box) == pytest.approx(1 / 3)
    assert share(box, crowd=crowd) == pytest.approx(1 / 2)
    assert share(box, crowd=crowd, difficult=difficult) == 1
    wide = torch.tensor([[0.0, 0.0, 10.0, 14.0]])                         # IoU 10 / 14 = .71: five of ten limits
    assert share(wide, crowd=crowd, difficult=difficult) == pytest.approx(0.5)


@pytest.mark.parametrize("asked, side", [({}, 32), ({"short": 64}, 64), ({"long": 64}, 64)])
def test_images_are_as_large_as_trained_unless_a_side_is_asked_for(asked, side):
    net, seen = Whole(), []
    net.trained = Trained(size=(32,))
    detect = net.detect
    net.detect = lambda images, sizes, given: seen.extend(sizes.tolist()) or detect(images, sizes, given)
    detect_all(net, Stub([(128, 128)]), torch.device("cpu"), **asked)
    assert seen == [[side, side]]


@pytest.mark.parametrize("short, long, size", [
    (50, None, (50, 100)), (50, 80, (40, 80)), (50, 300, (50, 100)), (None, 50, (25, 50)), (None, 400, (100, 200)),
    (200, None, (200, 400)), (33, None, (33, 66))])
def test_images_are_resized_by_their_shorter_side_up_to_a_longest(short, long, size):
    assert resize(torch.zeros(3, 100, 200, dtype=torch.uint8), short, long).shape == (3, *size)


def test_resized_sides_are_rounded_and_an_image_of_the_right_size_is_itself():
    image = torch.zeros(3, 33, 70, dtype=torch.uint8)
    assert resize(image, 64, None).shape == (3, 64, 136)                  # 135.8
    assert resize(image, None, None) is image and resize(image, 33, None) is image


def test_batches_of_images_say_where_they_are_and_how_large():
    data = Stub([(40, 60)] * 3)
    plain, zoomed = (list(image_batches(data, torch.device("cpu"), 2, short)) for short in (None, 80))
    for batches, side in ((plain, 40), (zoomed, 80)):
        assert [list(batch.places) for batch in batches] == [[0, 1], [2]]
        assert [record["id"] for batch in batches for record in batch.records] == [10, 11, 12]
        assert [batch.sizes.tolist() for batch in batches] == [[[side, side * 3 // 2]] * 2, [[side, side * 3 // 2]]]
        assert all(scale.tolist() == [40 / side] * 4 for batch in batches for scale in batch.scales())
        assert [int(image[0, 0, 0]) for batch in batches for image in batch.images] == [0, 1, 2]


def test_detections_are_corner_and_sides_on_the_image_as_stored():
    net = Whole()
    net.detect = lambda images, sizes, given: [
        {"boxes": torch.tensor([[20.0, 40.0, 60.0, 70.0]]), "scores": torch.ones(1), "labels": torch.tensor([1])}
        for _ in images]
    (record,) = detect_all(net, Stub([(40, 60)]), torch.device("cpu"), short=80)
    assert record == {"image_id": 10, "category_id": 3, "bbox": [10, 20, 20, 15], "score": 1}


def test_every_image_gets_the_proposals_that_the_set_holds_for_it():
    net, data, seen = Whole(), Stub([(40, 60), (40, 60), (80, 60)]), []
    net.cfg = fast_rcnn.tiny(2)
    data.proposals = [torch.tensor([[0.0, 0.0, 10.0 + i, 20.0]]) for i in range(3)]
    detect = net.detect
    net.detect = lambda images, sizes, given: seen.extend(given) or detect(images, sizes, given)
    for batch in (1, 2):
        seen.clear()
        detect_all(net, data, torch.device("cpu"), batch, short=120)      # three times, and twice, as large
        assert [b.tolist() for b in seen] == [[[0, 0, 30, 60]], [[0, 0, 33, 60]], [[0, 0, 24, 40]]]


def test_a_batch_holds_images_of_one_canvas_and_stands_where_it_became_full():
    small, wide, high = (40, 60), (20, 90), (70, 33)
    assert by_canvas([small] * 5, 2) == [[0, 1], [2, 3], [4]]
    assert by_canvas([small, wide, small, high, wide, small], 2) == [[0, 2], [1, 4], [3], [5]]
    assert by_canvas([(33, 64), (64, 33), (65, 64), (64, 64)], 8) == [[0, 1, 3], [2]]
    assert by_canvas([small, wide], 1) == [[0], [1]] and by_canvas([], 4) == []


@pytest.mark.parametrize("short", [None, 80])
def test_images_of_a_batch_are_padded_as_each_would_be_alone(short):
    data, seen = Stub([(40, 60), (60, 40), (40, 50), (70, 33), (60, 40), (41, 60), (33, 61)]), []
    for batch in image_batches(data, torch.device("cpu"), 3, short):
        assert [record["id"] for record in batch.records] == [10 + i for i in batch.places]
        assert [int(image[0, 0, 0]) for image in batch.images] == batch.places
        for i, size in zip(batch.places, batch.sizes.tolist()):
            assert tuple(size) == resized(*data.shapes[i], short, None)
            assert batch.images.shape[-2:] == tuple(-(-side // 32) * 32 for side in size)
        seen += batch.places
    assert sorted(seen) == list(range(7)) and seen != sorted(seen)


def test_a_line_of_pixels_keeps_one_where_it_is_made_smaller():
    assert resized(1, 3000, 800, 1333) == fit_size(1, 3000, (800, 1333)) == (1, 1333)
    assert resize(torch.zeros(3, 3000, 1), None, 200).shape == (3, 200, 1)


class Scenes(Stub):
    """Drawn scenes, cut to the shapes, with the classes of a detector."""

    def __init__(self, shapes, classes):
        super().__init__(shapes)
        self.categories = [{"id": k, "name": name} for k, name in enumerate(classes, 1)]
        self.classes = list(classes)
        self.scenes = [torch.from_numpy(draw_scene(World(), n)[0]).permute(2, 0, 1) for n in range(len(shapes))]

    def image(self, n):
        height, width = self.shapes[n]
        return self.scenes[n][:, :height, :width].contiguous()


@pytest.mark.parametrize("name", ["retinanet", "faster_rcnn_pyramid"])
def test_what_is_found_on_a_picture_does_not_depend_on_its_neighbours(name):
    """Pictures of three shapes, in batches and one by one."""
    net, cpu = load_weights(weights_folder() / f"{name}.safetensors"), torch.device("cpu")
    data = Scenes([(128, 128), (90, 128), (128, 60), (128, 128)] * 2, net.trained.classes)
    alone = detect_all(net, data, cpu, 1)
    assert [r["image_id"] for r in alone] == sorted(r["image_id"] for r in alone) and len(alone) > 100
    for batch in (4, 8):
        together = detect_all(net, data, cpu, batch)
        for key in ("image_id", "category_id"):
            assert [r[key] for r in together] == [r[key] for r in alone]
        for key in ("bbox", "score"):
            assert np.allclose([r[key] for r in together], [r[key] for r in alone], rtol=0, atol=1e-4)
    if name == "faster_rcnn_pyramid":
        for one, many in zip(proposals_of(net, data, cpu, batch=1), proposals_of(net, data, cpu, batch=8), strict=True):
            torch.testing.assert_close(one, many, rtol=0, atol=1e-3)
