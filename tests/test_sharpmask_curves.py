"""Judges of SharpMask's curves: what each compares, from invented runs of which the answer is known."""
import pytest

from paperlib.claims.joining import joined
from paperlib.claims.sharpmask import curves
from paperlib.claims.sharpmask.computed import refining_work
from paperlib.papers.register import claims
from paperlib.systems.presets.sharpmask import scale
from paperlib.tables import row_jobs
from paperlib.training.recipes import budget

PLAN = budget("scale")
BY_ID = {claim["id"]: claim for claim in claims()}


class Invented:
    """Three seeds of every row, {(row, metric): points of the first}; each next seed is a little higher."""

    plan = PLAN

    def __init__(self, values: dict):
        self.values = values

    def points(self, table, row, metric):
        value = self.values.get((row, metric))
        return {} if value is None else {seed: value + 0.01 * seed * (1 + len(row)) for seed in range(3)}


def judged(claim: str, values: dict):
    """Which parts of a claim the invented runs agree with."""
    outcome = curves.CURVES[claim](BY_ID[claim], Invented(values))
    return [part.p_for() < 0.05 for part in outcome.comparisons]


def widths(a: list[float], b: list[float]) -> dict:
    values = {}
    for schedule, points in (("a", a), ("b", b)):
        for k, value in zip(curves.WIDTHS, points):
            values[curves.row_of(schedule, k), curves.AUC] = value
    return values


def test_all_rows_of_the_judges_can_be_run():
    labels = {job.row for job in row_jobs.jobs_of(curves.TABLE, PLAN, seeds=1)}
    assert {curves.row_of(s, k) for s in "ab" for k in curves.WIDTHS} <= labels and "SharpMask, all at once" in labels
    trunks = {job.row for job in row_jobs.jobs_of("sharpmask/1", PLAN, seeds=1)}
    assert set(curves.TRUNKS) <= trunks


def test_every_doubling_counts():
    assert judged("sharp-capacity-monotone", widths([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])) == [True] * 10
    flat = judged("sharp-capacity-monotone", widths([1, 2, 3, 4, 5, 6], [1, 2, 3, 3, 5, 4]))
    assert flat == [True] * 7 + [False, True, False]
    falling = Invented(widths([6, 5, 4, 3, 2, 1], [6, 5, 4, 3, 2, 1]))
    parts = curves.CURVES["sharp-capacity-monotone"](BY_ID["sharp-capacity-monotone"], falling).comparisons
    assert joined(parts).verdict == "contradicted" and all(part.p_against() < 0.05 for part in parts)


@pytest.mark.parametrize("one, two, fails", [(2, 3, [True, True]), (2, 6, [True, False]), (9, 9, [False, False])])
def test_few_channels_fail_below_half_of_the_widest(one, two, fails):
    assert judged("sharp-small-k-fails", widths([one, two, 7, 8, 9, 10], [0] * 6)) == fails


def test_work_grows_with_width_and_schedule_b_saves():
    work = {(s, k): curves.work_of(curves.row_of(s, k), PLAN) for s in "ab" for k in curves.WIDTHS}
    for s in "ab":
        assert all(work[s, k] < work[s, 2 * k] for k in curves.WIDTHS[:-1])
    assert all(work["b", k] < work["a", k] for k in curves.WIDTHS[1:])
    assert work["b", 32] == refining_work(scale(1), 128)
    cfg = scale(1)  # by hand: the encoding, then each module's skips, their conv, and the windows'; last, one channel
    cells, (deep, fine), between = cfg.window.cells, (64, 32), 32
    hand = 500 * cfg.head.rank * 32 * cells**2
    for channels, k, following, side, window in ((deep, 32, 16, 32, cells), (fine, 16, 8, 64, 2 * cells)):
        hand += 9 * side**2 * (channels * between + between * k + k * following) + 500 * 9 * window**2 * k * following
    assert work["b", 32] == hand + 500 * 9 * (4 * cells) ** 2 * 8


def test_the_chosen_row_must_be_ahead_of_all_that_cost_no_more():
    ahead = judged("sharp-schedule-b-tradeoff", widths([1, 2, 3, 4, 5, 30], [1, 2, 3, 4, 5, 20]))
    assert all(ahead) and len(ahead) >= 8
    behind = judged("sharp-schedule-b-tradeoff", widths([1, 2, 3, 4, 5, 30], [1, 2, 3, 4, 25, 20]))
    assert behind.count(False) == 1
    level = judged("sharp-schedule-b-tradeoff", widths([21, 22, 23, 24, 25, 30], [1, 2, 3, 4, 5, 20]))
    assert not level[-1] and level.count(True) == 5


def test_outlines_must_gain_more_than_whole_masks():
    names = [("SharpMask", "band IoU 1"), ("DeepMask-ours", "band IoU 1"), ("SharpMask", "best IoU"),
             ("DeepMask-ours", "best IoU")]
    assert judged("sharp-boundaries", dict(zip(names, (40, 30, 62, 60)))) == [True, True]
    assert judged("sharp-boundaries", dict(zip(names, (40, 39, 62, 60)))) == [True, False]
    assert judged("sharp-boundaries", {}) == [False, False]


def test_bounds_and_recall_are_ranked_over_trunks():
    def values(recalls):
        rows = {}
        for bound, (trunk, recall) in enumerate(zip(curves.TRUNKS, recalls)):
            rows |= {(trunk, "bound AR"): 10 * bound, (trunk, "seg AR100"): recall}
        return rows

    assert judged("sharp-upper-bound-predicts", values([1, 2, 3, 4, 5, 6, 7])) == [True]
    assert judged("sharp-upper-bound-predicts", values([4, 1, 6, 2, 7, 3, 5])) == [False]
    judge = curves.CURVES["sharp-upper-bound-predicts"]
    assert judge({}, Invented(values([7, 6, 5, 4, 3, 2, 1]))).comparisons[0].p_against() < 0.05
    assert judge({}, Invented({})) is None


@pytest.mark.parametrize("short, long, holds", [(40.0, 40.1, True), (40.0, 41.0, False), (40.0, 38.0, True)])
def test_a_detector_saturates_where_a_longer_list_gains_less_than_the_margin(short, long, holds):
    runs = {("SharpMask, 500 proposals", "AP"): short, ("SharpMask + VGG", "AP"): long}
    assert judged("sharp-saturates-500", runs) == [holds]
