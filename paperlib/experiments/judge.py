"""Verdicts: paired differences over seeds, their intervals, and what they say of a published claim."""

import math
from dataclasses import dataclass

from scipy import stats


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
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * spread
    return Difference(mean, mean - half, mean + half, n)


def paired(ours: dict[int, float], baseline: dict[int, float], level: float = 0.95) -> Difference | None:
    """Difference ours - baseline over the seeds that both have; None if they share none."""
    seeds = sorted(ours.keys() & baseline.keys())
    return mean_interval([ours[s] - baseline[s] for s in seeds], level) if seeds else None


def verdict(difference: Difference | None, published: float | None, margin: float | None = None) -> str:
    """What a measured difference says of a published one.

    "holds" if the interval excludes 0 on the published side, "contradicted" if it excludes 0 on the other,
    "unresolved" if it includes 0, "not run" without a pair of runs. With `margin` the claim is "no difference": it
    holds if the whole interval lies inside +-margin and is contradicted if it lies wholly outside.
    """
    if difference is None:
        return "not run"
    if margin is not None:
        if -margin < difference.low and difference.high < margin:
            return "holds"
        return "contradicted" if difference.low > margin or difference.high < -margin else "unresolved"
    if not published:
        return "no claim"
    sign = math.copysign(1, published)
    low, high = sorted((sign * difference.low, sign * difference.high))
    return "holds" if low > 0 else "contradicted" if high < 0 else "unresolved"
