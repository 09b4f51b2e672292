"""Result tables for the notebooks: formatted by what a column holds, readable without colour and by screen readers."""
import hashlib

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

# Okabe and Ito's colours, told apart with any kind of colour vision; pale ones last, as they are faint on white.
PALETTE = {
    "blue": "#0072B2", "vermillion": "#D55E00", "green": "#009E73", "purple": "#CC79A7",
    "orange": "#E69F00", "sky": "#56B4E9", "black": "#000000", "yellow": "#F0E442",
}
VERDICTS = {"holds": ("✓", "green"), "contradicted": ("✗", "vermillion"), "unresolved": ("?", "black"),
            "stale": ("!", "orange")}


class _Table(Styler):
    """A Styler whose header cells carry `scope`, and whose plain form is the table itself, without an address."""

    def _repr_html_(self):
        html = super()._repr_html_()
        for kind, scope in (("col_heading", "col"), ("index_name", "col"), ("row_heading", "row")):
            html = html.replace(f'<th class="{kind}', f'<th scope="{scope}" class="{kind}')
        return html

    def __repr__(self):
        return self.data.to_string()


def table(frame: pd.DataFrame, caption: str, digits: int = 1) -> Styler:
    """A table with a caption; the last expression of a cell shows it.

    Columns are formatted by what they hold: numbers with `digits`, those named "delta" with a sign, (low, high)
    pairs as intervals, verdicts with a sign as well as a colour; nothing measured is a dash.
    """
    if not caption.strip():
        raise ValueError("table() got an empty caption; expected a sentence that says what the rows are")
    html = _Table(frame, uuid=hashlib.sha256(caption.encode()).hexdigest()[:6], cell_ids=False, caption=caption)
    signed = [c for c in frame.columns if "delta" in (c if isinstance(c, tuple) else (c,))]
    html.format(lambda v: _cell(v, digits, signed=False)).map(_verdict_css)
    html.format(lambda v: _cell(v, digits, signed=True), subset=signed)
    return html.set_table_styles([
        {"selector": "caption", "props": "text-align: left; font-weight: bold; padding: 4px 0"},
        {"selector": "td", "props": "text-align: right; font-variant-numeric: tabular-nums"},
        {"selector": "th.row_heading", "props": "text-align: left"}])


def _cell(value, digits: int, signed: bool) -> str:
    if isinstance(value, (tuple, list)) and len(value) == 2:
        return "–" if value[0] is None else f"[{value[0]:+.{digits}f}, {value[1]:+.{digits}f}]"
    if isinstance(value, str):
        return f"{VERDICTS[value][0]} {value}" if value in VERDICTS else value
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if np.ndim(value) == 0 and pd.isna(value):
        return "–"
    if isinstance(value, (int, np.integer)):
        return f"{value:+d}" if signed else f"{value:d}"
    return f"{value:{'+' if signed else ''}.{digits}f}" if isinstance(value, (float, np.floating)) else str(value)


def _verdict_css(value) -> str:
    known = isinstance(value, str) and value in VERDICTS
    return f"color: {PALETTE[VERDICTS[value][1]]}; font-weight: bold" if known else ""
