"""How a timing is judged: direction, then size on a log scale (rule 7 of `data/claims/RULES.md`)."""
import math

from paperlib.intervals import Difference

ADVERBS = {"holds, larger": "larger", "holds, smaller": "smaller"}


def sizes(claim: dict) -> list[float]:
    """The published sizes, as quotients; [] where the paper gives a direction only."""
    size = claim["judge"].get("size", [])
    values = size if isinstance(size, list) else [size]
    return [quotient(value, claim["judge"].get("of")) for value in values]


def quotient(value: float, of: str | None) -> float:
    """A quotient of times, from a number in the claim's unit."""
    if of == "share":
        return value / max(100 - value, 1e-9)
    if of == "saved":
        return 100 / max(100 - value, 1e-9)
    return float(value)


def slack(size: float, within: float | None = None) -> float:
    """By which factor a quotient may miss a printed one: two, or its square root if that is less."""
    if within is not None:
        return within
    return min(2.0, math.exp(abs(math.log(size)) / 2))


def judge(claim: dict, timing: Difference) -> tuple[str, str]:
    """The verdict on a claim from a median and its interval, both in the claim's unit; and a remark."""
    asked = claim["judge"]
    if not math.isfinite(timing.low):
        return "unresolved", "Too few repeats for an interval."
    low, middle, high = [quotient(value, asked.get("of")) for value in (timing.low, timing.mean, timing.high)]
    direction = _direction(asked, low, high)
    published = sizes(claim)
    if direction != "holds":
        return direction, ""
    if not published:
        return direction, "No size is printed: the direction is judged alone."
    says = _size(published, asked.get("within"), low, high)
    if asked["direction"] == "=":
        return _two_sided(says)
    nearest = min(published, key=lambda size: abs(math.log(middle / size)))
    if says in ADVERBS:
        return says, f"The quotient is {middle / nearest:.2g} times the published one."
    if says == "unresolved":
        return says, "The direction holds; the interval is too wide for the size."
    return says, ""


def _direction(asked: dict, low: float, high: float) -> str:
    """Whether an interval of quotients lies on the claimed side; "=" has no side."""
    if asked["direction"] == "=":
        return "holds"
    start = quotient(asked["bound"], asked.get("of")) if "bound" in asked else 1.0
    above, below = low > start, high < start
    if asked["direction"] == "<":
        above, below = below, above
    if above:
        return "holds"
    return "contradicted" if below else "unresolved"


def _size(published: list[float], within: float | None, low: float, high: float) -> str:
    """An interval of quotients against the printed ones, each with its slack."""
    least, largest = min(published), max(published)
    if least / slack(least, within) <= low and high <= largest * slack(largest, within):
        return "holds"
    if low > largest:
        return "holds, larger"
    if high < least:
        return "holds, smaller"
    return "unresolved"


def _two_sided(says: str) -> tuple[str, str]:
    """A claim of a size without a direction: another size contradicts it."""
    if says in ADVERBS:
        return "contradicted", f"The measured size is {ADVERBS[says]}."
    return says, ""


def circumstances(record: dict, reduced: tuple[str, ...]) -> str:
    """What was smaller than in the paper, and on how many cores; with a space before each sentence."""
    text, shrink = "", record["shrink"]
    if reduced and shrink > 1:
        parts = [f"{name} 1/{shrink if name == 'sides' else shrink**2}" for name in reduced]
        text += f" {', '.join(parts).capitalize()} of the paper's."
    if record["provenance"]["device"].startswith("cpu") and record["provenance"].get("threads", 1) == 1:
        text += " One CPU core."
    return text
