"""Result tables for the notebooks, formatted by content, readable without colour and by screen readers."""
import hashlib
import re

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler

# The colours of verdicts: dark enough to be read as small text on white and on the grey of every other row.
WRITTEN = {"blue": "#005a8c", "green": "#00694c", "vermillion": "#a63a00", "orange": "#7a5200",
           "black": "#000000"}
VERDICTS = {"follows": ("✓", "blue"), "follows under a reading": ("✓", "blue"),
            "conforms": ("=", "blue"), "does not follow": ("✗", "vermillion"), "holds": ("✓", "green"),
            "holds, smaller": ("✓", "green"), "holds, larger": ("✓", "green"),
            "contradicted": ("✗", "vermillion"), "unresolved": ("?", "black"), "stale": ("!", "orange")}
DELTA = re.compile(r"\bdelta\b")
NUMBER = re.compile(r"[-+−]?[\d., ×^%]*")
# letters from which a text may be broken into lines, and from which its column may not be narrow
BROKEN, LONG = 16, 30
EMPTY_HEADER = re.compile(r'<th class="blank([^>]*)>(?:&nbsp;|\s)*</th>')


class _Table(Styler):
    """A Styler whose header cells carry `scope` and words, and whose plain form has no address."""

    def _repr_html_(self):
        html = super()._repr_html_()
        for kind, scope in (("col_heading", "col"), ("index_name", "col"), ("row_heading", "row")):
            html = html.replace(f'<th class="{kind}', f'<th scope="{scope}" class="{kind}')
        return EMPTY_HEADER.sub(r'<td class="blank\1></td>', html)

    def __repr__(self):
        return self.data.to_string()


def table(frame: pd.DataFrame, caption: str, digits: int = 1) -> Styler:
    """A table with a caption; the last expression of a cell shows it.

    Columns are formatted by what they hold: numbers with `digits`, those named "delta" with a sign, (low,
    high) pairs as intervals, verdicts with a sign as well as a colour; nothing measured is a dash. The
    columns "diverged" and "stale" are left out where nothing is, and those of ours where nothing of ours was
    measured. Rows named by tuples are grouped by their first part.
    """
    if not caption.strip():
        raise ValueError("table() got an empty caption; expected a sentence that says what the rows are")
    frame = _needed(frame)
    name = hashlib.sha256(caption.encode()).hexdigest()[:6]
    html = _Table(frame, uuid=name, cell_ids=False, caption=caption)
    signed = [column for column in frame.columns if DELTA.search(_name(column))]
    html.format(lambda v: _cell(v, digits, signed=False)).map(_verdict_css)
    html.format(lambda v: _cell(v, digits, signed=True), subset=signed)
    html.format_index(_index)
    if isinstance(frame.index, pd.RangeIndex):
        html.hide(axis="index")
    return html.set_table_styles(_styles(frame))


def _name(column) -> str:
    """The name of a column; the parts of a nested one after one another."""
    return " ".join(column) if isinstance(column, tuple) else str(column)


def _index(value):
    return f"{value:g}" if isinstance(value, float) else value


def _styles(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Numbers to the right and unbroken, words to the left, groups of columns under one line."""
    styles = {
        "caption": "text-align: left; font-weight: bold; padding: 4px 0; min-width: 36em",
        "td": "text-align: right; vertical-align: top; white-space: nowrap; "
        "font-variant-numeric: tabular-nums",
        "th.row_heading": "text-align: left; vertical-align: top",
        "th.index_name": "text-align: left",
    }
    levels = frame.columns.nlevels
    if frame.index.nlevels == 1 and _longest_words(frame.index.to_series()) > LONG:
        styles["th.row_heading"] += "; min-width: 12em"
    if levels > 1:
        styles["th.col_heading.level0"] = "text-align: center; border-bottom: 1px solid #bbb"
    for i in range(frame.shape[1]):
        if longest := _longest_words(frame.iloc[:, i]):
            styles[f"td.col{i}"] = f"text-align: left; white-space: {_breaks(longest)}"
            styles[f"th.level{levels - 1}.col{i}"] = "text-align: left"
    return [{"selector": selector, "props": props} for selector, props in styles.items()]


def _breaks(longest: int) -> str:
    """How the texts of a column are broken into lines, by the letters of the longest."""
    if longest > LONG:
        return "normal; min-width: 9em; overflow-wrap: anywhere"
    if longest > BROKEN:
        return "normal; min-width: 6em"
    return "nowrap"


def _needed(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of results without empty columns, with the name of its index in the header's corner."""
    if frame.index.nlevels == 1 and len(frame) and set(map(type, frame.index)) == {tuple}:
        frame = frame.set_axis(pd.MultiIndex.from_tuples(frame.index))
    if isinstance(frame.columns, pd.MultiIndex) and ("cost", "seeds") in frame:
        optional = {("cost", "diverged"), ("cost", "stale")}
        if not frame["cost", "seeds"].any():
            optional |= {column for column in frame.columns if column[0] in ("ours", "cost")}
        frame = frame.drop(columns=[column for column in optional if not frame[column].any()])
    if frame.index.nlevels == frame.columns.nlevels == 1:
        frame = frame.rename_axis(index=None, columns=frame.index.name)
    return frame


def _longest_words(column: pd.Series) -> int:
    """The length of the longest text in a column of words; 0 for one of numbers, written as text or not."""
    longest, has_words = 0, False
    for value in column:
        if isinstance(value, str):
            longest = max(longest, len(value))
            has_words |= not NUMBER.fullmatch(value)
        elif not _missing(value):
            return 0
    return longest if has_words else 0


def _missing(value) -> bool:
    return np.ndim(value) == 0 and pd.isna(value)


def _cell(value, digits: int, signed: bool) -> str:
    """A value of a table as text; the docstring of `table` says how."""
    if isinstance(value, (tuple, list)) and len(value) == 2:
        low, high = value
        return "–" if low is None else f"[{low:+.{digits}f}, {high:+.{digits}f}]"
    if _missing(value):
        return "–"
    if isinstance(value, str) and value in VERDICTS:
        return f"{VERDICTS[value][0]} {value}"
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    sign = "+" if signed else ""
    if isinstance(value, (int, np.integer)):
        return f"{value:{sign}d}"
    if isinstance(value, (float, np.floating)):
        return f"{round(value, digits) + 0.0:{sign}.{digits}f}"  # + 0.0: no "-0.0"
    return str(value)


def _verdict_css(value) -> str:
    if not isinstance(value, str) or value not in VERDICTS:
        return ""
    return f"color: {WRITTEN[VERDICTS[value][1]]}; font-weight: bold"
