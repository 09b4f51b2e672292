"""The papers' claims, from `data/claims`."""
from functools import cache
from pathlib import Path
from typing import Literal

from msgspec import Struct

from paperlib.papers.files import Cited, paper_files, read_paper, typed
from paperlib.papers.judges import Contrast, Look, Rows, Unit, address, contrasts, more_of
from paperlib.papers.printed import by_variant, published
from paperlib.paths import DATA


class ClaimsFile(Struct, forbid_unknown_fields=True, frozen=True):
    """A file of `data/claims`."""

    paper: str
    claim: list[dict]


class Claim(Cited, frozen=True, kw_only=True):
    """A claim as it stands in the file; `judge` is one of JUDGES."""

    id: str
    place: str
    line: str
    kind: Literal["exact", "ratio", "trend", "external"]
    tier: Literal[1, 2]
    say: str
    published: int | float | str | list
    unit: str
    judge: dict
    notebook: str | None = None
    note: str | None = None
    formula: str | None = None  # of exact claims, and of no others
    version: str | None = None


class Judge(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """How a claim is judged; `by` names one of the ways, which are below."""

    by: str


class Test(Judge, frozen=True, kw_only=True):
    """Computed, by claims/<paper>/computed.py.

    `says` is the verdict if the computed value agrees with the paper's, else it is "does not follow".
    """

    says: Literal["follows", "follows under a reading", "conforms"]
    reading: str | None = None  # with "follows under a reading", and with no other
    awaits: str | None = None  # what must be built before it can be computed


class Measure(Judge, frozen=True, kw_only=True):
    """Timed, by claims/<paper>/timed.py, and compared by rule 7 of `data/claims/RULES.md`.

    Numbers are quotients of times, seconds, or percentages of time.
    """

    direction: Literal["<", ">", "="]
    size: int | float | list | None = None  # what the paper prints; a list: from the least to the largest
    bound: int | float | None = None  # what the direction starts from; None: a quotient of 1
    within: int | float | None = None  # the factor that counts as equal, where the printed size is 1
    why: str | None = None  # with a bound or factor that is ours
    # how a percentage becomes a quotient: one part's time over the rest | the time before over that after
    of: Literal["share", "saved"] | None = None
    awaits: str | None = None  # what must be built before it can be timed


class Curve(Judge, frozen=True, kw_only=True):
    """A judge of its own, by claims/<paper>/curves.py."""

    property: str
    figure: str | None = None
    table: str | None = None
    row: str | None = None
    rows: dict | None = None
    n_of: Unit = "seeds"
    looks: list[Look] = []


class External(Judge, frozen=True, kw_only=True):
    """Not testable here."""

    why: str


JUDGES = {"exact": {"test": Test}, "ratio": {"measure": Measure}, "trend": {"rows": Rows, "curve": Curve},
          "external": {"external": External}}


def claims(folder: Path | str | None = None) -> list[dict]:
    """Every claim of the papers, each with its "paper", in the papers' order.

    Source: `data/claims/<paper>.toml`.
    Errors: ValueError naming file and claim; a claim on two rows must name a table and metric that exist.
    """
    return _claims(Path(folder or DATA / "claims"))


def _check_judge(claim: Claim, where: str) -> None:
    by, ways = claim.judge.get("by"), JUDGES[claim.kind]
    if by not in ways:
        expected = " or ".join(map(repr, ways))
        raise ValueError(f"{where}: kind {claim.kind!r} judged by {by!r}; expected {expected}")
    judge = typed(ways[by], claim.judge, f"{where}, judge")
    if by == "test":
        _check_reading(judge, where)
    if by == "rows":
        for part in contrasts(claim.judge, f"{where}, judge"):
            _check_rows(part, claim, where)
    name = claim.judge.get("table")
    if name is None:
        return
    if name not in published():
        raise ValueError(f"{where}: no published table {name!r}")


def _check_reading(judge: Test, where: str) -> None:
    """Refuse a reading that is not named, and one that no verdict speaks of."""
    if (judge.says == "follows under a reading") != (judge.reading is not None):
        raise ValueError(f"{where}: says {judge.says!r} with reading {judge.reading!r}; "
                         "expected a reading with 'follows under a reading', and with no other")


def _check_rows(part: Contrast, claim: Claim, where: str) -> None:
    """Refuse rows and metrics that are neither printed nor set, unless a note describes them."""
    for pair in filter(None, (part, more_of(part))):
        for side in ("better", "worse"):
            row = getattr(pair, side)
            if row is None or row in claim.judge.get("rows", {}) or getattr(part, f"set_{side}") is not None:
                continue
            table, label = address(row, pair.table)
            if table.startswith("dials/"):  # which `tables.dials` knows
                continue
            if table not in published():
                raise ValueError(f"{where}: no published table {table!r}")
            if not claim.note:
                _check_printed(side, label, pair.metric, by_variant(published()[table]), where)


def _check_printed(side: str, label: str, metric: str, table: dict, where: str) -> None:
    if label not in [row["label"] for row in table["rows"]]:
        raise ValueError(f"{where}: {side} {label!r} is not in {table['id']}; describe it in note")
    names = [column["name"] for column in table["columns"]]
    if names == ["value"]:
        return
    for name in metric.split(" - "):
        if name not in names:
            raise ValueError(f"{where}: metric {name!r} is not in {table['id']}; describe it in note")


@cache
def _claims(folder: Path) -> list[dict]:
    register = {}
    for file in paper_files(folder):
        for record in read_paper(file, ClaimsFile).claim:
            where = f"{file}: claim {record.get('id')!r}"
            claim = typed(Claim, record, where)
            _check_judge(claim, where)
            if (claim.kind == "exact") != (claim.formula is not None):
                raise ValueError(f"{where}: exact claims, and no others, have a formula")
            if claim.id in register:
                raise ValueError(f"{where}: that id is in the files twice")
            register[claim.id] = {"paper": file.stem, **record}
    return list(register.values())
