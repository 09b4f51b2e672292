"""Verdicts: paired differences over seeds, their intervals, and what they say of a published claim."""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Difference:
    """Mean of `n` paired differences with its interval of `level`; of one pair the bounds are infinite."""

    mean: float
    low: float
    high: float
    n: int
    level: float = 0.95


def mean_interval(values: list[float], level: float = 0.95) -> Difference:
    """Student's t interval of a mean. Errors: ValueError for no values or a NaN among them."""
    n = len(values)
    _check_numbers(values)
    mean = sum(values) / n
    if n == 1:
        return Difference(mean, -math.inf, math.inf, 1, level)
    standard_error = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = _student_factor(n, level) * standard_error
    return Difference(mean, mean - half, mean + half, n, level)


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


def standard_error(difference: Difference) -> float:
    """The standard error of a mean, read off its t interval; infinite for one value."""
    if difference.n < 2:
        return math.inf
    return (difference.high - difference.low) / 2 / _student_factor(difference.n, difference.level)


def at_level(difference: Difference, level: float) -> Difference:
    """The same mean with its t interval of another level."""
    if difference.n < 2:
        return replace(difference, level=level)
    half = _student_factor(difference.n, level) * standard_error(difference)
    return Difference(difference.mean, difference.mean - half, difference.mean + half, difference.n, level)


def p_above(difference: Difference, bound: float = 0.0) -> float:
    """p of Student's t test that the mean lies above `bound`: one side's, doubled, at most 1.

    It is at most 1 - level just where the interval of that level lies wholly above the bound.
    """
    if difference.n < 2 or bound == math.inf:
        return 1.0
    if bound == -math.inf:
        return 0.0
    error = standard_error(difference)
    if error == 0:
        return float(difference.mean <= bound)
    t = (difference.mean - bound) / error
    return min(1.0, 2 * float(special.stdtr(difference.n - 1, -t)))


def p_below(difference: Difference, bound: float = 0.0) -> float:
    """As `p_above`, that the mean lies below `bound`."""
    mirrored = replace(difference, mean=-difference.mean, low=-difference.high, high=-difference.low)
    return p_above(mirrored, -bound)


def pairs_to_see(effect: float, difference: Difference, power: float = 0.8, most: int = 999) -> int | None:
    """How many pairs that spread as those of `difference` show a true difference of `effect` so often.

    Shown: the interval of the difference's level leaves out zero, on the right side. `power` is how often.
    None for more than `most`, or where one pair leaves the spread unknown.
    """
    if difference.n < 2 or effect == 0:
        return None
    spread = standard_error(difference) * math.sqrt(difference.n)
    if spread == 0:
        return 2
    n = np.arange(2, most + 1)
    factor = special.stdtrit(n - 1, 0.5 + difference.level / 2)
    missed = special.nctdtr(n - 1, np.sqrt(n) * abs(effect) / spread, factor)
    enough = n[np.nan_to_num(missed) <= 1 - power]
    if len(enough) == 0:
        return None
    return int(enough[0])


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
        return Difference(middle, -math.inf, math.inf, n, level)
    return Difference(middle, ordered[below - 1], ordered[n - below], n, level)
