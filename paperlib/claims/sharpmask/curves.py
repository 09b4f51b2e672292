"""Claims of SharpMask on curves: recall over the refinement's width and work, along outlines, over trunks.

Rows "a: k 8" have eight channels in every module, rows "b: k 8" halve them from one module to the next.
"""
import math
from collections.abc import Sequence
from statistics import fmean

import numpy as np

from paperlib.claims.by_seed import difference_by_seed
from paperlib.claims.comparisons import Comparison, Outcome, above, below
from paperlib.claims.rows import LEAST_SHARE
from paperlib.intervals import Difference
from paperlib.tables import row_jobs
from paperlib.training.recipes import Budget, system_config

TABLE, AUC, DETECTION = "sharpmask/3", "seg AUC", "sharpmask/4"
WIDTHS = (1, 2, 4, 8, 16, 32)
CHOSEN = "SharpMask"  # schedule b, k = 32
TOO_FEW = (1, 2)  # channels
TRUNKS = ("DeepMask", "W160-P4-D8-VGG", "W160-P4-D39", "W160-P4-D39-F128", "W112-P4-D39", "W112-P3-D21",
          "W112-P3-D21-F128")
BAND = 1  # px of our images on both sides of an outline: 4 of a photograph of 512 px
SIDE = 128  # px of an image
DRAWS = 10_000  # of the bootstrap


def row_of(schedule: str, k: int) -> str:
    """The row of Table 3.3 with this refinement."""
    if (schedule, k) == ("b", WIDTHS[-1]):
        return CHOSEN
    return f"{schedule}: k {k}"


def work_of(row: str, plan: Budget) -> int:
    """Multiply-adds of refining a row's 500 windows, what they share of an image of 128 px included."""
    from paperlib.claims.sharpmask.computed import refining_work  # here: it imports torch

    (job,) = row_jobs.jobs_of(TABLE, plan, [row], seeds=1)
    return refining_work(system_config(job.system, job.recipe, 1, job.changes), SIDE)


def _rises(claim: dict, trained) -> Outcome:
    """What every doubling of k adds, in both schedules."""
    parts = []
    for schedule in "ab":
        for k in WIDTHS[:-1]:
            wide = trained.points(TABLE, row_of(schedule, 2 * k), AUC)
            gain = difference_by_seed(wide, trained.points(TABLE, row_of(schedule, k), AUC))
            parts.append(above(gain, f"segment AUC of schedule {schedule}, k {2 * k} minus k {k}"))
    return Outcome(parts)


def _few_channels_fail(claim: dict, trained) -> Outcome:
    """Half of what the widest reaches, less what one and two channels do."""
    parts, widest = [], trained.points(TABLE, row_of("a", WIDTHS[-1]), AUC)
    half = {seed: points / 2 for seed, points in widest.items()}
    for k in TOO_FEW:
        lack = difference_by_seed(half, trained.points(TABLE, row_of("a", k), AUC))
        words = f"half of the segment AUC of schedule a with k {WIDTHS[-1]}, minus that of k {k}"
        parts.append(above(lack, words))
    return Outcome(parts)


def _best_for_its_work(claim: dict, trained) -> Outcome:
    """The chosen row is ahead of every row of no more work, and of schedule a at the same work."""
    chosen, most = trained.points(TABLE, CHOSEN, AUC), work_of(CHOSEN, trained.plan)
    parts = []
    for schedule in "ab":
        for k in WIDTHS:
            row = row_of(schedule, k)
            if row != CHOSEN and work_of(row, trained.plan) <= most:
                gain = difference_by_seed(chosen, trained.points(TABLE, row, AUC))
                parts.append(above(gain, f"segment AUC of schedule b with k {WIDTHS[-1]} minus {row}"))
    between = _at_work(most, trained)
    words = f"segment AUC of schedule b with k {WIDTHS[-1]} minus schedule a at as much work"
    return Outcome([*parts, above(difference_by_seed(chosen, between), words)],
                   f"Work: {most / 1e6:.0f} million multiply-adds for 500 windows.")


