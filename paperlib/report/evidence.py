"""What a report rests on: objects and detections as columns, and which found which at IoU .5.

Legend: G objects, D detections, K classes, N images.
"""
from dataclasses import dataclass, replace

import numpy as np

from paperlib.scoring.average_recall import areas_of
from paperlib.scoring.checked_arrays import Detections, Truth, detections, truth
from paperlib.scoring.error_types import kinds_of

IOU = 0.5                      # overlap from which a detection has found an object


@dataclass(frozen=True)
class Evidence:
    """Objects, detections, matches. Detections on crowds or `difficult` objects count neither way."""

    gt: Truth
    dt: Detections
    ranges: dict[str, tuple[float, float]]  # px^2, small, medium, large
    hit: np.ndarray            # (D,) bool, found an object of its class: COCO's rule, at IoU .5
    ignored: np.ndarray        # (D,) bool, counts neither way
    object_of: np.ndarray      # (D,) the object that a hit has found; -1 for the others
    real: np.ndarray           # (G,) bool, neither a crowd nor difficult: an object to be found

    @property
    def counted(self) -> np.ndarray:
        """(D,) bool, the detections that count."""
        return ~self.ignored

    def objects_of_class(self) -> np.ndarray:
        """(K,) how many objects of each class are to be found."""
        return np.bincount(self.gt.category[self.real] - 1, minlength=len(self.gt.names))

    def score_of_object(self) -> np.ndarray:
        """(G,) the score of the detection that found each object; -1 for one that none found."""
        scores = np.full(len(self.gt.image), -1.0)
        scores[self.object_of[self.hit]] = self.dt.scores[self.hit]
        return scores


def gathered(gt, results: list[dict]) -> Evidence:
    """The evidence of a ground truth (a DetectionSet or COCO's dictionary) and COCO's result records.

    Results of categories that the ground truth lacks do not count; a warning says how many.
    Errors: ValueError or KeyError naming the record; ValueError if there is no object to be found.
    """
    columns = truth(gt)
    dt = detections(columns, results, strangers=True)
    real = ~(columns.crowd | columns.difficult)
    if not real.any():
        raise ValueError(f"no object to be found in {len(columns.sizes)} images: nothing to report")
    kinds, objects = kinds_of(columns, dt, IOU)
    hit = kinds == "Cor"
    return Evidence(columns, dt, areas_of(gt), hit, kinds == "Ign", np.where(hit, objects, -1), real)


def cleaned(evidence: Evidence) -> tuple[Truth, Detections]:
    """The columns without crowds and difficult objects, and without detections on them.

    Greedy matching takes real objects first, so that no other match changes.
    """
    gt, dt, real, counted = evidence.gt, evidence.dt, evidence.real, evidence.counted
    objects = replace(gt, image=gt.image[real], category=gt.category[real], boxes=gt.boxes[real],
                      area=gt.area[real], crowd=gt.crowd[real], difficult=gt.difficult[real], masks=None)
    return objects, Detections(dt.image[counted], dt.category[counted], dt.boxes[counted],
                               dt.scores[counted], dt.area[counted], None)
