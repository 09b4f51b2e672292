"""Every claim of the papers beside what was measured here: value, interval, verdict, and what it cost."""
import math
from collections.abc import Collection
from functools import partial

from paperlib.bench import timing
from paperlib.claims import rows, timed
from paperlib.claims.comparisons import Comparison
from paperlib.claims.frames import frame as frame
from paperlib.claims.joining import TWO_LOOKS, joined
from paperlib.claims.many_claims import with_q
from paperlib.claims.registry import COMPUTED, CURVES, REDUCED, TIMED
from paperlib.claims.tally import KINDS, Verdict
from paperlib.claims.tally import VERDICTS as VERDICTS
from paperlib.claims.tally import counts as counts
from paperlib.claims.trained import OLD_RULES, Trained, mixed
from paperlib.intervals import Difference
from paperlib.papers.judges import contrasts
from paperlib.papers.register import claims
from paperlib.tables.source import changed_since
from paperlib.training.recipes import Budget, budget


def judged(plan: str | Budget | None = "mini", paper: str | None = None,
           kinds: Collection[str] = tuple(KINDS)) -> list[Verdict]:
    """A verdict for each claim, in the papers' order.

    `plan` is the trained rows' budget; without `paper` the claims of all papers are given, without `kinds`
    those of every kind. (All trained ones are judged in any case: each one's q depends on the others' p.)
    Errors: ValueError naming file and line of a record that was edited by hand, or the claim whose rows
            cannot be set side by side.
    """
    plan = plan if isinstance(plan, Budget) else budget(plan)
    trained = Trained(plan)
    judges = {
        "test": _exact,
        "measure": partial(_ratio, timings=timing.measured(timing.TABLE)),
        "rows": partial(_rows, trained=trained),
        "curve": partial(_curve, trained=trained),
        "external": lambda claim: {"verdict": "external", "remark": claim["judge"]["why"]},
    }
    lines = []
    for claim in claims():
        wanted = paper in (None, claim["paper"]) and claim["kind"] in kinds
        if wanted or claim["kind"] == "trend":
            lines.append(_line(claim, judges[claim["judge"]["by"]](claim), plan))
    chosen = []
    for line in with_q(lines):
        if paper in (None, line.paper) and line.kind in kinds:
            chosen.append(line)
    return chosen


def _line(claim: dict, outcome: dict, plan: Budget) -> Verdict:
    judge, fields = claim["judge"], {"formula": claim.get("formula")} | outcome
    remark = fields.pop("remark", "")
    for key in ("id", "paper", "place", "kind", "tier", "say", "published", "unit", "notebook", "line"):
        fields[key] = claim.get(key)
    measured_at = {"rows": plan.name, "curve": plan.name, "measure": timing.BUDGET}
    how = _how(judge)
    common = {"compared": how, "how": how, "table": judge.get("table"), "budget": measured_at.get(judge["by"]),
              "note": " ".join(filter(None, (claim.get("note"), remark)))}
    return Verdict(**common | fields)


def _how(judge: dict) -> str:
    """How a claim is judged, in a few words."""
    if judge["by"] == "rows":
        return "; and ".join(rows.words_of(part) for part in contrasts(judge))
    return {"test": "computed", "measure": "timed in one process, random weights", "external": "not testable here",
            "curve": judge.get("property", "")}[judge["by"]]


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


def _rows(claim: dict, trained: Trained) -> dict:
    """A claim on rows of tables."""
    trained.used.clear()
    comparisons = rows.compared(claim, trained)
    reasons = {part.why for part in contrasts(claim["judge"])} - {None}
    bounds = [f"Bound of ours: {why}." for why in sorted(reasons)]
    apart, names = 0, set()
    pairs = {comparison.pair for comparison in comparisons if len(comparison.pair) == 2}
    total = 0
    for pair in pairs:
        better, worse = (trained.row(*place) for place in pair)
        seeds = better["products"].keys() & worse["products"].keys()
        number, kinds = mixed(better, worse, seeds)
        apart, total, names = apart + number, total + len(seeds), names | kinds
    if apart:
        kinds = ", ".join(sorted(names))
        bounds.append(f"{apart} of {total} pairs are of runs with different products ({kinds}).")
    return _outcome(claim, comparisons, trained, bounds) | {"mixed": apart}


def _curve(claim: dict, trained: Trained) -> dict:
    """A claim with a judge of its own, which gives an Outcome or None."""
    judge = CURVES.get(claim["id"])
    if judge is None:
        return {}
    trained.used.clear()
    outcome = judge(claim, trained)
    missing = {"verdict": "stale" if trained.stale() else "not run"}
    if outcome is None:
        return missing
    if outcome.stale:
        return {"verdict": "stale"}
    remarks = [outcome.remark]
    if outcome.before_rules:
        remarks.append(OLD_RULES)
    fields = _outcome(claim, outcome.comparisons, trained, remarks)
    if fields["verdict"] == "not run":
        return fields | missing
    return fields


def _outcome(claim: dict, comparisons: list[Comparison], trained: Trained, remarks: list[str]) -> dict:
    """Verdict, parts and remarks of a trained claim."""
    judge = claim["judge"]
    looks, n_of = judge.get("looks", ()), judge.get("n_of", "seeds")
    result, facts = joined(comparisons, looks), trained.facts()
    part = result.parts[result.deciding]
    shown = {"verdict": result.verdict, "parts": result.parts, "looks": tuple(looks), "p": result.p,
             "n_of": n_of}
    if result.verdict in ("stale", "not run"):
        return shown | {"delta": part.delta, "remark": ""}
    said = [f"Measured: {part.compared}{_among(len(comparisons))}.", *remarks, *map(_sentence, looks)]
    if n_of != "seeds":
        said.append(f"n counts {n_of}.")
    return shown | {"compared": part.compared, "measured": part.measured, "interval": part.interval,
                    "n": part.n, "delta": part.delta, "pairs": _enough(result.parts),
                    "cost": facts.minutes() or None, "remark": " ".join(filter(None, [*said, *facts.sentences()]))}


def _among(parts: int) -> str:
    if parts == 1:
        return ""
    return f", one of {parts} parts, of which all must hold"


def _sentence(look: str) -> str:
    if look == TWO_LOOKS:
        return "Seeds extended after a look: intervals are of 97.5%."
    return f"{look[0].upper()}{look[1:]}."


def _enough(parts: Collection) -> int | None:
    """The most pairs that any unresolved part needs; None where one cannot be resolved."""
    needed = [part.pairs for part in parts if part.verdict == "unresolved"]
    if not needed or None in needed:
        return None
    return max(needed)
