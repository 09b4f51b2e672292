"""Every claim of the papers beside what was measured here: value, interval, verdict, and what it cost."""
import math
import re
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from paperlib.bench import timing
from paperlib.claims import timed
from paperlib.claims.registry import COMPUTED, CURVES, REDUCED, TIMED
from paperlib.claims.tally import VERDICTS as VERDICTS
from paperlib.claims.tally import counts as counts
from paperlib.intervals import Difference, paired, pairs_to_see, verdict
from paperlib.papers.printed import by_variant, published
from paperlib.papers.register import claims
from paperlib.tables import compare, records
from paperlib.tables.source import changed_since
from paperlib.training.recipes import Budget, budget

if TYPE_CHECKING:
    import pandas as pd

NOTHING = {"measured": None, "interval": None, "n": 0, "verdict": "not run", "cost": None, "delta": None, "pairs": None,
           "mixed": None, "remark": ""}


def judged(plan: str | Budget | None = "mini", paper: str | None = None) -> list[dict]:
    """One record a claim, in the papers' order: what the paper says, what was measured, and the verdict.

    Units: "published" as printed, in "unit"; "measured" and "interval" in the unit of what was compared: points
           (x 100) for rows of a table. "delta" is the printed difference of the two rows, where both are printed;
           "n" the pairs of seeds, or the repeats of a timing; "cost" minutes. "pairs" says of an unresolved claim how
           many pairs of seeds would show a difference of the printed size (or of the margin), see `pairs_to_see`;
           "compared" what "measured" is; "mixed" the pairs of seeds, of two rows of a table, whose runs were made
           with different products (records.products; "unknown" is a kind too), None for claims judged otherwise.
           `plan` is the trained rows' budget; without `paper` the claims of all papers are judged.
    Errors: ValueError naming file and line of a record that was edited by hand.
    """
    plan = plan if isinstance(plan, Budget) else budget(plan)
    trained = _Trained(plan)
    timings = timing.measured(timing.TABLE)
    judges = {
        "test": lambda claim: _exact(claim),
        "measure": lambda claim: _ratio(claim, timings),
        "rows": lambda claim: _rows(claim, trained),
        "curve": lambda claim: _curve(claim, trained),
        "external": lambda claim: {"verdict": "external", "remark": claim["judge"]["why"]},
    }
    chosen = [claim for claim in claims() if paper in (None, claim["paper"])]
    return [_line(claim, judges[claim["judge"]["by"]](claim), plan) for claim in chosen]


def frame(lines: Iterable[dict], kind: str) -> "pd.DataFrame":
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

    rows = {}
    for line in (line for line in lines if line["kind"] == kind):
        ours, interval = line["measured"], line["interval"]
        ours = words(ours) if kind == "exact" and ours is not None else ours
        rows[line["say"]] = [line["compared"] if kind == "trend" else None, line["place"],
                             words(line["published"], ""), ours, interval and tuple(interval), line["n"] or None,
                             line["pairs"], line["verdict"]]
    columns = ["what is compared", "place", "paper", "ours", "95% interval", "n", "enough", "verdict"]
    found = pd.DataFrame.from_dict(rows, "index", columns=columns, dtype=object)
    return found.dropna(axis=1, how="all").rename_axis("claim")


def _line(claim: dict, outcome: dict, plan: Budget) -> dict:
    outcome = NOTHING | outcome
    judge, remark = claim["judge"], outcome.pop("remark")
    note = " ".join(text for text in (claim.get("note", ""), remark) if text)
    told = re.fullmatch(r"Measured(?:, [^:]*)?: (.*?)\.?", remark)
    kept = {key: claim.get(key) for key in ("id", "paper", "place", "kind", "tier", "say", "published", "unit")}
    measured_at = {"rows": plan.name, "curve": plan.name, "measure": timing.BUDGET}.get(judge["by"])
    kept |= {key: claim.get(key) for key in ("formula", "notebook", "line")}
    kept |= {"how": _how(judge), "compared": told[1] if told else _how(judge)}
    return kept | {"note": note, "table": judge.get("table"), "budget": measured_at} | outcome


