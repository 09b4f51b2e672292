"""One comparison of a claim: a mean with its interval, where the claim says that it lies, how sure that is.

Judges of curves make theirs with `above`, `below`, `within` and `fewer_failures`; those of rows: `rows.py`.
"""
import math
from collections.abc import Sequence
from dataclasses import dataclass

from paperlib.intervals import Difference, at_level, mean_interval, p_above, p_below, pairs_to_see


@dataclass(frozen=True)
class Size:
    """What a difference is a share of, and the share that the paper prints (RULES.md, rule 2)."""

    of: float  # our mean of the row named `worse`, in points
    printed: float | None = None  # percent


@dataclass(frozen=True)
class Comparison:
    """A part of a claim, before it is judged at a level: the mean is said to lie between `low` and `high`."""

    words: str  # what is compared
    difference: Difference | None  # None: not run, or `stale`
    low: float = 0.0
    high: float = math.inf
    size: Size | None = None
    margin: float | None = None  # in points, of a claim of no difference
    delta: float | None = None  # the printed difference, in points
    exact: tuple[float, float] | None = None  # p for and against, of a test that is not Student's
    stale: bool = False
    pair: tuple = ()  # (table, row) of the rows compared
    images: tuple[float, float] | None = None  # the mean's 95% interval over draws of the test images

    def p_for(self) -> float:
        """p of a test that the mean lies where the claim says; 1 without runs."""
        if self.exact:
            return self.exact[0]
        if self.difference is None:
            return 1.0
        return max(p_above(self.difference, self.low), p_below(self.difference, self.high))

    def p_against(self) -> float:
        """p of a test that it lies outside, on one side or on the other."""
        if self.exact:
            return self.exact[1]
        if self.difference is None:
            return 1.0
        return min(p_below(self.difference, self.low), p_above(self.difference, self.high))

    def gap(self) -> float:
        """The measured mean."""
        return self.difference.mean

    def is_directional(self) -> bool:
        return self.margin is None and (self.low, self.high) in ((0.0, math.inf), (-math.inf, 0.0))

    def pairs(self, level: float = 0.95) -> int | None:
        """How many pairs show the printed size, or the margin, with 80% power at this level (rule 12).

        Within a margin on both sides: a miss on either side counts, so each may take 10%.
        """
        if self.difference is None:
            return None
        difference = at_level(self.difference, level)
        if self.margin is not None:
            both = math.isfinite(self.low) and math.isfinite(self.high)
            return pairs_to_see(self.margin, difference, 0.9 if both else 0.8)
        if self.size is None or self.size.printed is None or not self.is_directional():
            return None
        return pairs_to_see(self.size.printed / 100 * self.size.of, difference)


@dataclass(frozen=True)
class Outcome:
    """What a judge of a curve gives: the parts of the claim, and what else is to be said."""

    comparisons: Sequence[Comparison] = ()
    remark: str = ""
    stale: bool = False  # measured by code or on data that have changed since
    before_rules: bool = False  # what a probe recorded before today's rules


def _mean(values: dict[int, float] | Sequence[float]) -> Difference | None:
    if isinstance(values, dict):
        values = list(values.values())
    if len(values) == 0:
        return None
    return mean_interval(list(values))


def above(values: dict[int, float] | Sequence[float], words: str, bound: float = 0.0) -> Comparison:
    """The claim that the mean of the values, by seed or of whatever n counts, lies above `bound`."""
    return Comparison(words, _mean(values), low=bound)


def below(values: dict[int, float] | Sequence[float], words: str, bound: float = 0.0) -> Comparison:
    """The claim that it lies below `bound`."""
    return Comparison(words, _mean(values), low=-math.inf, high=bound)


def within(values: dict[int, float] | Sequence[float], low: float, high: float, words: str) -> Comparison:
    """The claim that it lies between two bounds."""
    return Comparison(words, _mean(values), low=low, high=high)


def fewer_failures(failed: int, runs: int, failed_other: int, runs_other: int, words: str) -> Comparison:
    """The claim that runs fail more rarely than others do, by Fisher's exact test; the difference in percent.

    The p of each side is doubled, as that of `intervals.p_above` is.
    """
    from scipy import stats  # here: it takes a second to import, and few claims need it

    table = [[failed, runs - failed], [failed_other, runs_other - failed_other]]
    sides = []
    for alternative in ("less", "greater"):
        sides.append(min(1.0, 2 * float(stats.fisher_exact(table, alternative=alternative).pvalue)))
    mean = 100 * (failed_other / runs_other - failed / runs)
    difference = Difference(mean, -math.inf, math.inf, min(runs, runs_other))
    return Comparison(words, difference, exact=(sides[0], sides[1]))
