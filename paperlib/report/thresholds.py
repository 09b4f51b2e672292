"""Which score to ask for, and whether scores mean what they say.

Legend: D detections, K classes.
"""
from dataclasses import dataclass

import numpy as np

from paperlib.report.evidence import Evidence

BINS = 10                      # of the reliability diagram
STEPS = np.round(np.arange(0, 1.0001, 0.02), 2)  # scores at which curves of precision and recall are drawn


@dataclass(frozen=True)
class Working:
    """A detector used at one threshold: only detections of this score or more are taken."""

    threshold: float
    f1: float                  # harmonic mean of the two that follow; nan without an object
    precision: float           # share of the detections taken that are right; nan for none taken
    recall: float              # share of the objects that are found


NOWHERE = Working(np.nan, np.nan, np.nan, np.nan)


def best_threshold(scores: np.ndarray, hit: np.ndarray, objects: int) -> Working:
    """The threshold of the greatest F1; the higher one of equals. Shapes: scores (D,), hit (D,) bool."""
    if not objects:
        return NOWHERE
    if not hit.any():
        return Working(np.nan, 0.0, np.nan, 0.0)
    order = np.argsort(-scores, kind="stable")
    ranked, right = scores[order], np.cumsum(hit[order])
    last_of_equals = np.append(ranked[1:] < ranked[:-1], True)  # a threshold takes all of one score
    taken = np.arange(1, len(ranked) + 1)
    f1 = np.where(last_of_equals, 2 * right / (taken + objects), -1.0)
    at = int(f1.argmax())
    return Working(float(ranked[at]), float(f1[at]), float(right[at] / taken[at]), float(right[at] / objects))


def overall(evidence: Evidence) -> Working:
    """One threshold for all classes: the best F1 of all detections together."""
    counted = evidence.counted
    return best_threshold(evidence.dt.scores[counted], evidence.hit[counted], int(evidence.real.sum()))


def by_class(evidence: Evidence) -> list[Working]:
    """(K) the best threshold of each class."""
    workings = []
    for rank, objects in enumerate(evidence.objects_of_class().tolist(), 1):
        chosen = evidence.counted & (evidence.dt.category == rank)
        workings.append(best_threshold(evidence.dt.scores[chosen], evidence.hit[chosen], objects))
    return workings


def working_curve(evidence: Evidence) -> dict[str, np.ndarray]:
    """{"threshold", "precision", "recall", "f1"}, each of the length of STEPS, over all classes together."""
    scores = evidence.dt.scores[evidence.counted]
    hit, objects = evidence.hit[evidence.counted], int(evidence.real.sum())
    order = np.argsort(scores, kind="stable")
    below = np.searchsorted(scores[order], STEPS, "left")        # detections under each threshold
    right_from = np.append(np.cumsum(hit[order][::-1])[::-1], 0)
    right, taken = right_from[below], len(scores) - below
    precision = np.full(len(STEPS), np.nan)
    np.divide(right, taken, out=precision, where=taken > 0)
    return {"threshold": STEPS, "precision": precision, "recall": right / objects,
            "f1": 2 * right / (taken + objects)}


@dataclass(frozen=True)
class Reliability:
    """How often detections of about one score are right. Shapes: (BINS,), nan in a bin without detections."""

    score: np.ndarray          # mean score of a bin
    right: np.ndarray          # share of its detections that found an object
    count: np.ndarray
    error: float               # expected calibration error: mean |right - score|, by the number of detections


def reliability(evidence: Evidence) -> Reliability:
    """Scores against what they promise, in BINS of equal width (Guo et al. 2017, Sec. 2, for detections)."""
    scores = evidence.dt.scores[evidence.counted]
    hit = evidence.hit[evidence.counted]
    place = np.clip((scores * BINS).astype(int), 0, BINS - 1)
    count = np.bincount(place, minlength=BINS)
    mean, right = np.full(BINS, np.nan), np.full(BINS, np.nan)
    np.divide(np.bincount(place, scores, BINS), count, out=mean, where=count > 0)
    np.divide(np.bincount(place, hit, BINS), count, out=right, where=count > 0)
    error = float(np.nansum(np.abs(right - mean) * count) / max(1, count.sum()))
    return Reliability(mean, right, count, error)
