"""Class-agnostic recall of proposals: over IoU, over their number, by the size of objects."""
import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.data.record_checks.values import AREA_BOUNDS, area_bounds
from paperlib.scoring.checked_arrays import Detections, Truth, detections, truth
from paperlib.scoring.coco_curves import curves

SHORT = {"small": "s", "medium": "m", "large": "l"}
AUC_COUNTS = 31                                  # knots of the recall curve over log proposals


def areas_of(gt) -> dict[str, tuple[float, float]]:
    """The area ranges of a ground truth, px^2: the set's own (info["area_bounds"]) if it has any, or COCO's.

    Errors: ValueError for bounds that are no two sides.
    """
    if isinstance(gt, DetectionSet):
        return gt.area_ranges
    bounds, wrong = area_bounds(gt) if isinstance(gt, dict) else (AREA_BOUNDS, None)
    if wrong:
        raise ValueError(f"info: found {wrong[0]}; expected {wrong[1]}")
    small, large = (float(b) ** 2 for b in bounds)
    return {"all": (0.0, 1e10), "small": (0.0, small), "medium": (small, large), "large": (large, 1e10)}


def by_size(ranges: dict[str, tuple[float, float]]) -> tuple[list[str], list[tuple[float, float]]]:
    """How the names of numbers end for each area range, and the ranges: first "all", whose ending is ""."""
    endings, in_order = [""], [ranges["all"]]
    for label, bounds in ranges.items():
        if label != "all":
            endings.append(SHORT.get(label, label))
            in_order.append(bounds)
    return endings, in_order


def average_recall(gt, results: list[dict], k=(10, 100, 1000), kind: str = "bbox",
                   area_ranges: dict | None = None, engine: str | None = None) -> dict:
    """Class-agnostic recall of proposals: AR{k} for each k, ARs ARm ARl at the largest k, AUC AUCs AUCm AUCl.

    Source:  Lin's thesis, Sec. 3.5 (AR over IoU .5 to .95 at a count of proposals), Table 3.3 (AUC, by size).
    AUC is the mean of AR over log(number of proposals) from 1 to max(k), trapezoids between 31 counts.
    Records need no category_id; AR by size is also given at every k as AR{k}s, AR{k}m, AR{k}l.
    Differs: the thesis does not name the axis of AUC; a logarithmic one agrees with its AR10/100/1K columns.
    """
    columns = truth(gt, kind)
    dt = detections(columns, results, kind, classes=False)
    return recall_numbers(columns, dt, area_ranges or areas_of(gt), k, engine)


def recall_numbers(columns: Truth, dt: Detections, area_ranges: dict, k=(10, 100, 1000),
                   engine: str | None = None) -> dict:
    """`average_recall` of columns that were checked before."""
    sizes, ranges = by_size(area_ranges)
    asked = sorted(k)
    counts = np.unique(np.geomspace(1, asked[-1], AUC_COUNTS).round().astype(int))
    limits = sorted({*asked, *counts.tolist()})
    _, recall = curves(columns, dt, limits, ranges, recalls=[0.0], classes=False, engine=engine)
    recall = np.where(recall[:, 0] > -1, recall[:, 0], np.nan).mean(0)       # (A, M)
    at_asked = recall[:, np.searchsorted(limits, asked)]
    areas_under = _area_under(recall[:, np.searchsorted(limits, counts)], counts)
    metrics = {}
    for a, size in enumerate(sizes):
        for n, value in zip(asked, at_asked[a].tolist()):
            metrics[f"AR{n}{size}"] = value
        metrics[f"AUC{size}"] = float(areas_under[a])
        if size:
            metrics[f"AR{size}"] = float(recall[a, -1])
    return metrics


def _area_under(curve: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The mean of each row over log(count), straight between counts: (A, counts), (counts,) -> (A,)."""
    axis = np.log(counts)
    if len(axis) == 1:
        return curve[:, 0]
    return ((curve[:, 1:] + curve[:, :-1]) / 2 * np.diff(axis)).sum(1) / axis[-1]
