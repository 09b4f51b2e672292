"""Claims agree with the tables they rest on: a claimed difference is the difference of the two printed rows."""
import pytest

from paperlib.papers.printed import by_variant, published
from paperlib.papers.register import claims


def printed_difference(claim: dict) -> float | None:
    """The metric of the better row minus that of the worse one; None where a row is a variant of ours."""
    judge = claim["judge"]
    if judge["by"] != "rows":
        return None
    rows = {r["label"]: r["values"] for r in by_variant(published()[judge["table"]])["rows"]}
    better, worse = (rows.get(judge[side], {}).get(judge["metric"]) for side in ("better", "worse"))
    return None if better is None or worse is None else better - worse


def numbers(claim: dict) -> list[float]:
    stated = claim["published"]
    return [n for n in (stated if isinstance(stated, list) else [stated]) if isinstance(n, int | float)]


CHECKED = [c for c in claims() if printed_difference(c) is not None and numbers(c)]


@pytest.mark.parametrize("claim", CHECKED, ids=lambda c: c["id"])
def test_claimed_difference_follows_from_the_table(claim):
    difference = abs(printed_difference(claim))
    fits = any(abs(difference - n) < 1e-6 for n in numbers(claim))
    assert fits or f"{difference:.1f}" in claim.get("note", ""), f"the rows give {difference:.2f}"


def test_most_row_claims_are_checked_this_way():
    assert len(CHECKED) >= 40
