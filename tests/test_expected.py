"""What was expected of claims before their runs: data/claims/expected."""
import tomllib

import pytest

from paperlib.claims.lines import line_of
from paperlib.papers.expected import expectations, expected
from paperlib.papers.register import claims
from paperlib.paths import REPOSITORY

FILES = sorted((REPOSITORY / "data/claims/expected").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_expectation_is_of_a_trained_claim_and_says_why(path):
    registered = {claim["id"]: claim for claim in claims()}
    for name, entry in tomllib.loads(path.read_text()).items():
        assert registered[name]["kind"] == "trend", name
        assert entry["expect"] in ("holds", "contradicted", "open"), name
        assert entry["why"].endswith("."), name


def test_what_was_expected_stands_beside_what_came():
    register = {claim["id"]: claim for claim in claims()}
    entry = expectations("scale")["fpn-topdown-matters"]
    says = f"Expected before the runs: {entry['expect']}. {entry['why']}"
    assert expected("fpn-topdown-matters", "scale") == says
    assert expected("fpn-topdown-matters", "mini") == "" == expected("no-such-claim", "scale")
    assert expected("sharp-small-k-fails", "mini").startswith("Expected before the runs: open.")
    claim = register["fpn-topdown-matters"]
    assert line_of(claim, {"remark": "Measured so."}, "scale").note.endswith(f"Measured so. {says}")
