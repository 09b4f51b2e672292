"""What was expected of claims before their runs: data/claims/expected."""
import tomllib

import pytest

from paperlib.papers.register import claims
from paperlib.paths import REPOSITORY

FILES = sorted((REPOSITORY / "data/claims/expected").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_expectation_is_of_a_trained_claim_and_says_why(path):
    registered = {claim["id"]: claim for claim in claims()}
    for name, expected in tomllib.loads(path.read_text()).items():
        assert registered[name]["kind"] == "trend", name
        assert expected["expect"] in ("holds", "contradicted", "open"), name
        assert expected["why"].endswith("."), name