def _at_work(work: int, trained) -> dict[int, float]:
    """Schedule a's AUC at this much work, by seed: a line between its two rows around it, over log work."""
    spent = [math.log(work_of(row_of("a", k), trained.plan)) for k in WIDTHS]
    upper = min(max(int(np.searchsorted(spent, math.log(work))), 1), len(WIDTHS) - 1)
    share = (math.log(work) - spent[upper - 1]) / (spent[upper] - spent[upper - 1])
    low, high = [trained.points(TABLE, row_of("a", k), AUC) for k in WIDTHS[upper - 1:upper + 1]]
    between = {}
    for seed in low.keys() & high.keys():
        between[seed] = low[seed] + share * (high[seed] - low[seed])
    return between


def _along_outlines(claim: dict, trained) -> Outcome:
    """What refinement gains of IoU near the outlines, less what it gains of the whole masks' IoU."""
    gains = []
    for metric in (f"band IoU {BAND}", "best IoU"):
        refined = trained.points(TABLE, CHOSEN, metric)
        gains.append(difference_by_seed(refined, trained.points(TABLE, "DeepMask-ours", metric)))
    words = f"gain of IoU within {BAND} px of the outlines, minus gain of the whole masks' IoU"
    return Outcome([above(gains[0], f"gain of IoU within {BAND} px of the outlines"),
                    above(difference_by_seed(*gains), words)])


def _saturates(claim: dict, trained) -> Outcome:
    """What a detector gains from a list of 1000 over one of 500, in percent."""
    long = trained.points(DETECTION, "SharpMask + VGG", "AP")
    short = trained.points(DETECTION, "SharpMask, 500 proposals", "AP")
    percent = {}
    for seed, gain in difference_by_seed(long, short).items():
        if short[seed] > 0:
            percent[seed] = 100 * gain / short[seed]
    words = "AP of 1000 proposals over that of the best 500, in percent of the latter"
    return Outcome([below(percent, words, 100 * LEAST_SHARE)])


def _bound_tells(claim: dict, trained) -> Outcome | None:
    """Rank correlation over the trunks of Table 3.1, with a bootstrap over them."""
    bounds, recalls = [], []
    for row in TRUNKS:
        bound = trained.points("sharpmask/1", row, "bound AR")
        recall = trained.points("sharpmask/1", row, "seg AR100")
        if not bound or not recall:
            return None
        bounds.append(fmean(bound.values()))
        recalls.append(fmean(recall.values()))
    return Outcome([_correlation(bounds, recalls)])


def _correlation(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Spearman's, times 100, above 0; p from draws of the units, those without a rank order left out."""
    from scipy import stats  # here: it takes a second to import

    n, columns, drawn = len(first), np.array([first, second]), []
    for places in np.random.default_rng(0).integers(n, size=(DRAWS, n)):
        some = columns[:, places]
        if (np.ptp(some, axis=1) > 0).all():
            drawn.append(stats.spearmanr(*some).statistic)
    whole, drawn = float(stats.spearmanr(*columns).statistic), np.array(drawn)
    sides = [min(1.0, 2 * float((drawn <= 0).mean())), min(1.0, 2 * float((drawn >= 0).mean()))]
    words = f"times 100, rank correlation over {n} trunks of the recall of all masks and of the best 100"
    return Comparison(words, Difference(100 * whole, -math.inf, math.inf, n), exact=(sides[0], sides[1]))


CURVES = {
    "sharp-capacity-monotone": _rises,
    "sharp-small-k-fails": _few_channels_fail,
    "sharp-schedule-b-tradeoff": _best_for_its_work,
    "sharp-saturates-500": _saturates,
    "sharp-boundaries": _along_outlines,
    "sharp-upper-bound-predicts": _bound_tells,
}
