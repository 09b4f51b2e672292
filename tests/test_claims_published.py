"""Claims agree with the tables they rest on: a claimed difference is the difference of the printed rows of a part."""
import pytest
from msgspec import structs

from paperlib.claims.printed_effects import printed_effect
from paperlib.papers.judges import contrasts, more_of
from paperlib.papers.printed import by_variant
from paperlib.papers.printed import published as tables
from paperlib.papers.register import claims


def printed_differences(claim: dict) -> list[float]:
    """Of each part whose two rows are printed, the metric of the better one minus that of the worse one."""
    if claim["judge"]["by"] != "rows":
        return []
    differences = []
    for part in contrasts(claim["judge"]):
        if part.better is None or part.worse is None or part.fails:
            continue
        printed = printed_effect(structs.replace(part, factor=None), more_of(part))
        if printed is not None:
            differences.append(abs(printed[0]))
    return differences


def numbers(claim: dict) -> list[float]:
    stated = claim["published"]
    printed = [n for n in (stated if isinstance(stated, list) else [stated]) if isinstance(n, int | float)]
    if len(printed) == 2:  # or the ends of a range
        printed.append(abs(printed[1] - printed[0]))
    return printed


# what these publish is no difference: the best alphas, the AP from which a setting counts, the AP that is ruined
NO_DIFFERENCE = {"focal-alpha-falls-with-gamma", "focal-flstar-effective-shape", "focal-alpha-low-fails"}
CHECKED = [c for c in claims() if printed_differences(c) and numbers(c) and c["id"] not in NO_DIFFERENCE]


@pytest.mark.parametrize("claim", CHECKED, ids=lambda c: c["id"])
def test_claimed_difference_follows_from_the_table(claim):
    differences = printed_differences(claim)
    fits = any(abs(difference - n) < 1e-6 for difference in differences for n in numbers(claim))
    noted = any(f"{difference:.1f}" in claim.get("note", "") for difference in differences)
    assert fits or noted, f"the rows give {', '.join(f'{d:.2f}' for d in differences)}"


def test_most_row_claims_are_checked_this_way():
    assert len(CHECKED) >= 40


def test_what_is_no_difference_is_printed_elsewhere():
    published = {c["id"]: c["published"] for c in claims() if c["id"] in NO_DIFFERENCE}
    alphas = {row["label"]: row["values"] for row in by_variant(tables()["focal_loss/1a"])["rows"]}
    assert published["focal-alpha-low-fails"] == alphas["alpha 0.5"]["AP"]
    assert set(published) == NO_DIFFERENCE
