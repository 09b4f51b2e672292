"""Verdicts on the focal loss's claims on how the loss is shared out, from the recorded runs."""
from paperlib.claims.by_seed import difference_by_seed
from paperlib.claims.comparisons import Outcome, above, below, within
from paperlib.tables import run_measurements

POSITIVES, NEGATIVES = "top20_pos", "top1_neg"  # shares of the hardest fifth, of the hardest hundredth
HALF = (37.5, 62.5)  # percent; a quarter of one half to either side
MINOR = 0.25  # of the negatives' rise
FAR_MORE = 2  # times the positives' rise
SIMILAR = 10  # points between two cumulative curves


def _of_the_judges_row(claim: dict, trained, metric: str) -> dict[int, float]:
    return trained.points(claim["judge"]["table"], claim["judge"]["row"], metric)


def _rise(claim: dict, trained, metric: str, factor: float = 1) -> dict[int, float]:
    """How much a share of the judge's row is larger at gamma 2 than at gamma 0, times `factor`, by seed."""
    focused = _of_the_judges_row(claim, trained, f"{metric}_2")
    rise = difference_by_seed(focused, _of_the_judges_row(claim, trained, f"{metric}_0"))
    return {seed: factor * points for seed, points in rise.items()}


def _half_in_the_hardest_fifth(claim: dict, trained) -> Outcome:
    """At every gamma about half of the positives' loss is in their hardest fifth; gamma changes it little."""
    parts = []
    for gamma in run_measurements.GAMMAS:
        share = _of_the_judges_row(claim, trained, f"{POSITIVES}_{gamma:g}")
        words = f"share in the hardest fifth of the positives at gamma {gamma:g}, in percent"
        parts.append(within(share, *HALF, words))
    rise = difference_by_seed(_rise(claim, trained, POSITIVES), _rise(claim, trained, NEGATIVES, MINOR))
    words = "rise of the positives' share from gamma 0 to 2, less a quarter of the negatives', in points"
    return Outcome([*parts, below(rise, words)])


def _most_in_the_hardest_hundredth(claim: dict, trained) -> Outcome:
    """At gamma 2 most of the negatives' loss is in their hardest hundredth; positives' gathers far less."""
    share = _of_the_judges_row(claim, trained, f"{NEGATIVES}_2")
    rise = difference_by_seed(_rise(claim, trained, NEGATIVES), _rise(claim, trained, POSITIVES, FAR_MORE))
    half = "share in the hardest hundredth of the negatives at gamma 2, in percent, above one half"
    twice = "rise of the negatives' share from gamma 0 to 2, less twice the positives', in points"
    return Outcome([above(share, half, 50), above(rise, twice)])


def _alike_under_cross_entropy(claim: dict, trained) -> Outcome:
    """At gamma 0 the cumulative curves of positives and of negatives stay close."""
    gap = _of_the_judges_row(claim, trained, "cdf_gap_0")
    words = f"widest gap between both cumulative curves at gamma 0, below {SIMILAR} points"
    return Outcome([below(gap, words, SIMILAR)])


def _background_drowns(claim: dict, trained) -> Outcome:
    """Easy background has most of the loss in networks that cross entropy trained."""
    share = _of_the_judges_row(claim, trained, "easy_loss_0")
    return Outcome([above(share, "easy background's share of the loss, in percent, above one half", 50)])


CURVES = {
    "focal-cdf-positive": _half_in_the_hardest_fifth,
    "focal-cdf-negative": _most_in_the_hardest_hundredth,
    "focal-cdf-gamma0-similar": _alike_under_cross_entropy,
    "focal-imbalance-overwhelms": _background_drowns,
}
