"""How far a score hangs on which images a set happens to have: the same set, drawn again with replacement.

Source: Efron's bootstrap. Every run on a set of N images sees the same draws, so that two runs can be
        compared draw by draw (data/claims/RULES.md, rule 9).
"""
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from paperlib.scoring.checked_arrays import Detections, Truth

DRAWS = 100
KEPT = ("AP", "AP50", "AP75", "APs", "APm", "APl", "mAP", "AR100", "AR1000", "AR1000s", "AR1000m", "AR1000l",
        "AUC")


def image_draws(num_images: int, draws: int = DRAWS) -> Iterator[np.ndarray]:
    """Ranks (N,), from 1, of the images of each draw; the same whenever a set has as many images."""
    random = np.random.default_rng(num_images)
    for _ in range(draws):
        yield random.integers(1, num_images + 1, num_images)


def drawn(gt: Truth, dt: Detections, ranks: np.ndarray) -> tuple[Truth, Detections]:
    """The columns of one draw; an image that is drawn twice counts as two images."""
    objects, image = _rows(gt.image, ranks)
    sizes = [gt.sizes[rank - 1] for rank in ranks]
    ids = {number: number for number in range(1, len(ranks) + 1)}
    truth = replace(gt, images=ids, sizes=sizes, image=image, category=gt.category[objects],
                    boxes=gt.boxes[objects], area=gt.area[objects], crowd=gt.crowd[objects],
                    difficult=gt.difficult[objects], masks=_chosen(gt.masks, objects))
    rows, image = _rows(dt.image, ranks)
    return truth, Detections(image, dt.category[rows], dt.boxes[rows], dt.scores[rows], dt.area[rows],
                             _chosen(dt.masks, rows))


def _rows(image: np.ndarray, ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which rows (R,) the drawn images have, and each one's new image, from 1."""
    order = np.argsort(image, kind="stable")
    start = np.searchsorted(image[order], ranks, "left")
    length = np.searchsorted(image[order], ranks, "right") - start
    before = np.repeat(np.cumsum(length) - length, length)       # rows of the images before
    within = np.arange(length.sum()) - before
    return order[np.repeat(start, length) + within], np.repeat(np.arange(1, len(ranks) + 1), length)


def _chosen(masks: list | None, rows: np.ndarray) -> list | None:
    if masks is None:
        return None
    return [masks[row] for row in rows]


def scores_on_draws(score: Callable[[Truth, Detections], dict], gt: Truth, dt: Detections,
                    draws: int = DRAWS) -> dict[str, list[float]]:
    """{metric: its value in each draw} of the metrics KEPT, to four digits; nan becomes None."""
    values: dict[str, list] = {}
    for ranks in image_draws(len(gt.sizes), draws):
        keep_draw(values, score(*drawn(gt, dt, ranks)))
    return values


def keep_draw(values: dict[str, list], metrics: dict[str, float]) -> None:
    """Put the metrics KEPT of one more draw at the end of `values`, to four digits; nan becomes None."""
    for name in KEPT:
        if name in metrics:
            values.setdefault(name, []).append(_short(metrics[name]))


def _short(value: float) -> float | None:
    if np.isnan(value):
        return None
    return round(value, 4)
