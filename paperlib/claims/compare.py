"""What the exact claims are compared with: the papers' statements and tables, and how close is equal."""
from collections.abc import Sequence

from paperlib.papers.printed import by_variant, published
from paperlib.papers.register import claims


def stated(claim: str):
    """The value that the paper prints for a claim. Errors: KeyError for an id that the register lacks."""
    for record in claims():
        if record["id"] == claim:
            return record["published"]
    raise KeyError(f"{claim!r} is no claim of data/claims")


def printed(table: str) -> dict[str, dict]:
    """A published table as {variant: {metric: number}}."""
    numbers = {}
    for row in by_variant(published()[table])["rows"]:
        numbers[row["label"]] = row["values"]
    return numbers


def agrees(value: float, stated_value: float, digits: int = 0) -> bool:
    """Whether a computed value rounds to the printed one."""
    return abs(value - stated_value) <= 0.5 * 10**-digits + 1e-9


def all_agree(values: Sequence[float], stated_values: Sequence[float], digits: int = 0) -> bool:
    """Whether each computed value rounds to the printed one at its place."""
    return all(agrees(*pair, digits) for pair in zip(values, stated_values, strict=True))
