"""A claim on rows of tables as a verdict: its parts joined, what is to be said of the runs. Without torch."""
from collections.abc import Collection

from paperlib.claims import rows
from paperlib.claims.comparisons import Comparison
from paperlib.claims.joining import TWO_LOOKS, joined
from paperlib.claims.tally import Verdict
from paperlib.claims.trained import Trained, mixed
from paperlib.papers.expected import expected
from paperlib.papers.judges import contrasts
from paperlib.training.recipes import stand_in

TIMINGS = "bench"  # the budget under which timings are recorded


def line_of(claim: dict, outcome: dict, plan: str) -> Verdict:
    """The verdict on a claim from the fields that its judge gave; `plan` is the trained rows' budget."""
    judge, fields = claim["judge"], {"formula": claim.get("formula")} | outcome
    remark = fields.pop("remark", "")
    for key in ("id", "paper", "place", "kind", "tier", "say", "published", "unit", "notebook", "line"):
        fields[key] = claim.get(key)
    trained_at = stand_in(judge.get("table", ""), plan)
    measured_at = {"rows": trained_at, "curve": trained_at, "measure": TIMINGS}
    how = _how(judge)
    common = {"compared": how, "how": how, "table": judge.get("table"),
              "budget": measured_at.get(judge["by"]),
              "note": " ".join(filter(None, (claim.get("note"), remark, expected(claim["id"], trained_at))))}
    return Verdict(**common | fields)


def _how(judge: dict) -> str:
    """How a claim is judged, in a few words."""
    if judge["by"] == "rows":
        return "; and ".join(rows.words_of(part) for part in contrasts(judge))
    return {"test": "computed", "measure": "timed in one process, random weights",
            "external": "not testable here", "curve": judge.get("property", "")}[judge["by"]]


def on_rows(claim: dict, trained: Trained) -> dict:
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
    return outcome_of(claim, comparisons, trained, bounds) | {"mixed": apart}


def outcome_of(claim: dict, comparisons: list[Comparison], trained: Trained, remarks: list[str]) -> dict:
    """Verdict, parts and remarks of a trained claim."""
    judge = claim["judge"]
    looks, n_of = judge.get("looks", ()), judge.get("n_of", "seeds")
    result, facts = joined(comparisons, looks), trained.facts()
    part = result.parts[result.deciding]
    shown = {"verdict": result.verdict, "parts": result.parts, "looks": tuple(looks), "p": result.p,
             "n_of": n_of, "tables": trained.tables()}
    if result.verdict in ("stale", "not run"):
        return shown | {"delta": part.delta, "remark": ""}
    said = [f"Measured: {part.compared}{_among(len(comparisons))}.", *remarks, *map(_sentence, looks)]
    if n_of != "seeds":
        said.append(f"n counts {n_of}.")
    remark = " ".join(filter(None, [*said, *facts.sentences()]))
    return shown | {"compared": part.compared, "measured": part.measured, "interval": part.interval,
                    "n": part.n, "delta": part.delta, "pairs": _enough(result.parts),
                    "cost": facts.minutes() or None, "remark": remark}


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
