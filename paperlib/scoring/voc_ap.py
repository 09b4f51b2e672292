"""PASCAL VOC's average precision, 2007 and 2010 rules."""
import numpy as np

from paperlib.scoring.checked_arrays import Detections, Truth, detections, truth


def voc_ap(gt, results: list[dict], year: int = 2010, iou: float = 0.5) -> dict:
    """PASCAL VOC's AP as {"mAP", "per_category": {name: AP}}.

    `year` 2007: mean over 11 points of the curve; 2010: area under it.
    Source:  the VOC development kits' rules; used by R-CNN, Fast and Faster R-CNN for every VOC number.
    A detection is compared with the object of its class that it overlaps most; if another one took that
    object it is a false positive. `difficult` objects (and crowds) count neither way.
    Categories without objects are nan.
    Differs: boxes are continuous here, so widths have no +1; 11-point recall levels are exact tenths.
    """
    if year not in (2007, 2010):
        raise ValueError(f"year is {year}; expected 2007 (11 points) or 2010 (area)")
    columns = truth(gt)
    return numbers(columns, detections(columns, results), year, iou)


def numbers(columns: Truth, dt: Detections, year: int = 2010, iou: float = 0.5) -> dict:
    """`voc_ap` of columns that were checked before."""
    by_name = {}
    for category, name in enumerate(columns.names, 1):
        by_name[name] = _voc_class(columns, dt, category, year, iou)
    values = np.array(list(by_name.values()))
    values = values[~np.isnan(values)]
    mean = float(values.mean()) if len(values) else float("nan")
    return {"mAP": mean, "per_category": by_name}


def _voc_class(gt: Truth, dt: Detections, category: int, year: int, threshold: float) -> float:
    objects = np.flatnonzero(gt.category == category)
    objects = objects[np.argsort(gt.image[objects], kind="stable")]
    skip = gt.difficult[objects] | gt.crowd[objects]
    if skip.all():
        return float("nan")
    order = np.flatnonzero(dt.category == category)
    order = order[np.argsort(-dt.scores[order], kind="stable")]
    best, overlap = best_overlap(gt.image[objects], gt.boxes[objects], dt.image[order], dt.boxes[order])
    hit = overlap >= threshold
    used = ~(hit & skip[best])
    tp = np.cumsum(first_hits(best, hit)[used])
    recall, precision = tp / (~skip).sum(), tp / np.arange(1, len(tp) + 1)
    if year == 2007:
        return float(np.mean([precision[recall >= t].max(initial=0.0) for t in np.arange(11) / 10]))
    return area_under(recall, precision)


def first_hits(best: np.ndarray, hit: np.ndarray) -> np.ndarray:
    """Which detections, best first, are the first to hit their object: (D,), (D,) bool -> (D,) bool."""
    first = np.zeros(len(best), bool)
    first[np.flatnonzero(hit)[np.unique(best[hit], return_index=True)[1]]] = True
    return first


def area_under(recall: np.ndarray, precision: np.ndarray) -> float:
    """The area under a curve (D,), (D,) whose precision is made to fall: the best at this recall or more."""
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def best_overlap(gt_image, gt_boxes, dt_image, dt_boxes) -> tuple[np.ndarray, np.ndarray]:
    """For each detection, the object of its image with the greatest IoU, and that IoU.

    0 and -1 in an image without objects.
    Shapes: gt_image (G,) sorted, gt_boxes (G, 4), dt_image (D,), dt_boxes (D, 4) -> (D,), (D,).
    Units:  boxes are xywh px.
    """
    start, stop = np.searchsorted(gt_image, dt_image, "left"), np.searchsorted(gt_image, dt_image, "right")
    best, overlap = np.zeros(len(dt_image), int), np.full(len(dt_image), -1.0)
    for n in range(int((stop - start).max(initial=0))):          # the n-th object of every image at once
        with_nth = np.flatnonzero(start + n < stop)
        value = paired_iou(gt_boxes[start[with_nth] + n], dt_boxes[with_nth])
        better = value > overlap[with_nth]
        improved = with_nth[better]
        best[improved], overlap[improved] = start[improved] + n, value[better]
    return best, overlap


def paired_iou(a: np.ndarray, b: np.ndarray, crowd: np.ndarray | bool = False) -> np.ndarray:
    """IoU of box a[i] with box b[i], over a's own area where b is a crowd: (N, 4), (N, 4) -> (N,), xywh."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    both, area = (high - low).clip(0).prod(1), a[:, 2:].prod(1)
    union = np.where(crowd, area, area + b[:, 2:].prod(1) - both)
    return both / np.maximum(union, np.finfo(float).tiny)
