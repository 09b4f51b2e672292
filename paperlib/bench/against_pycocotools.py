"""COCO's twelve numbers, ours beside pycocotools', on a made case."""
import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paperlib.bench.timing import Race, over
from paperlib.scoring.coco_metrics import coco_metrics

IMAGES, OBJECTS, DETECTIONS, CLASSES = 5000, 7, 100, 80  # of the made case: images; of each image; COCO's classes


def made_case(images: int) -> tuple[dict, list[dict]]:
    """Ground truth and results in COCO's format: every detection is a shifted object, four in five of its class."""
    rng = np.random.default_rng(0)
    xy, wh = rng.uniform(0, 500, (images, OBJECTS, 2)), np.exp(rng.uniform(2, 5.5, (images, OBJECTS, 2)))
    category = rng.integers(1, CLASSES + 1, (images, OBJECTS))
    of = rng.integers(0, OBJECTS, (images, DETECTIONS))
    found = np.take_along_axis(np.concatenate([xy, wh], 2), of[..., None], 1)
    found = found + rng.normal(0, 0.1, found.shape) * found[..., 2:].repeat(2, 0).reshape(images, DETECTIONS, 4)
    found[..., 2:] = found[..., 2:].clip(1)
    named = np.take_along_axis(category, of, 1)
    named = np.where(rng.random(named.shape) < 0.8, named, rng.integers(1, CLASSES + 1, named.shape))
    score = rng.random(named.shape)
    objects = np.concatenate([xy, wh], 2).round(2).tolist()
    truth = [{"id": i * OBJECTS + j + 1, "image_id": i, "category_id": int(category[i, j]), "bbox": box, "iscrowd": 0,
              "area": box[2] * box[3]} for i in range(images) for j, box in enumerate(objects[i])]
    gt = {"images": [{"id": i, "height": 640, "width": 640, "file_name": ""} for i in range(images)],
          "annotations": truth, "categories": [{"id": k, "name": str(k)} for k in range(1, CLASSES + 1)]}
    return gt, [{"image_id": i, "category_id": k, "bbox": b, "score": s} for i in range(images)
                for k, b, s in zip(named[i].tolist(), found[i].round(2).tolist(), score[i].tolist())]


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
