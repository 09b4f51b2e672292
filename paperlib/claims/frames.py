"""Judged claims as a table of pandas, for the notebooks."""
from collections.abc import Iterable
from typing import TYPE_CHECKING

from paperlib.claims.tally import Verdict

if TYPE_CHECKING:
    import pandas as pd


def frame(lines: Iterable[Verdict], kind: str) -> "pd.DataFrame":
    """Judged claims of one kind ("trend", "ratio", "exact") as a table, a row a claim, without what nobody filled.

    "enough" is the number of pairs of seeds that `judged` calls "pairs". Trends say what is compared.
    """
    import pandas as pd  # here: claims are judged without it

    def words(value, number="g"):
        if isinstance(value, dict):
            value = [f"{key} {words(part)}" for key, part in value.items()]
        if isinstance(value, list):
            return ", ".join(words(part, number) for part in value)
        return format(value, number) if isinstance(value, float) else str(value)

    table = {}
    for line in (line for line in lines if line.kind == kind):
        ours = line.measured
        ours = words(ours) if kind == "exact" and ours is not None else ours
        table[line.say] = [line.compared if kind == "trend" else None, line.place, words(line.published, ""),
                           ours, line.interval, line.n or None, line.pairs, line.verdict]
    columns = ["what is compared", "place", "paper", "ours", "95% interval", "n", "enough", "verdict"]
    found = pd.DataFrame.from_dict(table, "index", columns=columns, dtype=object)
    return found.dropna(axis=1, how="all").rename_axis("claim")
