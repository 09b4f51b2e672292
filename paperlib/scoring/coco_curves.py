"""Matching and accumulation behind every AP and AR: two engines that must agree to the last bit.

Legend: I images, K categories, G annotations, D detections, T IoU thresholds, R recall levels, A area ranges,
M detection limits.
"""
import contextlib
import io
from collections.abc import Callable

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from paperlib.scoring.checked_arrays import Detections, Truth

try:
    import hotcoco
except ImportError:                              # no wheel for this machine: the reference does the work
    hotcoco = None

IOUS = np.linspace(0.5, 0.95, 10)                # pycocotools' own expression: equal to the last bit
RECALLS = np.linspace(0.0, 1.0, 101)


def curves(gt: Truth, dt: Detections, max_dets=(1, 10, 100), areas=((0, 1e10),), ious=IOUS, recalls=RECALLS,
           classes: bool = True, engine: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Interpolated precision (T, R, K, A, M), greatest recall (T, K, A, M); -1 where nothing is to be found.

    `engine` is "hotcoco" (the default where installed) or "pycocotools", the reference: tests hold the first
    to the second, bit for bit. `classes=False` ignores categories (K = 1), as proposals are scored.
    Objects flagged `difficult` are ignored like those outside the area range.
    """
    build = _engine(engine)
    if not len(dt.scores):                                       # both engines want at least one detection
        return _nothing_found(gt, max_dets, areas, ious, recalls, classes)
    evaluator = build(gt, dt)
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


def _engine(name: str | None) -> Callable[[Truth, Detections], COCOeval]:
    """What builds the evaluator of the engine of that name; of the fastest one that is installed for None."""
    if not name:
        name = "hotcoco" if hotcoco else "pycocotools"
    if name == "hotcoco" and hotcoco:
        return hotcoco_evaluator
    if name == "pycocotools":
        return _pycocotools
    raise ValueError(f"engine {name!r} is not available; expected 'hotcoco' (if installed) or 'pycocotools'")


def _nothing_found(gt: Truth, max_dets, areas, ious, recalls, classes: bool):
    """Zeros where there are objects, -1 where there are none."""
    category = np.zeros_like(gt.category)
    num_categories = 1
    if classes:
        category = gt.category - 1
        num_categories = len(gt.categories)
    area = _area(gt)
    value = np.full((num_categories, len(areas)), -1.0)
    for a, (lo, hi) in enumerate(areas):
        inside = ~gt.crowd & (area >= lo) & (area <= hi)
        value[category[inside], a] = 0
    shape = (len(ious), len(recalls), num_categories, len(areas), len(max_dets))
    return (np.broadcast_to(value[None, None, :, :, None], shape).copy(),
            np.broadcast_to(value[None, :, :, None], shape[:1] + shape[2:]).copy())


def _area(gt: Truth) -> np.ndarray:
    return np.where(gt.difficult, -1.0, gt.area)                 # below every range: ignored, as PASCAL asks


def _frame(gt: Truth) -> dict[str, list[dict]]:
    """COCO's images and categories, by rank."""
    images = []
    for rank, (height, width) in enumerate(gt.sizes, 1):
        images.append({"id": rank, "height": height, "width": width, "file_name": ""})
    categories = [{"id": rank, "name": str(rank)} for rank in range(1, len(gt.categories) + 1)]
    return {"images": images, "categories": categories}


def _kind(dt: Detections) -> str:
    return "bbox" if dt.masks is None else "segm"


def hotcoco_evaluator(gt: Truth, dt: Detections):
    """hotcoco's evaluator of columns; it has diagnoses besides. Needs hotcoco to be installed."""
    frame = _frame(gt)
    objects = hotcoco.COCO.from_arrays(frame["images"], frame["categories"], gt.image, gt.category, gt.boxes,
                                       ids=np.arange(1, len(gt.image) + 1), area=_area(gt),
                                       iscrowd=gt.crowd.astype(np.int64), segmentation=gt.masks)
    rows = np.column_stack([dt.image, dt.boxes, dt.scores, dt.category])
    detected = objects.load_res(rows, segmentation=dt.masks)
    if dt.masks is not None:
        detected.update_anns(ids=np.arange(1, len(rows) + 1), area=dt.area)
    return hotcoco.COCOeval(objects, detected, _kind(dt))


def _pycocotools(gt: Truth, dt: Detections) -> COCOeval:
    frame = _frame(gt)
    with contextlib.redirect_stdout(io.StringIO()):
        objects = _coco(frame, gt, {"iscrowd": gt.crowd.astype(int), "area": _area(gt)})
        detected = _coco(frame, dt, {"iscrowd": np.zeros(len(dt.scores), int), "area": dt.area,
                                     "score": dt.scores})
        return COCOeval(objects, detected, _kind(dt))


def _coco(frame: dict, columns: Truth | Detections, more: dict[str, np.ndarray]) -> COCO:
    """pycocotools' object of columns, and of `more` of them by their names in COCO's records."""
    by_key = {"id": np.arange(1, len(columns.image) + 1),  # from 1: pycocotools reads id 0 as "no match"
              "image_id": columns.image, "category_id": columns.category, "bbox": columns.boxes, **more}
    rows = zip(*[column.tolist() for column in by_key.values()])
    annotations = [dict(zip(by_key, row)) for row in rows]
    if columns.masks is not None:
        for annotation, mask in zip(annotations, columns.masks):
            annotation["segmentation"] = mask
    coco = COCO()
    coco.dataset = {**frame, "annotations": annotations}
    coco.createIndex()
    return coco
