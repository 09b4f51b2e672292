"""Result tables for the notebooks: formatted by what a column holds, readable without colour and by screen readers."""
import hashlib
import re

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
NUMBER = re.compile(r"[-+−]?[\d., ×^%]*")


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
    pairs as intervals, verdicts with a sign as well as a colour; nothing measured is a dash. Columns for the worst case
    ("diverged", "stale") show when there is one, and those of ours once something of ours was measured. Rows named by
    tuples are grouped by their first part.
    """
    if not caption.strip():
        raise ValueError("table() got an empty caption; expected a sentence that says what the rows are")
    frame = _needed(frame)
    html = _Table(frame, uuid=hashlib.sha256(caption.encode()).hexdigest()[:6], cell_ids=False, caption=caption)
    signed = [c for c in frame.columns if re.search(r"\bdelta\b", " ".join(c) if isinstance(c, tuple) else str(c))]
    html.format(lambda v: _cell(v, digits, signed=False)).map(_verdict_css)
    html.format(lambda v: _cell(v, digits, signed=True), subset=signed)
    html.format_index(lambda v: f"{v:g}" if isinstance(v, float) else v)
    if isinstance(frame.index, pd.RangeIndex):
        html.hide(axis="index")
    return html.set_table_styles([{"selector": selector, "props": props} for selector, props in _styles(frame)])


def _styles(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Numbers to the right and unbroken, words to the left, groups of columns under one line."""
    styles = [("caption", "text-align: left; font-weight: bold; padding: 4px 0; min-width: 36em"),
              ("td", "text-align: right; vertical-align: top; white-space: nowrap; font-variant-numeric: tabular-nums"),
              ("th.row_heading", "text-align: left; vertical-align: top"), ("th.index_name", "text-align: left")]
    if (levels := frame.columns.nlevels) > 1:
        styles.append(("th.col_heading.level0", "text-align: center; border-bottom: 1px solid #bbb"))
    for i in range(frame.shape[1]):
        if longest := _wordy(frame.iloc[:, i]):
            styles += [(f"td.col{i}", f"text-align: left; white-space: {'normal' if longest > 30 else 'nowrap'}"),
                       (f"th.level{levels - 1}.col{i}", "text-align: left")]
    return styles


def _needed(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of results without columns that say nothing, and the name of the index where the header's corner is."""
    if frame.index.nlevels == 1 and len(frame) and all(isinstance(row, tuple) for row in frame.index):
        frame = frame.set_axis(pd.MultiIndex.from_tuples(frame.index))
    if isinstance(frame.columns, pd.MultiIndex) and ("cost", "seeds") in frame:
        rare = [("cost", "diverged"), ("cost", "stale")]
        if not frame["cost", "seeds"].any():
            rare += [c for c in frame.columns if c[0] in ("ours", "cost") and c not in rare]
        frame = frame.drop(columns=[c for c in rare if not frame[c].any()])
    if frame.index.nlevels == frame.columns.nlevels == 1:
        frame = frame.rename_axis(index=None, columns=frame.index.name)
    return frame


def _wordy(column: pd.Series) -> int:
    """The length of the longest text in a column of words; 0 for one of numbers, also where they are written out."""
    texts = [v for v in column if isinstance(v, str)]
    there = sum(not (v is None or (np.ndim(v) == 0 and pd.isna(v))) for v in column)
    return 0 if len(texts) < there or all(NUMBER.fullmatch(v) for v in texts) else max(map(len, texts))


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
    value = round(value, digits) + 0.0 if isinstance(value, (float, np.floating)) else value  # + 0.0: no "-0.0"
    return f"{value:{'+' if signed else ''}.{digits}f}" if isinstance(value, (float, np.floating)) else str(value)


def _verdict_css(value) -> str:
    known = isinstance(value, str) and value in VERDICTS
    return f"color: {PALETTE[VERDICTS[value][1]]}; font-weight: bold" if known else ""
