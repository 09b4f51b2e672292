"""What the exact claims are compared with: the papers' statements and tables, and how close is equal."""

from paperlib.papers.printed import by_variant, published
from paperlib.papers.register import claims


def stated(claim: str):
    """The value that the paper prints for a claim."""
    return next(c["published"] for c in claims() if c["id"] == claim)


def printed(table: str) -> dict[str, dict]:
    """A published table as {variant: {metric: number}}."""
    return {row["label"]: row["values"] for row in by_variant(published()[table])["rows"]}


def agrees(value: float, stated_value: float, digits: int = 0) -> bool:
    """Whether a computed value rounds to the printed one."""
    return abs(value - stated_value) <= 0.5 * 10**-digits + 1e-9
