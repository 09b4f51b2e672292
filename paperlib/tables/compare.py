"""Published tables beside what was measured here: means, paired differences, verdicts, cost."""

from typing import TYPE_CHECKING

from paperlib.intervals import Difference, mean_interval, paired, verdict
from paperlib.papers.printed import by_variant, published
from paperlib.tables import dials, row_jobs
from paperlib.tables.identities import identity, is_current
from paperlib.tables.recorded import rows_of
from paperlib.training.recipes import Budget, as_budget

if TYPE_CHECKING:
    import pandas as pd

MAIN = ("AP", "mAP", "AR1k", "R50 AP", "avg")  # rows are compared by the first of these that the table has


def main_metric(table: str) -> str:
    """The column that a table is about."""
    columns = by_variant((published() | dials.tables())[table])["columns"]
    names = [column["name"] for column in columns]
    for metric in MAIN:
        if metric in names:
            return metric
    for column in columns:
        if column["better"] == "higher":
            return column["name"]
    return "AP"


def measured(table: str, plan: str | Budget | None = None) -> dict[str, dict]:
    """What `recorded.rows_of` gives of a table, whose runs are fresh if their identity is today's."""
    plan = as_budget(plan)
    keys = {}  # an identity is the same for every seed
    for job in row_jobs.jobs_of(table, plan, seeds=1):
        keys[job.row] = identity(job)
    body = row_jobs.runnable(table)
    return rows_of(table, plan.name, lambda record: is_current(record, keys.get(record["row"])), body)


def points(rows: dict[str, dict], row: str, metric: str) -> dict[int, float]:
    """{seed: score in points} of one row of `measured`; empty if nothing is recorded of it."""
    if row not in rows:
        return {}
    return {seed: 100 * score for seed, score in rows[row]["metrics"].get(metric, {}).items()}


def frame(table: str, plan: str | Budget | None = None, metric: str | None = None) -> "pd.DataFrame":
    """The table as the paper prints it beside ours: means, deltas to the baseline row, verdict, cost.

    Units: published as printed; ours in points (x 100); intervals are 95%. A delta is a row minus the
           table's baseline, ours paired over seeds; a single seed has no interval.
    `metric` None: the main one. A last column counts runs of before a change of code (changed_since), if any.
    """
    import pandas as pd  # here: claims are judged without it

    body, measured_rows = row_jobs.runnable(table), measured(table, plan)
    metric = metric or main_metric(table)
    printed = {row["label"]: row["values"].get(metric) for row in body["rows"]}
    printed |= dict.fromkeys(row_jobs.variants(table))
    scores = {label: points(measured_rows, label, metric) for label in measured_rows}
    lines, changed = {}, []
    for label in printed:
        entry = measured_rows.get(label, {})
        lines[label] = _line(label, body.get("baseline"), printed, scores, entry)
        changed.append(entry.get("changed", 0))
    columns = pd.MultiIndex.from_tuples(
        [
            ("paper", metric), ("paper", "delta"),
            ("ours", metric), ("ours", "±"), ("ours", "delta"), ("ours", "interval"),
            ("", "verdict"), ("cost", "seeds"), ("cost", "minutes"), ("cost", "diverged"), ("cost", "stale"),
        ]
    )
    shown = pd.DataFrame.from_dict(lines, "index", columns=columns).rename_axis(index=None)
    if any(changed):
        shown["cost", "runs by older code"] = changed
    return shown


def what_is_recorded(table: str, plan: str | Budget | None = None) -> str:
    """A sentence on how many rows of a table are not recorded yet, of those that can be run here."""
    plan = as_budget(plan)
    runnable = {job.row for job in row_jobs.jobs_of(table, plan, seeds=1)}
    recorded = {row for row, entry in measured(table, plan).items() if entry["metrics"]}
    missing = len(runnable - recorded)
    if missing:
        return f"{table}: {missing} of {len(runnable)} rows are not recorded yet."
    return f"{table}: all rows that can be run are recorded."


def _line(label: str, base: str, printed: dict, scores: dict, entry: dict) -> list:
    """One row of `frame`."""
    values, minutes = scores.get(label, {}), None
    if entry.get("seconds"):
        minutes = sum(entry["seconds"]) / 60
    mean, spread = _mean_and_spread(values)
    paper, delta, difference, says = printed[label], None, None, "baseline"
    if label != base:
        if paper is not None and printed.get(base) is not None:
            delta = paper - printed[base]
        difference = paired(values, scores.get(base, {}))
        says = verdict(difference, delta)
        if base is None and values:
            says = "no baseline"  # the rows of this table are set against each other by claims alone
        elif difference is None and values:
            says = "no pair yet"  # the baseline lacks the seeds of this row
    return [paper, delta, mean, spread, difference and difference.mean, _bounds(difference), says,
            len(values), minutes, entry.get("diverged", 0), entry.get("stale", 0)]


def _mean_and_spread(values: dict[int, float]) -> tuple[float | None, float | None]:
    """Mean of the seeds and half of its interval's width; None where there are too few."""
    if not values:
        return None, None
    mean = mean_interval(list(values.values()))
    if mean.n == 1:
        return mean.mean, None
    return mean.mean, (mean.high - mean.low) / 2


def _bounds(difference: Difference | None) -> tuple[float, float] | None:
    """The interval of a difference of two pairs or more."""
    if difference is None or difference.n < 2:
        return None
    return difference.low, difference.high


def dial_curve(table: str, plan: str | Budget | None = None) -> "pd.DataFrame":
    """A dial's curve: at each value both sides' metric, their difference, its 95% interval, pairs of seeds.

    Units: points. A value without a fresh pair of runs has n 0; one pair has no interval.
    """
    import pandas as pd  # here: claims are judged without it

    dial, rows = dials.dials()[table], measured(table, plan)
    lines = {}
    for value in dial["values"]:
        better = points(rows, dials.row_of(dial, value, "better"), dial["metric"])
        worse = points(rows, dials.row_of(dial, value, "worse"), dial["metric"])
        better_mean, worse_mean = _mean_and_spread(better)[0], _mean_and_spread(worse)[0]
        delta = paired(better, worse)
        pairs = len(better.keys() & worse.keys())
        lines[dials.say(value)] = [better_mean, worse_mean, delta and delta.mean, _bounds(delta), pairs]
    columns = [dial["better"]["label"], dial["worse"]["label"], "delta", "interval", "n"]
    return pd.DataFrame.from_dict(lines, "index", columns=columns).rename_axis(dial["dial"])
