"""How a detector's AP depends on what an object is like: its size, its shape, whether it is cut or hidden.

Legend: G objects, D detections of one class.
"""
from collections.abc import Callable

import numpy as np

from paperlib.scoring.checked_arrays import as_coco, detections, truth
from paperlib.scoring.voc_ap import area_under, best_overlap, first_hits

SHARES = (0.1, 0.3, 0.7, 0.9)  # of a class's objects below the bounds of five groups (Hoiem et al.)
GROUPS = ("extra small", "small", "medium", "large", "extra large")


def size(boxes: np.ndarray, records: list[dict]) -> np.ndarray:
    """(G,) area in px^2 of boxes (G, 4) xywh."""
    return boxes[:, 2] * boxes[:, 3]


def aspect(boxes: np.ndarray, records: list[dict]) -> np.ndarray:
    """(G,) width over height: from "extra small", tall, to "extra large", wide."""
    return boxes[:, 2] / np.maximum(boxes[:, 3], 1e-9)


def truncated(boxes: np.ndarray, records: list[dict]) -> np.ndarray:
    """(G,) 1 where the image cuts an object, as its record says, else 0."""
    return np.array([float(record.get("truncated", 0)) for record in records])


def occluded(boxes: np.ndarray, records: list[dict]) -> np.ndarray:
    """(G,) 1 where something hides part of an object, as its record says, else 0."""
    return np.array([float(record.get("occluded", 0)) for record in records])


CHARACTERISTICS = {"size": size, "aspect": aspect, "occluded": occluded, "truncated": truncated}


def sensitivity(gt, results: list[dict], measure: Callable = size, iou: float = 0.5) -> dict[str, float]:
    """Normalised AP of each group of objects, mean over classes: {"extra small": ..., ...}, or {"0", "1"}.

    Source: Hoiem et al.'s analysis as used in R-CNN, Sec. 3.4 and Fig. 6: objects of other groups count
            neither way; precision is what it would be if every group had the class's mean number of objects.
    Groups are a class's smallest tenth, next fifth, middle, next fifth and largest tenth by `measure`; of a
    measure of two values, each value. A group without objects is left out.
    """
    columns = truth(gt)
    detected = detections(columns, results)
    values = measure(columns.boxes, as_coco(gt)["annotations"])
    real = ~(columns.difficult | columns.crowd)
    scores: dict[str, list[float]] = {}
    kinds = np.unique(columns.category[real])
    usual = real.sum() / max(len(kinds), 1)  # objects of a class
    for category in kinds:
        at = np.flatnonzero(columns.category == category)
        at = at[np.argsort(columns.image[at], kind="stable")]
        groups = _groups(values[at], real[at])
        order = np.flatnonzero(detected.category == category)
        order = order[np.argsort(-detected.scores[order], kind="stable")]
        best, overlap = best_overlap(columns.image[at], columns.boxes[at],
                                     detected.image[order], detected.boxes[order])
        for name, inside in groups.items():
            ap = _normalised_ap(best, overlap >= iou, inside, usual)
            scores.setdefault(name, []).append(ap)
    return {name: float(np.mean(each)) for name, each in sorted(scores.items(), key=_rank)}


def _rank(item: tuple[str, list[float]]) -> int:
    return GROUPS.index(item[0]) if item[0] in GROUPS else int(item[0])


def _groups(values: np.ndarray, real: np.ndarray) -> dict[str, np.ndarray]:
    """{name: which objects (G,)} of one class; empty groups are left out."""
    if set(values.tolist()) <= {0.0, 1.0}:
        named = {str(int(value)): real & (values == value) for value in (0, 1)}
    else:
        bounds = np.quantile(values[real], SHARES)
        place = np.searchsorted(bounds, values, "right")
        named = {name: real & (place == number) for number, name in enumerate(GROUPS)}
    return {name: inside for name, inside in named.items() if inside.any()}


def _normalised_ap(best: np.ndarray, hit: np.ndarray, inside: np.ndarray, usual: float) -> float:
    """AP over the objects `inside` (G,), of detections, best first: their nearest objects, and which hit."""
    in_group = np.zeros(len(best), bool)
    in_group[hit] = inside[best[hit]]
    counted = ~hit | in_group  # what hits another group's object counts neither way
    is_right = (first_hits(best, hit) & in_group)[counted]
    right, wrong = np.cumsum(is_right), np.cumsum(~is_right)
    recall = right / inside.sum()
    precision = recall * usual / np.maximum(recall * usual + wrong, 1e-9)
    return area_under(recall, precision)
