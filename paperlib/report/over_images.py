"""Numbers with intervals: how far each would move with other images of the same kind.

Source: Efron's bootstrap over images, percentiles, as `scoring.image_draws` draws them: any two results on
        one set see the same draws, so that their difference has an interval of its own.

Legend: B draws, K classes.
"""
from dataclasses import dataclass

import numpy as np

from paperlib.progress import progress
from paperlib.report.evidence import Evidence
from paperlib.scoring.checked_arrays import Detections, Truth
from paperlib.scoring.coco_metrics import numbers
from paperlib.scoring.image_draws import drawn, image_draws

DRAWS = 200
LEVEL = 0.95
FEWEST = 5                     # images under which an interval over images says nothing


@dataclass(frozen=True)
class Measured:
    """A number with its interval over images; nan where there is nothing to measure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Scores:
    """COCO's twelve numbers and each class's AP, on the set and on B draws of its images."""

    metrics: dict[str, float]
    per_class: np.ndarray      # (K,)
    metric_draws: dict[str, np.ndarray]  # (B,) each
    class_draws: np.ndarray    # (B, K)
    class_images: np.ndarray   # (K,) images that have an object of the class

    def measured(self) -> dict[str, Measured]:
        """The twelve numbers with their intervals."""
        return {name: interval(value, self.metric_draws[name]) for name, value in self.metrics.items()}

    def measured_classes(self) -> list[Measured]:
        """AP of each class with its interval."""
        return self.intervals(self.per_class, self.class_draws)

    def intervals(self, values: np.ndarray, draws: np.ndarray) -> list[Measured]:
        """Values of the classes (K,) with the intervals of their draws (B, K).

        None for a class that fewer than FEWEST images have: too few to draw from.
        """
        measured = []
        for value, of_class, images in zip(values.tolist(), draws.T, self.class_images.tolist()):
            if images < FEWEST:
                of_class = of_class[:0]
            measured.append(interval(value, of_class))
        return measured


def scored(evidence: Evidence, draws: int = DRAWS, title: str = "") -> Scores:
    """Score the set and `draws` draws of its images (none if it has fewer than FEWEST)."""
    gt, dt = evidence.gt, evidence.dt
    metrics, per_class = _numbers(evidence, gt, dt)
    if len(gt.sizes) < FEWEST:
        draws = 0
    rows, class_rows = [], []
    for ranks in progress(image_draws(len(gt.sizes), draws), total=draws, desc=title or "intervals"):
        on_draw, classes_on_draw = _numbers(evidence, *drawn(gt, dt, ranks))
        rows.append([on_draw[name] for name in metrics])
        class_rows.append(classes_on_draw)
    columns = np.array(rows).reshape(draws, len(metrics)).T
    return Scores(metrics, per_class, dict(zip(metrics, columns)),
                  np.array(class_rows).reshape(draws, len(per_class)), _images_of_class(evidence))


def _images_of_class(evidence: Evidence) -> np.ndarray:
    """(K,) how many images have an object of each class."""
    gt, real = evidence.gt, evidence.real
    together = np.unique(np.stack([gt.category[real], gt.image[real]]), axis=1)
    return np.bincount(together[0] - 1, minlength=len(gt.names))


def _numbers(evidence: Evidence, gt: Truth, dt: Detections) -> tuple[dict[str, float], np.ndarray]:
    """The twelve numbers, and AP by class (K,)."""
    metrics = numbers(gt, dt, evidence.ranges, per_category=True)
    by_class = metrics.pop("per_category")
    return metrics, np.array(list(by_class.values()), float)


def interval(value: float, draws: np.ndarray) -> Measured:
    """A value with the interval of its draws (B,), of which those without anything to find are left out."""
    draws = draws[~np.isnan(draws)]
    if not len(draws) or np.isnan(value):
        return Measured(float(value), np.nan, np.nan)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Measured(float(value), float(low), float(high))


def differences(ours: Scores, others: Scores) -> tuple[dict[str, Measured], list[Measured]]:
    """ours - others, draw by draw: of the twelve numbers, and of each class's AP."""
    of_metrics = {}
    for name, value in ours.metrics.items():
        draws = ours.metric_draws[name] - others.metric_draws[name]
        of_metrics[name] = interval(value - others.metrics[name], draws)
    of_classes = ours.intervals(ours.per_class - others.per_class, ours.class_draws - others.class_draws)
    return of_metrics, of_classes
