"""All that the report's page says, gathered from a ground truth and detections; `page.py` writes it down.

Legend: K classes.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paperlib.report import confusion, examples, mending, over_images, thresholds
from paperlib.report.evidence import Evidence, gathered
from paperlib.report.over_images import Measured, Scores
from paperlib.scoring.checked_arrays import as_coco
from paperlib.scoring.coco_curves import IOUS, curves

MOST_CLASSES = 20              # of a confusion matrix that can be read
CURVE_IOUS = (0.5, 0.75, 0.9)  # of the curves of precision over recall


@dataclass(frozen=True)
class ClassLine:
    """One class in the report."""

    name: str
    objects: int
    ap: Measured
    working: thresholds.Working
    curves: list[np.ndarray]   # precision at RECALLS, (101,) for each of CURVE_IOUS
    difference: Measured | None  # AP less that of the results compared with


@dataclass(frozen=True)
class SizeLine:
    """The objects of one range of areas."""

    name: str
    bounds: tuple[float, float]  # px, sides
    objects: int
    ap: Measured
    recall: Measured           # AR100 within the range


@dataclass(frozen=True)
class Facts:
    """The report's content."""

    title: str
    source: str                # what was scored: a results file, or weights
    other: str                 # what it is compared with; "" for nothing
    images: int
    detections: int
    evidence: Evidence
    metrics: dict[str, Measured]
    differences: dict[str, Measured]
    draws: int
    classes: list[ClassLine]   # most objects first; only those that have any
    mean_curves: list[np.ndarray]
    sizes: list[SizeLine]
    mistakes: list[mending.Mistake]
    working: thresholds.Working
    cut: float                 # its threshold in two digits, at which confusions and pictures are counted
    working_curve: dict[str, np.ndarray]
    reliability: thresholds.Reliability
    matrix: np.ndarray | None  # of `matrix_names`; None for more classes than can be read
    matrix_names: list[str]
    mix_ups: list[tuple[str, str, int, float]]
    worst: list[examples.Example]
    best: list[examples.Example]


def report_facts(gt, results: list[dict], title: str, source: str, root: Path | None = None,
                 compared: tuple[str, list[dict]] | None = None, draws: int = over_images.DRAWS) -> Facts:
    """Examine detections (COCO's records) against a ground truth (a DetectionSet or COCO's dictionary).

    `root` is the folder of the pictures (None: the page shows boxes alone); `compared` is the name of another
    detector and its results on the same images.
    Errors: ValueError or KeyError naming the record.
    """
    evidence = gathered(gt, results)
    scores = over_images.scored(evidence, draws)
    of_metrics, of_classes, other = {}, None, ""
    if compared is not None:
        other = compared[0]
        others = over_images.scored(gathered(gt, compared[1]), draws, "intervals of the other")
        of_metrics, of_classes = over_images.differences(scores, others)
    working = thresholds.overall(evidence)
    mean_curves, class_curves = _curves(evidence)
    cut = _two_digits(working.threshold)
    matrix = confusion.confusion(evidence, cut)
    names = evidence.gt.names
    records = sorted(as_coco(gt)["images"], key=lambda image: image["id"])
    counts = examples.by_image(evidence, cut)
    worst, best = examples.worst_and_best(counts)
    return Facts(
        title, source, other, len(evidence.gt.sizes), len(results), evidence, scores.measured(), of_metrics,
        len(scores.class_draws), _class_lines(evidence, scores, class_curves, of_classes), mean_curves,
        _size_lines(evidence, scores), mending.mistakes(evidence), working, cut,
        thresholds.working_curve(evidence), thresholds.reliability(evidence),
        *_readable(matrix, names), confusion.mix_ups(matrix, names),
        examples.examples(evidence, worst, records, root, counts),
        examples.examples(evidence, best, records, root, counts))


def _two_digits(threshold: float) -> float:
    """A threshold rounded down, so that it takes what the exact one takes; 0 where there is none."""
    if np.isnan(threshold):
        return 0.0
    return float(np.floor(100 * threshold + 1e-9) / 100)


def _curves(evidence: Evidence) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Precision at RECALLS for each of CURVE_IOUS: the mean over classes, and of each class."""
    precision, _ = curves(evidence.gt, evidence.dt, (100,))
    precision = precision[[int(np.abs(IOUS - iou).argmin()) for iou in CURVE_IOUS], :, :, 0, 0]
    with_objects = precision[0, 0] > -1
    means = list(precision[:, :, with_objects].mean(2))
    return means, [list(precision[:, :, rank]) for rank in range(len(evidence.gt.names))]


def _class_lines(evidence: Evidence, scores: Scores, class_curves: list[list[np.ndarray]],
                 differences: list[Measured] | None) -> list[ClassLine]:
    """The classes that have objects, those with most first."""
    objects, aps = evidence.objects_of_class(), scores.measured_classes()
    workings = thresholds.by_class(evidence)
    lines = []
    for rank in np.argsort(-objects, kind="stable").tolist():
        if objects[rank]:
            difference = None
            if differences is not None:
                difference = differences[rank]
            lines.append(ClassLine(evidence.gt.names[rank], int(objects[rank]), aps[rank], workings[rank],
                                   class_curves[rank], difference))
    return lines


def _size_lines(evidence: Evidence, scores: Scores) -> list[SizeLine]:
    measured, lines = scores.measured(), []
    area = evidence.gt.area[evidence.real]
    for (name, (low, high)), ending in zip(list(evidence.ranges.items())[1:], "sml"):
        objects = int(((area >= low) & (area <= high)).sum())
        lines.append(SizeLine(name, (low**0.5, high**0.5), objects, measured[f"AP{ending}"],
                              measured[f"AR{ending}"]))
    return lines


def _readable(matrix: np.ndarray, names: Sequence[str]) -> tuple[np.ndarray | None, list[str]]:
    """The matrix without classes that do not occur in it; None if more than MOST_CLASSES do."""
    occurs = (matrix[:-1].sum(1) + matrix[:, :-1].sum(0)) > 0
    if occurs.sum() > MOST_CLASSES:
        return None, []
    kept = np.append(np.flatnonzero(occurs), len(names))
    return matrix[np.ix_(kept, kept)], [names[rank] for rank in kept[:-1].tolist()]


def headline(facts: Facts) -> list[str]:
    """The report in a few sentences."""
    working = facts.working
    if np.isnan(working.threshold):
        return ["Not one detection has found an object."]
    lines = [f"Of the detections of score {facts.cut:.2f} or more {_tenths(working.precision)} are right; "
             f"they find {_tenths(working.recall)} objects."]
    if facts.mistakes and facts.mistakes[0].gain > 0:
        first = facts.mistakes[0]
        lines.append(f"Most would be gained by mending “{first.name.lower()}” ({first.meaning}): "
                     f"+{100 * first.gain:.1f} points of AP50.")
    frequent = [line for line in facts.classes if line.objects >= 5]
    if len(frequent) > 1:
        ranked = sorted(frequent, key=lambda line: line.ap.value)
        lines.append(f"Weakest class: {ranked[0].name} (AP {100 * ranked[0].ap.value:.1f}); strongest: "
                     f"{ranked[-1].name} ({100 * ranked[-1].ap.value:.1f}).")
    return lines


def _tenths(share: float) -> str:
    return f"{round(10 * share)} of 10"
