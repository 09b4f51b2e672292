"""A page for each paper: its notebooks, what became of its claims, its tables and its terms."""
from collections import Counter
from pathlib import Path

from paperlib.claims.page.scorecard import SIGNS, anchor
from paperlib.claims.tally import VERDICTS
from paperlib.course.page_text import heading_id, render
from paperlib.course.site import glossary
from paperlib.papers.names import NAMES, PAPERS
from paperlib.papers.printed import published

NOTEBOOKS = {"rcnn": ("03_rcnn",), "fast_rcnn": ("04_fast_rcnn",), "faster_rcnn": ("05_faster_rcnn",),
             "coco": ("01_coco", "02_scoring"), "sharpmask": ("06_deepmask", "07_sharpmask"),
             "fpn": ("08_fpn", "09_fpn_masks"),
             "focal_loss": ("10_focal_loss", "11_retinanet")}


def write(lines: list, titles: dict[str, str], out: Path) -> None:
    """Write papers.html and paper_<key>.html from judged claims and the {name: title} of notebooks."""
    facts = {key: _facts(key, lines, titles) for key in PAPERS}
    for key, paper in facts.items():
        page = render("paper.html.j2", paper=paper, signs=SIGNS, names=NAMES)
        (out / f"paper_{key}.html").write_text(page, encoding="utf-8")
    (out / "papers.html").write_text(render("papers.html.j2", papers=facts), encoding="utf-8")


def _facts(key: str, lines: list, titles: dict[str, str]) -> dict:
    tables = []
    for name, body in published().items():
        if body["paper"] == key:
            title = body["title"]
            tables.append({"caption": body["caption"], "place": body["place"], "anchor": anchor(name)})
    claims = [line for line in lines if line.paper == key]
    times = Counter(line.verdict for line in claims)
    counted = [(verdict, times[verdict]) for verdict in VERDICTS if times[verdict]]
    terms = [term for term in glossary.terms() if term.paper == key]
    notebooks = [(name, titles[name]) for name in NOTEBOOKS[key] if name in titles]
    return {"key": key, "name": NAMES[key], "title": title, "tables": tables, "claims": claims,
            "counts": counted, "terms": terms, "notebooks": notebooks, "since": heading_id(NAMES[key])}