def _how(judge: dict) -> str:
    """How a claim is judged, in a few words."""
    if judge["by"] == "rows":
        margin = f", no more than {judge['margin']:g} apart" if "margin" in judge else ""
        share = f"{judge['share']:g} times " if "share" in judge else ""
        return f"{share}{judge['metric']} of \"{judge['better']}\" minus \"{judge['worse']}\"{margin}"
    return {"test": "computed", "measure": "timed in one process, random weights", "external": "not testable here",
            "curve": judge.get("property", "")}[judge["by"]]


def _interval(found: Difference | None) -> dict:
    if found is None:
        return {}
    known = math.isfinite(found.low)
    return {"measured": round(found.mean, 4), "n": found.n,
            "interval": [round(found.low, 4), round(found.high, 4)] if known else None}


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


class _Trained:
    """What was measured of each table under one budget, read once; tables without records cost nothing."""

    def __init__(self, plan: Budget):
        self.plan, self._known = plan, {}

    def rows(self, table: str) -> dict[str, dict]:
        if table not in self._known:
            there = "run" in published()[table] and records.path_of(table, self.plan.name).exists()
            self._known[table] = compare.measured(table, self.plan) if there else {}
        return self._known[table]

    def points(self, table: str, row: str, metric: str) -> dict[int, float]:
        """{seed: value x 100} of the runs that are not stale."""
        return {s: 100 * v for s, v in self.rows(table).get(row, {}).get("metrics", {}).get(metric, {}).items()}


def _rows(claim: dict, trained: _Trained) -> dict:
    judge = claim["judge"]
    table, metric, pair = judge["table"], judge["metric"], (judge["better"], judge["worse"])
    turned = by_variant(published()[table])
    printed = {row["label"]: row["values"].get(metric) for row in turned["rows"]}
    sign = -1 if any(c["name"] == metric and c["better"] == "lower" for c in turned["columns"]) else 1
    share, (high, low) = judge.get("share", 1), (printed.get(label) for label in pair)
    delta = None if None in (high, low) else round(share * high - low, 4)
    better, worse = (trained.points(table, label, metric) for label in pair)
    found = paired({seed: share * value for seed, value in better.items()}, worse)
    nothing = {"stale": 0, "seconds": [], "diverged": 0, "products": {}, "changed": 0}
    mine = [trained.rows(table).get(label, nothing) for label in pair]
    mixed, told = _mixed(*mine, better.keys() & worse.keys())
    says = verdict(found, sign, judge.get("margin"))
    stale = sum(row["stale"] for row in mine)
    remark = "".join(f" {row['diverged']} of {len(row['seconds'])} runs of \"{label}\" diverged."
                     for label, row in zip(pair, mine) if row["diverged"])
    if stale and found is not None:
        remark += f" {stale} stale runs are left out."
    if changed := sum(row["changed"] for row in mine):
        told += f" The code has changed since {changed} of these runs."
    seconds = sum(sum(row["seconds"]) for row in mine)
    effect = judge.get("margin", delta)
    pairs = pairs_to_see(effect, found) if says == "unresolved" and effect is not None else None
    return _interval(found) | {"verdict": "stale" if found is None and stale else says, "delta": delta,
                               "pairs": pairs, "mixed": mixed, "cost": round(seconds / 60, 2) if found else None,
                               "remark": (remark + told).strip()}


def _mixed(better: dict, worse: dict, seeds: Collection[int]) -> tuple[int, str]:
    """How many of these seeds' two runs were made with different products, and a sentence that says so, if any."""
    kinds = [{better["products"][seed], worse["products"][seed]} for seed in seeds]
    apart = [both for both in kinds if len(both) > 1]
    names = ", ".join(sorted(set().union(*apart)))
    told = f" {len(apart)} of {len(kinds)} pairs are of runs with different products ({names})." if apart else ""
    return len(apart), told


def _curve(claim: dict, trained: _Trained) -> dict:
    """A claim with a judge of its own, which gives (difference, verdict, remark) or None."""
    judge = CURVES.get(claim["id"])
    outcome = judge and judge(claim, trained)
    return _interval(outcome[0]) | {"verdict": outcome[1], "remark": outcome[2]} if outcome else {}
