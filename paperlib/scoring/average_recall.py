"""Class-agnostic recall of proposals: over IoU, over their number, by the size of objects."""
from dataclasses import replace

import numpy as np

from paperlib.data.detection_set import DetectionSet
from paperlib.data.record_checks.values import AREA_BOUNDS, area_bounds, area_ranges
from paperlib.scoring.checked_arrays import Detections, Truth, detections, truth
from paperlib.scoring.coco_curves import curves
from paperlib.scoring.image_draws import DRAWS, drawn, image_draws, keep_draw

SHORT = {"small": "s", "medium": "m", "large": "l"}
AUC_COUNTS = 31                                  # knots of the recall curve over log proposals
AT_ONCE = 100                                    # images that are matched one by one in one call


def areas_of(gt) -> dict[str, tuple[float, float]]:
    """The area ranges of a ground truth, px^2: the set's own (info["area_bounds"]) if it has any, or COCO's.

    Errors: ValueError for bounds that are no two sides.
    """
    if isinstance(gt, DetectionSet):
        return gt.area_ranges
    bounds, wrong = area_bounds(gt) if isinstance(gt, dict) else (AREA_BOUNDS, None)
    if wrong:
        raise ValueError(f"info: found {wrong[0]}; expected {wrong[1]}")
    return area_ranges(bounds)


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
    limits = _limits(k)
    _, recall = curves(columns, dt, limits, ranges, recalls=[0.0], classes=False, engine=engine)
    return _named(np.where(recall[:, 0] > -1, recall[:, 0], np.nan).mean(0), sizes, k)


def recall_on_draws(columns: Truth, dt: Detections, area_ranges: dict, k=(10, 100, 1000),
                    draws: int = DRAWS) -> dict[str, list[float | None]]:
    """{metric: its value on each draw of the images} of `recall_numbers`, as `scores_on_draws` gives them.

    What is found in an image does not hang on the other images, so each is matched once, not once a draw.
    """
    sizes, ranges = by_size(area_ranges)
    found, there = _by_image(columns, dt, ranges, _limits(k))
    values: dict[str, list] = {}
    for ranks in image_draws(len(there), draws):
        times = np.bincount(ranks - 1, minlength=len(there))
        with np.errstate(invalid="ignore"):                      # 0 / 0 where nothing is to be found
            recall = np.tensordot(times, found, (0, 1)) / (times @ there)[:, None]
        keep_draw(values, _named(recall.mean(0), sizes, k))
    return values


def _by_image(
    columns: Truth, dt: Detections, ranges: list, limits: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Objects that each image's best proposals find (T, I, A, M), and how many it has (I, A).

    Each image is made a category of its own, so that the engine counts image by image. It looks at every
    category in every image: hence some images at a time.
    """
    recalls, counts, num_images = [], [], len(columns.sizes)
    for first in range(0, num_images, AT_ONCE):
        few, found = drawn(columns, dt, np.arange(first, min(first + AT_ONCE, num_images)) + 1)
        few = replace(few, category=few.image, categories=few.images)
        recalls.append(curves(few, replace(found, category=found.image), limits, ranges, recalls=[0.0])[1])
        counts.append(_objects(few, ranges))
    there = np.concatenate(counts)
    return np.maximum(np.concatenate(recalls, 1), 0) * there[None, :, :, None], there


def _objects(columns: Truth, ranges: list) -> np.ndarray:
    """How many objects count in each image and area range: (I, A)."""
    counts = []
    for low, high in ranges:
        inside = ~columns.crowd & ~columns.difficult & (columns.area >= low) & (columns.area <= high)
        counts.append(np.bincount(columns.image[inside] - 1, minlength=len(columns.sizes)))
    return np.stack(counts, 1)


def _limits(k) -> list[int]:
    """The counts of proposals at which recall is asked for, and those between which AUC is straight."""
    return sorted({*k, *_knots(k).tolist()})


def _knots(k) -> np.ndarray:
    return np.unique(np.geomspace(1, max(k), AUC_COUNTS).round().astype(int))


def _named(recall: np.ndarray, sizes: list[str], k) -> dict[str, float]:
    """The numbers of a recall (A, M) at `_limits(k)`, mean over IoU."""
    asked, counts, limits = sorted(k), _knots(k), _limits(k)
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
