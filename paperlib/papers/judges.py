"""How claims on rows are judged, as `data/claims` says it: the parts of a comparison and their keys."""
import re
from typing import Literal

import msgspec
from msgspec import Struct

from paperlib.papers.files import typed

ELSEWHERE = re.compile(r"(\w+/\w+):(.+)")  # a row of another table
NOT_INHERITED = ("by", "parts", "rows", "n_of", "looks")  # keys of a judge that its parts do not take over
Margin = Literal["two-sided", "one-sided"]
Look = Literal["recipe chosen on this comparison", "recipe chosen on the default row",
               "seeds extended after a look", "looked at before all planned seeds", "single look"]
Unit = Literal["seeds", "crews", "classes", "folds", "images", "repeats", "units", "lists"]


class Pair(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Two rows in one metric, `better` minus `worse`.

    A row of another table is written "fpn/3:C4 baseline"; a metric may be "A - B", the difference of two.
    """

    better: str | None = None
    worse: str | None = None
    table: str | None = None
    metric: str | None = None
    printed: tuple[float, float] | None = None  # the paper's numbers of both, where no table prints them


class Contrast(Pair, frozen=True, kw_only=True):
    """One part of a judge by rows: what must be above zero, or within a margin (RULES.md).

    With one row only, it is compared with `bound`: `better` must lie above it, `worse` below it, in points.
    """

    factor: int | float | None = None  # of the better row, a bound of ours
    margin: Margin | None = None  # rule 3
    bound: int | float | None = None  # with a margin: its share of `worse`, in place of the paper's
    why: str | None = None  # reason of a factor or a bound
    more: dict | None = None  # a Pair whose difference is taken off (rule 5)
    relative: bool = False  # differences as shares of their `worse`, seed by seed
    fails: bool = False  # shares of failed runs are compared (rule 6)
    set_better: dict | None = None  # what a row sets that the table does not print
    set_worse: dict | None = None


class Rows(Contrast, frozen=True, kw_only=True):
    """Rows of tables are compared: one contrast, or `parts`, which take what they lack from the judge."""

    by: str
    parts: list[dict] | None = None
    rows: dict | None = None
    n_of: Unit = "seeds"  # rule 8
    looks: list[Look] = []  # rule 10


def contrasts(judge: dict, where: str = "judge") -> list[Contrast]:
    """The parts of a judge by rows, whole: what a part lacks is the judge's. A judge without parts is one.

    Errors: ValueError naming the part with a wrong, missing or contradictory key.
    """
    common = {key: value for key, value in judge.items() if key not in NOT_INHERITED}
    if "parts" not in judge:
        return [_contrast(common, where)]
    if not judge["parts"]:
        raise ValueError(f"{where}: parts is empty; expected one comparison or more")
    parts = []
    for number, part in enumerate(judge["parts"], 1):
        place = f"{where}, part {number}"
        typed(Contrast, part, place)
        parts.append(_contrast(_inherited(common, part) | part, place))
    return parts


def _inherited(common: dict, part: dict) -> dict:
    """What a part takes over: a row's settings only with the row, and a single row's partner not at all."""
    taken = dict(common)
    for side in ("better", "worse"):
        if side in part:
            taken.pop(f"set_{side}", None)
    if "bound" in part and "margin" not in part | common:
        taken.pop("better", None)
        taken.pop("worse", None)
    return taken


def _contrast(record: dict, where: str) -> Contrast:
    contrast = typed(Contrast, record, where)
    for key in ("table", "metric"):
        if getattr(contrast, key) is None:
            raise ValueError(f"{where}: lacks {key}")
    if contrast.more is not None:
        typed(Pair, contrast.more, f"{where}, more")
    rules = {
        "lacks better or worse; one row alone needs bound": _lacks_a_row(contrast),
        "lacks why: a factor or a bound is ours and needs its reason":
            contrast.why is None and (contrast.factor is not None or contrast.bound is not None),
        "why is the reason of a factor or a bound, and there is none":
            contrast.why is not None and contrast.factor is None and contrast.bound is None,
        "bound goes with a margin, or with one row": _bound_is_loose(contrast),
        "factor goes with neither margin, more nor relative": contrast.factor is not None and bool(
            contrast.margin or contrast.more or contrast.relative),
        "fails goes with none of factor, margin, bound, more and relative": contrast.fails and bool(
            contrast.factor or contrast.margin or contrast.bound or contrast.more or contrast.relative),
    }
    for fault, is_so in rules.items():
        if is_so:
            raise ValueError(f"{where}: {fault}")
    return contrast


def _lacks_a_row(contrast: Contrast) -> bool:
    """Whether rows are missing that the contrast needs: it has two, or one and a bound."""
    rows = [row for row in (contrast.better, contrast.worse) if row is not None]
    return not rows or (len(rows) == 1 and contrast.bound is None)


def _bound_is_loose(contrast: Contrast) -> bool:
    single = contrast.better is None or contrast.worse is None
    return contrast.bound is not None and contrast.margin is None and not single


def more_of(contrast: Contrast) -> Pair | None:
    """The second difference of a contrast; what it lacks is the contrast's."""
    if contrast.more is None:
        return None
    return msgspec.convert({"better": contrast.better, "worse": contrast.worse, "table": contrast.table,
                            "metric": contrast.metric} | contrast.more, Pair)


def address(row: str, table: str) -> tuple[str, str]:
    """(table, row) of a row as it is written: "fpn/3:C4 baseline" is of another table than the part's."""
    elsewhere = ELSEWHERE.fullmatch(row)
    if elsewhere:
        return elsewhere[1], elsewhere[2]
    return table, row


def settings(judge: dict) -> list[tuple[str, str, dict]]:
    """(table, row, changes) of the rows that a judge runs and the paper's table does not print."""
    added = []
    if judge["by"] == "rows":
        for part in contrasts(judge):
            for row, changes in ((part.better, part.set_better), (part.worse, part.set_worse)):
                if changes is not None:
                    added.append((*address(row, part.table), changes))
    for row, changes in judge.get("rows", {}).items():
        added.append((judge["table"], row, changes))
    return added


def tables_of(judge: dict) -> set[str]:
    """The tables of all rows of a judge by rows."""
    tables = set()
    for part in contrasts(judge):
        for pair in filter(None, (part, more_of(part))):
            for row in filter(None, (pair.better, pair.worse)):
                tables.add(address(row, pair.table)[0])
    return tables
