"""The verdicts on claims, and how often each was given."""
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from paperlib.claims.joining import Part

VERDICTS = ("follows", "follows under a reading", "conforms", "does not follow", "holds", "holds, smaller",
            "holds, larger", "contradicted", "unresolved", "stale", "not run", "external")
KINDS = {"exact": "computed", "ratio": "timed", "trend": "trained", "external": "external"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim beside what was measured here.

    Units: `published` as printed, in `unit`; `measured` and `interval` in the unit of what was `compared`, of
           the part that decides: points (x 100) for rows of a table. `delta` is the printed difference of the
           two rows; `n` counts `n_of`; `cost` is in minutes. `pairs` says of an unresolved claim how many pairs
           of seeds show the printed size, or the margin, with 80% power; `mixed` counts the pairs whose runs
           were made with different products. `p` and, over all trained claims, `q` (RULES.md, rule 11);
           `after` is the verdict that stands after it.
    """

    id: str
    paper: str
    place: str
    line: str
    kind: str
    tier: int
    say: str
    published: int | float | str | list
    unit: str
    how: str
    verdict: str = "not run"
    compared: str = ""
    measured: object = None
    interval: tuple[float, float] | None = None
    n: int = 0
    n_of: str | None = None
    delta: float | None = None
    pairs: int | None = None
    parts: tuple[Part, ...] = ()
    looks: tuple[str, ...] = ()
    p: float | None = None
    q: float | None = None
    after: str = "not run"
    mixed: int | None = None
    cost: float | None = None
    note: str = ""
    formula: str | None = None
    notebook: str | None = None
    table: str | None = None
    budget: str | None = None


def export(lines: Iterable[Verdict]) -> list[dict]:
    """Verdicts as plain lists and dictionaries, for JSON."""
    return msgspec.to_builtins(list(lines))


def restored(text: bytes | str) -> list[Verdict]:
    """Verdicts back from the JSON of `export`. Errors: ValueError for what is none."""
    return msgspec.json.decode(text, type=list[Verdict])


def counts(lines: Iterable[Verdict], after: bool = False) -> dict[str, dict[str, int]]:
    """{paper: {verdict: number}} of judged claims, every verdict present, papers in their order.

    `after`: the verdicts that stand after Benjamini's and Hochberg's correction.
    """
    tallies: dict[str, Counter] = {}
    for line in lines:
        verdict = line.after if after else line.verdict
        tallies.setdefault(line.paper, Counter())[verdict] += 1
    return {paper: {verdict: tally[verdict] for verdict in VERDICTS} for paper, tally in tallies.items()}
