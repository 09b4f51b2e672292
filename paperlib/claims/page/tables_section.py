"""The published tables of the scorecard, beside ours where a row was run."""
from html import escape

import pandas as pd

from paperlib.papers.printed import UNREADABLE, by_variant, published
from paperlib.tables import compare, records
from paperlib.training.recipes import Budget

SIGNS = {"holds": "✓", "contradicted": "✗", "unresolved": "?", "stale": "!", "not run": "–", "external": "↗"}
OURS = ("printed difference", "our difference", "95% interval", "verdict", "seeds", "our {}, drawn images")
OURS_NOTE = " Differences are to the table’s baseline row, ours paired over seeds, in points."


def badge(verdict: str) -> str:
    """A verdict as HTML: a sign that screen readers skip, and the word."""
    return f'<span class="verdict {verdict.split()[0]}"><span aria-hidden=true>{SIGNS[verdict]} </span>{verdict}</span>'


def scroll(name: str) -> str:
    """The start of a box that scrolls sideways, by keyboard too."""
    return f'<div class=scroll role=region tabindex=0 aria-label="{escape(name, quote=True)}">'


def anchor(table: str) -> str:
    """The id of a table's section on the page."""
    return table.replace("/", "-")


def tables_section(plan: Budget) -> str:
    """Every published table, folded; the paper's main metric beside ours, as differences to the baseline row."""
    made = []
    for name, body in published().items():
        run = "run" in body and records.path_of(name, plan.name).exists()
        metric = compare.main_metric(name)
        table = _table(name, body, compare.frame(name, plan, metric) if run else None, metric)
        made.append(f'<details class=table-of id="t-{anchor(name)}"><summary><b>{name}</b> {escape(body["caption"])}'
                    f"{' – with ours' if run else ''}</summary>{table}</details>\n")
    return "".join(made)


def _table(name: str, body: dict, ours: pd.DataFrame | None, metric: str) -> str:
    turned = by_variant(body)
    columns = [c["name"] for c in turned["columns"]]
    labels = [row["label"] for row in turned["rows"]]
    values = {row["label"]: row["values"] | dict.fromkeys(row.get("unreadable", ()), UNREADABLE)
              for row in turned["rows"]}
    if ours is not None:
        labels += [label for label in ours.index if label not in values]
    head = "".join(f"<th scope=col class=num>{escape(c)}</th>" for c in columns)
    head += "".join(f"<th scope=col class=num>{h.format(metric)}</th>" for h in OURS) if ours is not None else ""
    rows = "".join(
        f"<tr><th scope=row class=label>{escape(label)}</th>"
        + "".join(f"<td class=num>{_cell(values.get(label, {}).get(c))}</td>" for c in columns)
        + (_our_cells(ours.loc[label], metric) if ours is not None else "") + "</tr>" for label in labels)
    note = escape(f"{body['place']}. {body['data']}. {body.get('note', '')}")
    note += OURS_NOTE if ours is not None else ""
    note += " ?: not in the copy that was read." if any(UNREADABLE in row.values() for row in values.values()) else ""
    return (f"{scroll(f'Table {name}')}<table class=narrow><caption>{note}</caption><thead>"
            f"<tr><th scope=col>row</th>{head}</tr></thead><tbody>{rows}</tbody></table></div>")


def _our_cells(row: pd.Series, metric: str) -> str:
    bounds = row["ours", "interval"]
    verdict = row["", "verdict"]
    mean = row["ours", metric]
    cells = [_cell(row["paper", "delta"], "+"), _cell(row["ours", "delta"], "+"),
             f"[{_cell(bounds[0], '+')}, {_cell(bounds[1], '+')}]" if isinstance(bounds, tuple) else "–",
             badge(verdict) if verdict in SIGNS else verdict, str(row["cost", "seeds"]),
             "–" if pd.isna(mean) else f"{mean:.1f}"]
    return "".join(f"<td class=num>{cell}</td>" for cell in cells)


def _cell(value, sign: str = "") -> str:
    if value == UNREADABLE:
        return value
    if value is None or pd.isna(value):
        return "–"
    return f"{value:{sign}.1f}" if sign else f"{value:.6g}"
