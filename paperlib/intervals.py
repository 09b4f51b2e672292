"""Verdicts: paired differences over seeds, their intervals, and what they say of a published claim."""

import math
from dataclasses import dataclass

from scipy import special


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences with its 95% interval; `n` pairs. One pair has no interval (infinite bounds)."""

    mean: float
    low: float
    high: float
    n: int


def mean_interval(values: list[float], level: float = 0.95) -> Difference:
    """Student's t interval of a mean. Errors: ValueError for no values or a NaN among them."""
    n = len(values)
    if n == 0 or any(math.isnan(v) for v in values):
        raise ValueError(f"an interval needs numbers, got {values}")
    mean = sum(values) / n
    if n == 1:
        return Difference(mean, -math.inf, math.inf, 1)
    spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)
    half = float(special.stdtrit(n - 1, 0.5 + level / 2)) * spread
    return Difference(mean, mean - half, mean + half, n)


def paired(ours: dict[int, float], baseline: dict[int, float], level: float = 0.95) -> Difference | None:
    """Difference ours - baseline over the seeds that both have; None if they share none."""
    seeds = sorted(ours.keys() & baseline.keys())
    return mean_interval([ours[s] - baseline[s] for s in seeds], level) if seeds else None


def verdict(difference: Difference | None, published: float | None, margin: float | None = None) -> str:
    """What a measured difference says of a published one.

    "holds" if the interval excludes 0 on the published side, "contradicted" if it excludes 0 on the other,
    "unresolved" if it includes 0, "not run" without a pair of runs, "not printed" without a published difference. A
    published 0 has no side: an interval that excludes 0 contradicts it, and none alone shows it. With `margin` the
    claim is "no difference": it holds if the whole interval lies inside +-margin and is contradicted if it lies
    wholly outside.
    """
    if difference is None:
        return "not run"
    if margin is not None:
        if -margin < difference.low and difference.high < margin:
            return "holds"
        return "contradicted" if difference.low > margin or difference.high < -margin else "unresolved"
    if published is None:
        return "not printed"
    if published == 0:
        return "contradicted" if difference.low > 0 or difference.high < 0 else "unresolved"
    sign = math.copysign(1, published)
    low, high = sorted((sign * difference.low, sign * difference.high))
    return _said(low > 0, high < 0)


def _said(right: bool, wrong: bool) -> str:
    """The verdict on an interval that lies wholly on the right side, wholly on the wrong one, or on both."""
    if right:
        return "holds"
    return "contradicted" if wrong else "unresolved"


def pairs_to_see(effect: float, found: Difference, level: float = 0.95, most: int = 999) -> int | None:
    """How many pairs, as far apart as those of `found`, have an interval of no more than `effect` either way.

    So many would tell a true difference of `effect` from none half of the time. None for more than `most`, or where
    one pair leaves the spread unknown.
    """
    if found.n < 2 or effect == 0:
        return None
    spread = (found.high - found.low) / 2 * math.sqrt(found.n) / float(special.stdtrit(found.n - 1, 0.5 + level / 2))
    return next((n for n in range(2, most + 1)
                 if float(special.stdtrit(n - 1, 0.5 + level / 2)) * spread / math.sqrt(n) <= abs(effect)), None)


def median_interval(values: list[float], level: float = 0.95) -> Difference:
    """Median of repeated timings with the interval between two of them that holds it, whatever their distribution.

    Source: the number of values below the median is binomial with p = 1/2. Fewer than six values bound nothing at 95%.
    """
    ordered, n = sorted(values), len(values)
    if n == 0 or any(math.isnan(v) for v in values):
        raise ValueError(f"an interval needs numbers, got {values}")
    middle = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    below = next(k for k in range(n + 1) if special.bdtr(k, n, 0.5) > (1 - level) / 2)  # the first count not unlikely
    if below == 0:
        return Difference(middle, -math.inf, math.inf, n)
    return Difference(middle, ordered[below - 1], ordered[n - below], n)


def timing_verdict(found: Difference, direction: str, bound: float | None, sizes: list[float], absolute: bool) -> str:
    """What a timing on another machine says of a published one: the direction, and the size within a factor of two.

    A quotient claimed to be large (">") must lie above 1 and its median within a factor of two of the published
    `sizes`, if there are any; one claimed to be small ("<") must lie below `bound` (1 if there is none). An absolute
    number (seconds, per cent) must lie on the claimed side of `bound`, give or take a factor of two. "holds" if the
    whole interval is on the right side and the size fits, "contradicted" if all of it is on the wrong side, else
    "unresolved".
    """
    if absolute:
        limit = bound / 2 if direction == ">" else 2 * bound
    else:
        limit = 1.0 if direction == ">" or bound is None else bound
    right, wrong = (found.low > limit, found.high < limit) if direction == ">" else (
        found.high < limit, found.low > limit)
    fits = absolute or direction == "<" or not sizes or min(sizes) / 2 <= found.mean <= 2 * max(sizes)
    return _said(right and fits, wrong)
