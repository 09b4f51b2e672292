"""What was expected of trained claims before their runs, and why: `data/claims/expected`, a file a model."""
import tomllib
from functools import cache

from paperlib.paths import DATA

FOLDER = DATA / "claims" / "expected"
BY_BUDGET = ("scale",)  # files of models that replace another, for runs under the budget of that name


@cache
def expectations(model: str) -> dict[str, dict[str, str]]:
    """{claim: {"expect": "holds", "contradicted" or "open", "why": a sentence}} of the file of this name."""
    return tomllib.loads((FOLDER / f"{model}.toml").read_text(encoding="utf-8"))


def expected(claim: str, budget: str) -> str:
    """What was expected of a claim whose runs are recorded under a budget, as sentences, if anything."""
    for file in sorted(FOLDER.glob("*.toml")):
        speaks = file.stem not in BY_BUDGET or file.stem == budget
        entry = expectations(file.stem).get(claim)
        if speaks and entry is not None:
            return f"Expected before the runs: {entry['expect']}. {entry['why']}"
    return ""
