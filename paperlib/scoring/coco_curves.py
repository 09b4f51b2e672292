"""Matching and accumulation behind every AP and AR: two engines that must agree to the last bit.

Legend: I images, K categories, G annotations, D detections, T IoU thresholds, R recall levels, A area ranges,
M detection limits.
"""
import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paperlib.scoring.checked_arrays import Found, Truth

try:
    import hotcoco
except ImportError:                                              # no wheel for this machine: the oracle does the work
    hotcoco = None

IOUS = np.linspace(0.5, 0.95, 10)                                # pycocotools' own expression: equal to the last bit
RECALLS = np.linspace(0.0, 1.0, 101)


def curves(gt: Truth, dt: Found, max_dets=(1, 10, 100), areas=((0, 1e10),), ious=IOUS, recalls=RECALLS,
           classes: bool = True, engine: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Interpolated precision (T, R, K, A, M) and greatest recall (T, K, A, M); -1 where there is nothing to find.

    `engine` is "hotcoco" (the default where installed) or "pycocotools", the reference: tests hold the first to the
    second, bit for bit. `classes=False` ignores categories (K = 1), as proposals are scored.
    Objects flagged `difficult` are ignored like those outside the area range.
    """
    engine = engine or ("hotcoco" if hotcoco else "pycocotools")
    if engine not in ("hotcoco", "pycocotools") or (engine == "hotcoco" and hotcoco is None):
        raise ValueError(f"engine {engine!r} is not available; expected 'hotcoco' (if installed) or 'pycocotools'")
    if not len(dt.scores):                                       # both engines want at least one detection
        return _nothing_found(gt, max_dets, areas, ious, recalls, classes)
    evaluator = (_hotcoco if engine == "hotcoco" else _pycocotools)(gt, dt)
    params = evaluator.params
    params.maxDets, params.areaRng = list(max_dets), [list(a) for a in areas]
    params.iouThrs, params.recThrs, params.useCats = np.asarray(ious), np.asarray(recalls), int(classes)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluator.params = params
        evaluator.evaluate()
        evaluator.accumulate()
    shape = (len(ious), len(recalls), len(gt.categories) if classes else 1, len(areas), len(max_dets))
    return (np.asarray(evaluator.eval["precision"]).reshape(shape),
            np.asarray(evaluator.eval["recall"]).reshape(shape[:1] + shape[2:]))


def _nothing_found(gt: Truth, max_dets, areas, ious, recalls, classes: bool):
    """Zeros where there are objects, -1 where there are none."""
    K, area = len(gt.categories) if classes else 1, _area(gt)
    any_gt = np.full((K, len(areas)), -1.0)
    for a, (lo, hi) in enumerate(areas):
        inside = ~gt.crowd & (area >= lo) & (area <= hi)
        any_gt[np.unique(gt.category[inside] - 1 if classes else np.zeros(inside.sum(), int)), a] = 0
    shape = (len(ious), len(recalls), K, len(areas), len(max_dets))
    return (np.broadcast_to(any_gt[None, None, :, :, None], shape).copy(),
            np.broadcast_to(any_gt[None, :, :, None], shape[:1] + shape[2:]).copy())


def _area(gt: Truth) -> np.ndarray:
    return np.where(gt.difficult, -1.0, gt.area)                 # below every range: ignored, as PASCAL asks


def _frame(gt: Truth) -> dict:
    return {"images": [{"id": n, "height": h, "width": w, "file_name": ""} for n, (h, w) in enumerate(gt.sizes, 1)],
            "categories": [{"id": n, "name": str(n)} for n in range(1, len(gt.categories) + 1)]}


def _hotcoco(gt: Truth, dt: Found):
    frame = _frame(gt)
    truths = hotcoco.COCO.from_arrays(frame["images"], frame["categories"], gt.image, gt.category, gt.boxes,
                                      ids=np.arange(1, len(gt.image) + 1), area=_area(gt),
                                      iscrowd=gt.crowd.astype(np.int64), segmentation=gt.masks)
    rows = np.column_stack([dt.image, dt.boxes, dt.scores, dt.category])
    detections = truths.load_res(rows, segmentation=dt.masks)
    if dt.masks is not None:
        detections.update_anns(ids=np.arange(1, len(rows) + 1), area=dt.area)
    return hotcoco.COCOeval(truths, detections, "bbox" if dt.masks is None else "segm")


def _pycocotools(gt: Truth, dt: Found):
    def coco(columns, **more) -> COCO:
        masks = columns.masks or [None] * len(columns.image)
        keys, values = list(more), zip(*more.values())
        rows = zip(columns.image.tolist(), columns.category.tolist(), columns.boxes.tolist(), masks, values)
        out = COCO()
        out.dataset = {**_frame(gt), "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": b, "segmentation": m, **dict(zip(keys, v))}
            for n, (i, c, b, m, v) in enumerate(rows, 1)]}       # ids from 1: pycocotools reads id 0 as "no match"
        out.createIndex()
        return out
    with contextlib.redirect_stdout(io.StringIO()):
        truths = coco(gt, iscrowd=gt.crowd.astype(int).tolist(), area=_area(gt).tolist())
        detections = coco(dt, score=dt.scores.tolist(), area=dt.area.tolist(), iscrowd=[0] * len(dt.scores))
        return COCOeval(truths, detections, "bbox" if dt.masks is None else "segm")
