"""What the scorecard shows of the published tables, beside ours where a row was run."""
import pandas as pd

from paperlib.papers.printed import UNREADABLE, by_variant, published
from paperlib.tables import compare, records
from paperlib.training.recipes import Budget

NOTHING = "–"


def published_tables(plan: Budget) -> list[dict]:
    """Every published table as text: name, caption, note, columns, rows; `metric` where we ran its rows."""
    return [_table(name, body, plan) for name, body in published().items()]


def _table(name: str, body: dict, plan: Budget) -> dict:
    """One table; its rows in the paper's order, then those that only we ran."""
    turned, metric, frame = by_variant(body), None, None
    if "run" in body and records.path_of(name, plan.name).exists():
        metric = compare.main_metric(name)
        frame = compare.frame(name, plan, metric)
    columns = [column["name"] for column in turned["columns"]]
    printed = {row["label"]: _printed(row, columns) for row in turned["rows"]}
    labels = list(printed)
    if frame is not None:
        labels += [label for label in frame.index if label not in printed]
    rows = []
    for label in labels:
        row = {"label": label, "printed": printed.get(label, [NOTHING] * len(columns)), "ours": None}
        if frame is not None:
            row["ours"] = _ours(frame.loc[label], metric)
        rows.append(row)
    return {
        "name": name,
        "caption": body["caption"],
        "note": f"{body['place']}. {body['data']}. {body.get('note', '')}",
        "columns": columns,
        "rows": rows,
        "metric": metric,
        "has_unreadable": any(row.get("unreadable") for row in turned["rows"]),
    }


def _printed(row: dict, columns: list[str]) -> list[str]:
    """What the paper prints in these columns; UNREADABLE where the copy that was read cannot be."""
    unreadable, cells = row.get("unreadable", ()), []
    for column in columns:
        value = row["values"].get(column)
        if column in unreadable:
            cells.append(UNREADABLE)
        elif value is None or pd.isna(value):
            cells.append(NOTHING)
        else:
            cells.append(f"{value:.6g}")
    return cells


def _ours(row: pd.Series, metric: str) -> dict[str, str]:
    """Our side of a row of `compare.frame`."""
    bounds, value = row["ours", "interval"], row["ours", metric]
    mean, interval = NOTHING, NOTHING
    if not pd.isna(value):
        mean = f"{value:.1f}"
    if isinstance(bounds, tuple):
        interval = f"[{_points(bounds[0])}, {_points(bounds[1])}]"
    return {
        "printed_difference": _points(row["paper", "delta"]),
        "difference": _points(row["ours", "delta"]),
        "interval": interval,
        "verdict": row["", "verdict"],
        "seeds": str(row["cost", "seeds"]),
        "mean": mean,
    }


def _points(difference: float | None) -> str:
    """A difference in points, with its sign."""
    if difference is None or pd.isna(difference):
        return NOTHING
    return f"{difference:+.1f}"
