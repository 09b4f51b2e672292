"""PASCAL VOC's average precision, 2007 and 2010 rules."""
import numpy as np

from paperlib.scoring.checked_arrays import Found, Truth, found, truth


def voc_ap(gt, results: list[dict], year: int = 2010, iou: float = 0.5) -> dict:
    """PASCAL VOC's AP as {"mAP", "per_category": {name: AP}}; `year` 2007: 11 points, 2010: area under the curve.

    Source:  the VOC development kits' rules; used by R-CNN, Fast and Faster R-CNN for every VOC number.
    A detection is compared with the object of its class that it overlaps most; if another one took that object it is a
    false positive. `difficult` objects (and crowds) count neither way. Categories without objects are nan.
    Differs: boxes are continuous here, so widths have no +1; 11-point recall levels are exact tenths.
    """
    if year not in (2007, 2010):
        raise ValueError(f"year is {year}; expected 2007 (11 points) or 2010 (area)")
    columns = truth(gt)
    dt = found(columns, results)
    out = {name: _voc_class(columns, dt, c, year, iou) for c, name in enumerate(columns.names, 1)}
    have = [ap for ap in out.values() if ap == ap]
    return {"mAP": float(np.mean(have)) if have else float("nan"), "per_category": out}


def _voc_class(gt: Truth, dt: Found, category: int, year: int, threshold: float) -> float:
    mine = np.flatnonzero(gt.category == category)
    mine = mine[np.argsort(gt.image[mine], kind="stable")]
    skip = gt.difficult[mine] | gt.crowd[mine]
    if skip.all():
        return float("nan")
    order = np.flatnonzero(dt.category == category)
    order = order[np.argsort(-dt.scores[order], kind="stable")]
    best, overlap = best_overlap(gt.image[mine], gt.boxes[mine], dt.image[order], dt.boxes[order])
    hit = overlap >= threshold
    first = np.zeros(len(order), bool)                           # the highest-scoring detection of each object
    first[np.flatnonzero(hit)[np.unique(best[hit], return_index=True)[1]]] = True
    used = ~(hit & skip[best])
    tp = np.cumsum(first[used])
    recall, precision = tp / (~skip).sum(), tp / np.arange(1, len(tp) + 1)
    if year == 2007:
        return float(np.mean([precision[recall >= t].max(initial=0.0) for t in np.arange(11) / 10]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def best_overlap(gt_image, gt_boxes, dt_image, dt_boxes) -> tuple[np.ndarray, np.ndarray]:
    """For each detection, the object of its image with the greatest IoU, and that IoU (0 and -1 in an image without).

    Shapes: gt_image (G,) sorted, gt_boxes (G, 4), dt_image (D,), dt_boxes (D, 4), boxes xywh px -> (D,), (D,).
    """
    start, stop = np.searchsorted(gt_image, dt_image, "left"), np.searchsorted(gt_image, dt_image, "right")
    best, overlap = np.zeros(len(dt_image), int), np.full(len(dt_image), -1.0)
    for n in range(int((stop - start).max(initial=0))):          # the n-th object of every image at once
        have = np.flatnonzero(start + n < stop)
        value = paired_iou(gt_boxes[start[have] + n], dt_boxes[have])
        better = value > overlap[have]
        best[have[better]], overlap[have[better]] = start[have[better]] + n, value[better]
    return best, overlap


def paired_iou(a: np.ndarray, b: np.ndarray, crowd: np.ndarray | bool = False) -> np.ndarray:
    """IoU of box a[i] with box b[i], over a's own area where b is a crowd; (N, 4), (N, 4) -> (N,), xywh px."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    both, area = (high - low).clip(0).prod(1), a[:, 2:].prod(1)
    union = np.where(crowd, area, area + b[:, 2:].prod(1) - both)
    return both / np.maximum(union, np.finfo(float).tiny)
