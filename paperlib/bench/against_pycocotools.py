"""COCO's twelve numbers, ours beside pycocotools', on a made case."""
import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paperlib.bench.timing import Race, over
from paperlib.scoring.coco_metrics import coco_metrics

IMAGES, CLASSES = 5000, 80  # of the made case; COCO's number of classes
OBJECTS, DETECTIONS = 7, 100  # of each image


def made_case(images: int) -> tuple[dict, list[dict]]:
    """Ground truth and results in COCO's format: a detection is a shifted object, 4 in 5 of its class."""
    rng = np.random.default_rng(0)
    xy, wh = rng.uniform(0, 500, (images, OBJECTS, 2)), np.exp(rng.uniform(2, 5.5, (images, OBJECTS, 2)))
    objects = np.concatenate([xy, wh], 2)                             # (images, OBJECTS, 4), xywh px
    category = rng.integers(1, CLASSES + 1, (images, OBJECTS))
    of = rng.integers(0, OBJECTS, (images, DETECTIONS))               # the object that each detection was
    boxes = np.take_along_axis(objects, of[..., None], 1)             # (images, DETECTIONS, 4)
    shift = rng.normal(0, 0.1, boxes.shape)
    boxes = boxes + shift * boxes[..., 2:].repeat(2, 0).reshape(boxes.shape)
    boxes[..., 2:] = boxes[..., 2:].clip(1)
    named = np.take_along_axis(category, of, 1)
    named = np.where(rng.random(named.shape) < 0.8, named, rng.integers(1, CLASSES + 1, named.shape))
    score = rng.random(named.shape)
    return _as_ground_truth(objects.round(2), category), _as_results(boxes.round(2), named, score)


def _as_ground_truth(objects: np.ndarray, category: np.ndarray) -> dict:
    """COCO's dictionary of boxes (I, G, 4) xywh px and their categories (I, G), ids counted from 1."""
    annotations = []
    for (i, j), label in np.ndenumerate(category):
        box = objects[i, j].tolist()
        annotations.append({"id": len(annotations) + 1, "image_id": i, "category_id": int(label), "bbox": box,
                            "iscrowd": 0, "area": box[2] * box[3]})
    images = [{"id": i, "height": 640, "width": 640, "file_name": ""} for i in range(len(objects))]
    categories = [{"id": k, "name": str(k)} for k in range(1, CLASSES + 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _as_results(boxes: np.ndarray, named: np.ndarray, score: np.ndarray) -> list[dict]:
    """COCO's list of results: boxes (I, D, 4) xywh px with category and score (I, D)."""
    results = []
    for i in range(len(boxes)):
        for label, box, value in zip(named[i].tolist(), boxes[i].tolist(), score[i].tolist()):
            results.append({"image_id": i, "category_id": label, "bbox": box, "score": value})
    return results


def by_pycocotools(gt: dict, results: list[dict]) -> list[float]:
    """The twelve numbers as pycocotools' own users get them."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = gt
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return list(evaluator.stats)


def scorer(images: int, device, shrink) -> Race:
    """From dictionaries to COCO's twelve numbers; equal to 1e-9, which is asserted first."""
    gt, results = made_case(max(1, 4 * images // shrink**2))
    np.testing.assert_allclose(list(coco_metrics(gt, results).values()), by_pycocotools(gt, results), atol=1e-9)
    parts = {"theirs": lambda: by_pycocotools(gt, results), "paperlib": lambda: coco_metrics(gt, results)}
    return Race(parts, over("theirs", "paperlib"), f"{len(gt['images']):,} images, {len(results):,} detections.")
