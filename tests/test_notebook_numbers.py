"""No notebook types a number that the register holds: it would not follow when the register is corrected."""
import re

import jupytext
import pytest

from paperlib.course.twins import NOTEBOOKS, names, twin_path
from paperlib.papers.printed import published
from paperlib.papers.register import claims

NUMBER = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)")
# headings, minutes, references, and the numbers of sections, figures and equations
PLACE = re.compile(r"^#[^\n]*$|<!-- minutes -->.*?<!-- /minutes -->"
                   r"|\*\*(?:References|Sources?|Paper)[.:]?\*\*.*?(?=\n\n|\Z)"
                   r"|(?:Secs?|[Ss]ections?|Figs?|Tables?|Eqs?|eqs?|App|chapters?)\.?\s*[\d.]+(?:,?\s+(?:and|to)?\s*[\d.]+)*",
                   re.MULTILINE | re.DOTALL)
SIZE = re.compile(r"(?:figsize|size)=\([^)]*\)")
SMALLEST_SCORE = 10  # smaller decimals in code are sizes and settings


def settings(paper: str) -> set[float]:
    """Numbers of a paper that are not results: gamma, alpha, IoU thresholds and other columns without a direction."""
    tables = [b for name, b in published().items() if b["paper"] == paper and not name.endswith(("/text", "/stats"))]
    plain = [(body, c["name"]) for body in tables for c in body["columns"] if not c["better"]]
    found = {row["values"][name] for body, name in plain for row in body["rows"]}
    return {float(v) for v in found if v is not None} | {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0, 2.0}


def scores(paper: str) -> set[float]:
    """Printed results: every cell of a column in which higher or lower is better."""
    tables = [body for body in published().values() if body["paper"] == paper]
    good = [(body, c["name"]) for body in tables for c in body["columns"] if c["better"]]
    cells = {row["values"][name] for body, name in good for row in body["rows"]}
    return {float(v) for v in cells if isinstance(v, float) and v != int(v)}


def claimed(paper: str) -> set[float]:
    """Numbers of claims on trained rows."""
    stated = [c["published"] for c in claims() if c["paper"] == paper and c["kind"] == "trend"]
    flat = [v for value in stated for v in (value if isinstance(value, list) else [value])]
    return {float(v) for v in flat if isinstance(v, float) and v != int(v)}


def papers_of(notebook: str) -> set[str]:
    """The papers whose claims name the notebook."""
    return {c["paper"] for c in claims() if c.get("notebook") == notebook}


def typed(text: str, papers: set[str], code: bool) -> list[str]:
    """The numbers in a cell that the register holds: all in prose, scores in code; scores of all without a paper."""
    every = papers or {c["paper"] for c in claims()}
    results = {v for paper in every for v in scores(paper)}
    if code or not papers:
        results = {v for v in results if v >= SMALLEST_SCORE}
    else:
        results |= {v for paper in papers for v in claimed(paper)}
    kept = results - {v for paper in every for v in settings(paper)}
    return [m for m in NUMBER.findall((SIZE if code else PLACE).sub("", text)) if float(m) in kept]


@pytest.mark.parametrize("name", names())
def test_no_notebook_types_a_published_number(name):
    cells = jupytext.read(twin_path(name, NOTEBOOKS), fmt="py:percent").cells
    wrong = [(i, found) for i, cell in enumerate(cells)
             if (found := typed(cell.source, papers_of(name), cell.cell_type == "code"))]
    assert not wrong, f"{name}: (cell, numbers) {wrong}: read them from paperlib.papers.files"


def test_the_lint_finds_what_it_should():
    focal = {"focal_loss"}
    assert typed("Focal loss gains 2.9 AP over 31.1.", focal, code=False) == ["2.9", "31.1"]
    assert typed("gamma 0.5, arXiv 1708.02002v2, Sec. 3.2 and 3.7, v34.0", focal, code=False) == []
    assert typed("**References.** Sec. 3.2 (loss), 2.9 (more)", focal, code=False) == []
    assert typed("## 3.2 Loss\n3.2 points", focal, code=False) == ["3.2"]
    assert typed("best = 34.0 - 0.25", focal, code=True) == []               # whole numbers are no evidence
    assert typed("best = 32.9", focal, code=True) == ["32.9"]
    assert typed("figsize=(8.5, 2.9)", focal, code=True) == []
    assert typed("It reached 32.9 there, 2.9 more.", set(), code=False) == ["32.9"]
