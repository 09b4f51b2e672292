"""Verdicts: paired differences over seeds, their intervals, and what they say of a published claim."""

import math
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True)
class Difference:
    """Mean of `n` paired differences with its 95% interval; of one pair the bounds are infinite."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: list[float], level: float = 0.95) -> Difference:
    """Student's t interval of a mean. Errors: ValueError for no values or a NaN among them."""
    n = len(values)
    _check_numbers(values)
    mean = sum(values) / n
    if n == 1:
        return Difference(mean, -math.inf, math.inf, 1)
    standard_error = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = _student_factor(n, level) * standard_error
    return Difference(mean, mean - half, mean + half, n)


def _check_numbers(values: list[float]) -> None:
    if len(values) == 0 or any(math.isnan(v) for v in values):
        raise ValueError(f"an interval needs numbers, got {values}")


def _student_factor(n: int, level: float) -> float:
    """Half of the width of the t interval of n values' mean, in standard errors."""
    return float(special.stdtrit(n - 1, 0.5 + level / 2))


def paired(scores: dict[int, float], baseline: dict[int, float], level: float = 0.95) -> Difference | None:
    """Difference scores - baseline ({seed: score}) over the seeds that both have; None if they share none."""
    seeds = sorted(scores.keys() & baseline.keys())
    if not seeds:
        return None
    return mean_interval([scores[seed] - baseline[seed] for seed in seeds], level)


def verdict(difference: Difference | None, published: float | None, margin: float | None = None) -> str:
    """What a measured difference says of a published one.

    "holds" if the interval excludes 0 on the published side, "contradicted" if it excludes 0 on the other,
    "unresolved" if it includes 0.
    "not run" without a pair of runs, "not printed" without a published difference.
    A published 0 has no side: an interval that excludes 0 contradicts it, and none alone shows it.
    With `margin` the claim is "no difference": it holds if the whole interval lies inside +-margin and is
    contradicted if it lies wholly outside.
    """
    if difference is None:
        return "not run"
    low, high = difference.low, difference.high
    if margin is not None:
        return _said(-margin < low and high < margin, low > margin or high < -margin)
    if published is None:
        return "not printed"
    if published == 0:
        return _said(False, low > 0 or high < 0)
    sign = math.copysign(1, published)
    low, high = sorted((sign * low, sign * high))
    return _said(low > 0, high < 0)


def _said(right: bool, wrong: bool) -> str:
    """The verdict on an interval that lies wholly on the right side, wholly on the wrong one, or on both."""
    if right:
        return "holds"
    if wrong:
        return "contradicted"
    return "unresolved"


def pairs_to_see(effect: float, difference: Difference, level: float = 0.95, most: int = 999) -> int | None:
    """How many pairs that spread as those of `difference` have an interval of +-`effect` or narrower.

    That many pairs would tell a true difference of `effect` from none half of the time.
    None for more than `most`, or where one pair leaves the spread unknown.
    """
    if difference.n < 2 or effect == 0:
        return None
    half = (difference.high - difference.low) / 2
    spread = half * math.sqrt(difference.n) / _student_factor(difference.n, level)
    for n in range(2, most + 1):
        if _student_factor(n, level) * spread / math.sqrt(n) <= abs(effect):
            return n
    return None


def median_interval(values: list[float], level: float = 0.95) -> Difference:
    """Median of repeated timings, with the interval between two of them that holds it for any distribution.

    Source: the number of values below the median is binomial with p = 1/2.
            Fewer than six values bound nothing at 95%.
    """
    ordered, n = sorted(values), len(values)
    _check_numbers(values)
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    below = 0  # the first count that is not unlikely
    while special.bdtr(below, n, 0.5) <= (1 - level) / 2:
        below += 1
    if below == 0:
        return Difference(middle, -math.inf, math.inf, n)
    return Difference(middle, ordered[below - 1], ordered[n - below], n)
