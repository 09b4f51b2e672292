"""Every claim of the papers beside what was measured here: value, interval, verdict, and what it cost."""
import math
from collections.abc import Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING

from paperlib.bench import timing
from paperlib.claims import timed
from paperlib.claims.lines import line_of, on_rows, outcome_of
from paperlib.claims.registry import COMPUTED, CURVES, REDUCED, TIMED
from paperlib.claims.tally import KINDS, Verdict, with_q
from paperlib.claims.tally import VERDICTS as VERDICTS
from paperlib.claims.tally import counts as counts
from paperlib.claims.trained import OLD_RULES, Trained
from paperlib.intervals import Difference
from paperlib.papers.judges import tables_of
from paperlib.papers.register import claims
from paperlib.tables import row_jobs
from paperlib.tables.identities import identity
from paperlib.tables.source import changed_since
from paperlib.training.recipes import Budget, as_budget, budget

if TYPE_CHECKING:
    import pandas as pd


def judged(plan: str | Budget | None = "mini", paper: str | None = None,
           kinds: Collection[str] = tuple(KINDS)) -> list[Verdict]:
    """A verdict for each claim, in the papers' order.

    `plan` is the trained rows' budget; without `paper` the claims of all papers are given, without `kinds`
    those of every kind. (All trained ones are judged in any case: each one's q depends on the others' p.)
    Errors: ValueError naming file and line of a record that was edited by hand, or the claim whose rows
            cannot be set side by side.
    """
    plan = as_budget(plan)
    trained = Trained(plan)
    judges = {
        "test": _exact,
        "measure": partial(_ratio, timings=timing.measured(timing.TABLE)),
        "rows": partial(on_rows, trained=trained),
        "curve": partial(_curve, trained=trained),
        "external": lambda claim: {"verdict": "external", "remark": claim["judge"]["why"]},
    }
    lines = []
    for claim in claims():
        wanted = paper in (None, claim["paper"]) and claim["kind"] in kinds
        if wanted or claim["kind"] == "trend":
            lines.append(line_of(claim, judges[claim["judge"]["by"]](claim), plan.name))
    chosen = []
    for line in with_q(lines):
        if paper in (None, line.paper) and line.kind in kinds:
            chosen.append(line)
    return chosen


def frame(lines: Iterable[Verdict], kind: str) -> "pd.DataFrame":
    """Judged claims of one kind ("trend", "ratio", "exact") as a table, a row a claim; no empty column.

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


def keys(plan: str) -> dict[str, dict[str, str]]:
    """The identities of today's runs of every table on whose rows claims rest: {table: {row: identity}}."""
    tables, identities = set(), {}
    for claim in claims():
        if claim["judge"]["by"] == "rows":
            tables |= tables_of(claim["judge"])
    for table in sorted(tables):
        try:
            jobs = row_jobs.jobs_of(table, budget(plan), seeds=1)
        except KeyError:  # no system or no recipe for it yet, so no run
            continue
        identities[table] = {job.row: identity(job) for job in jobs}
    return identities


def _interval(found: Difference | None) -> dict:
    if found is None:
        return {}
    known = math.isfinite(found.low)
    return {"measured": round(found.mean, 4), "n": found.n,
            "interval": (round(found.low, 4), round(found.high, 4)) if known else None}


def _exact(claim: dict) -> dict:
    judge = claim["judge"]
    if claim["id"] not in COMPUTED:
        return {"remark": judge.get("awaits", "")}
    value, agrees, formula = COMPUTED[claim["id"]]()
    says = judge["says"] if agrees else "does not follow"
    remark = f"Read so: {judge['reading']}." if "reading" in judge else ""
    return {"measured": _plain(value), "verdict": says, "formula": formula, "remark": remark}


def _plain(value):
    """A computed value as JSON keeps it: four significant digits where it is not whole."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, float) and not value.is_integer() else value


def _ratio(claim: dict, timings: dict) -> dict:
    by_device = timings.get(claim["id"])
    if not by_device:
        return {"remark": claim["judge"].get("awaits", "")}
    main, *others = sorted(by_device, key=lambda device: device != "cpu")
    outcome = _timing(claim, by_device[main])
    also = [f" On {device}: {timing.interval(by_device[device]).mean:.3g}." for device in others]
    return outcome | {"remark": outcome.get("remark", "") + "".join(also)}


def _timing(claim: dict, record: dict) -> dict:
    found = timing.interval(record)
    says, remark = timed.judge(claim, found)
    if record["hash"] != timing.identity(claim["id"], TIMED):
        return {"verdict": "stale"}
    size = timed.circumstances(record, REDUCED[claim["id"]])
    ours = claim["judge"].get("why")
    remark += f" The bound is ours: {ours}." if ours else ""
    remark += " The code has changed since." * changed_since(record)
    return _interval(found) | {"verdict": says, "cost": round(record["seconds"] / 60, 2),
                               "remark": f"Timed: {record['note']}{size} {remark.strip()}".strip()}


def _curve(claim: dict, trained: Trained) -> dict:
    """A claim with a judge of its own, which gives an Outcome or None."""
    judge = CURVES.get(claim["id"])
    if judge is None:
        return {}
    trained.used.clear()
    outcome = judge(claim, trained)
    missing = {"verdict": "stale" if trained.stale() else "not run", "tables": trained.tables()}
    if outcome is None:
        return missing
    if outcome.stale:
        return {"verdict": "stale"}
    remarks = [outcome.remark]
    if outcome.before_rules:
        remarks.append(OLD_RULES)
    fields = outcome_of(claim, outcome.comparisons, trained, remarks)
    if fields["verdict"] == "not run":
        return fields | missing
    return fields
