"""From the comparisons of a claim to its verdict (data/claims/RULES.md, rules 1 to 4, 10 to 12)."""
import math
from collections.abc import Sequence
from dataclasses import dataclass

from paperlib.claims.comparisons import Comparison
from paperlib.intervals import at_level

ALPHA = 0.05
TWO_LOOKS = "seeds extended after a look"
DIGITS = 4  # of what is measured, in points


@dataclass(frozen=True)
class Part:
    """A comparison as it is shown: measured in points, with its own verdict at the claim's level."""

    compared: str
    verdict: str
    measured: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    p: float | None = None  # of the claim if that is what the runs lean to, else of its opposite
    margin: float | None = None  # points within which nothing counts as a difference
    delta: float | None = None  # the printed difference, points
    printed: float | None = None  # the printed difference as a share of `worse`, percent
    share: float | None = None  # ours
    share_interval: tuple[float, float] | None = None
    pairs: int | None = None  # that show the printed size, or the margin, with 80% power
    images: tuple[float, float] | None = None  # 95% interval over draws of the test images (rule 9)


@dataclass(frozen=True)
class Joined:
    """A claim's verdict, its parts, the part that decides, and p (rule 11)."""

    verdict: str
    parts: tuple[Part, ...] = ()
    deciding: int = 0
    p: float | None = None


def alpha_of(looks: Sequence[str]) -> float:
    """How often a judge may err: 5%, and half of it where a second look was taken (rule 10)."""
    if TWO_LOOKS in looks:
        return ALPHA / 2
    return ALPHA


def joined(comparisons: Sequence[Comparison], looks: Sequence[str] = ()) -> Joined:
    """The verdict on a claim of one or several parts.

    It holds if all do, is contradicted if one of k is at the level 1 - alpha / k, and else unresolved.
    Without all of its runs it is contradicted or not run. p is that of the claim or of its opposite,
    whichever is less, doubled where there were two looks.
    """
    alpha = alpha_of(looks)
    parts = tuple(_part(comparison, alpha) for comparison in comparisons)
    k = len(comparisons)
    p_for = max(comparison.p_for() for comparison in comparisons)
    p_against = min(1.0, k * min(comparison.p_against() for comparison in comparisons))
    missing = [part.verdict for part in parts if part.n == 0]
    if p_against <= alpha:
        says = "contradicted"
    elif missing:
        says = "not run"
        if "stale" in missing:
            says = "stale"
    elif p_for <= alpha:
        says = _sized([part.verdict for part in parts])
    else:
        says = "unresolved"
    p = None
    if len(missing) < k and says not in ("not run", "stale"):
        p = min(1.0, min(p_for, p_against) * ALPHA / alpha)
    return Joined(says, parts, _deciding(comparisons, says), p)


def _sized(verdicts: list[str]) -> str:
    """Of parts that all hold: the first size that does not fit, else "holds"."""
    for says in verdicts:
        if says != "holds":
            return says
    return "holds"


def _deciding(comparisons: Sequence[Comparison], says: str) -> int:
    """The place of the part that contradicts the claim most clearly, else of the least sure one that ran."""
    chances = []
    for comparison in comparisons:
        if comparison.difference is None:
            chances.append(-math.inf)
        elif says == "contradicted":
            chances.append(-comparison.p_against())
        else:
            chances.append(comparison.p_for() - comparison.p_against())
    return max(range(len(chances)), key=chances.__getitem__)


def _part(comparison: Comparison, alpha: float) -> Part:
    if comparison.difference is None:
        says = "stale" if comparison.stale else "not run"
        return Part(comparison.words, says, delta=comparison.delta, printed=_printed(comparison))
    difference = at_level(comparison.difference, 1 - alpha)
    p_for, p_against = comparison.p_for(), comparison.p_against()
    if p_for <= alpha:
        says = _with_size(comparison, alpha)
    elif p_against <= alpha:
        says = "contradicted"
    else:
        says = "unresolved"
    bounds = _bounds(difference.low, difference.high)
    share, share_bounds = None, None
    if comparison.size and comparison.size.of > 0:
        percent = 100 / comparison.size.of
        share = round(percent * difference.mean, DIGITS)
        share_bounds = bounds and _bounds(percent * difference.low, percent * difference.high)
    pairs = None
    if says == "unresolved":
        pairs = comparison.pairs(1 - alpha)
    margin = comparison.margin
    if margin is not None:
        margin = round(margin, DIGITS)
    return Part(comparison.words, says, round(difference.mean, DIGITS), bounds, difference.n,
                min(p_for, p_against), margin, comparison.delta, _printed(comparison), share, share_bounds,
                pairs, comparison.images and _bounds(*comparison.images))


def _bounds(low: float, high: float) -> tuple[float, float] | None:
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return round(low, DIGITS), round(high, DIGITS)


def _printed(comparison: Comparison) -> float | None:
    """The printed share, in percent."""
    if comparison.size is None or comparison.size.printed is None:
        return None
    return round(comparison.size.printed, DIGITS)


def _with_size(comparison: Comparison, alpha: float) -> str:
    """"holds", and "smaller" or "larger" where the interval leaves out a printed size on the claim's side."""
    size = comparison.size
    if size is None or size.printed is None or size.of <= 0 or not comparison.is_directional():
        return "holds"
    sign = 1 if comparison.low == 0 else -1
    if sign * size.printed <= 0:
        return "holds"
    difference, printed = at_level(comparison.difference, 1 - alpha), size.printed / 100 * size.of
    low, high = sorted((sign * difference.low, sign * difference.high))
    if low > sign * printed:
        return "holds, larger"
    if high < sign * printed:
        return "holds, smaller"
    return "holds"
