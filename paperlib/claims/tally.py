"""The verdicts on claims: how often each was given, and what many tests at once do to them."""
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from paperlib.claims.joining import ALPHA, Part

VERDICTS = ("follows", "follows under a reading", "conforms", "does not follow", "holds", "holds, smaller",
            "holds, larger", "contradicted", "unresolved", "stale", "not run", "external")
KINDS = {"exact": "computed", "ratio": "timed", "trend": "trained", "external": "external"}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A claim beside what was measured here.

    Units: `published` as printed, in `unit`; `measured` and `interval` in the unit of what was `compared`, of
           the part that decides: points (x 100) for rows of a table. `delta` is the printed difference of the
           two rows; `n` counts `n_of`; `cost` is in minutes. `pairs`, of an unresolved claim: how many pairs
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
    tables: tuple[str, ...] = ()  # all tables whose rows were asked for
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


def q_values(p: Sequence[float]) -> list[float]:
    """The least share of false discoveries at which each of the tests counts as one.

    Source: Benjamini, Hochberg 1995. The i-th least p of m times m / i, no larger than that of any larger p.
    """
    p = np.asarray(p, float)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
    return np.minimum(q, 1).tolist()


def with_q(lines: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts with q, over the trained claims that have a p, and with what stands after it."""
    tested = [line for line in lines if line.kind == "trend" and line.p is not None]
    q = dict(zip([line.id for line in tested], q_values([line.p for line in tested])))
    return [_after(line, q.get(line.id)) for line in lines]


def _after(line: Verdict, q: float | None) -> Verdict:
    if q is not None and q > ALPHA and line.verdict not in ("stale", "not run"):
        return replace(line, q=q, after="unresolved")
    return replace(line, q=q, after=line.verdict)
