"""The report as one HTML page that needs nothing else: no network, no script but its own.

The page itself is `report.html.j2`, a Jinja template that takes in `report.css`, `report.js` and `charts.j2`.
"""
import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paperlib.report.charts import Plot
from paperlib.report.facts import CURVE_IOUS, Facts, headline
from paperlib.report.over_images import Measured
from paperlib.report.thresholds import BINS
from paperlib.scoring.coco_curves import RECALLS

NOTHING = "–"
TITLE_END = b": detection report</title>"  # of every page, as the template has it
HEAD = 10_000                  # bytes of a page that hold its title
MEANINGS = {
    "AP": "mean over ten IoU thresholds, .50 to .95",
    "AP50": "a box counts from IoU .50",
    "AP75": "a box counts from IoU .75",
    "APs": "small objects", "APm": "medium objects", "APl": "large objects",
    "AR1": "recall, the best detection of each image",
    "AR10": "recall, the best 10", "AR100": "recall, the best 100",
    "ARs": "recall of small objects", "ARm": "recall of medium objects", "ARl": "recall of large objects",
}
MANY = 12                      # classes whose curves are shown at once; those of the others unfold


def write(facts: Facts, out: Path | str) -> Path:
    """Write the page; its path. Errors: OSError where it cannot be written."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(facts), encoding="utf-8", newline="\n")
    return out


def is_page(file: Path) -> bool:
    """Whether a file is a page that `write` wrote."""
    with file.open("rb") as stored:
        return TITLE_END in stored.read(HEAD)


def page(facts: Facts) -> str:
    """The page's HTML."""
    files = FileSystemLoader(Path(__file__).parent)
    pages = Environment(loader=files, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                        lstrip_blocks=True)
    pages.filters |= {"points": points, "share": share, "signed": signed, "score": score, "count": count}
    return pages.get_template("report.html.j2").render(
        facts=facts, headline=headline(facts), meanings=MEANINGS, recalls=RECALLS,
        mean_curves=list(zip(CURVE_IOUS, facts.mean_curves)),
        many=MANY, bins=BINS, Plot=Plot, shade=shade, known=known, decided=decided,
        cut=facts.cut, reach=_reach(list(facts.differences.values())))


def _reach(differences: list[Measured]) -> float:
    """How far a chart of differences reaches to either side: what holds all of them and their intervals."""
    reach = 0.001
    for each in differences:
        for end in (each.value, each.low, each.high):
            if known(end):
                reach = max(reach, abs(end))
    return reach


def known(value: float) -> bool:
    """Whether there is a number."""
    return not math.isnan(value)


def points(value: float, digits: int = 1) -> str:
    """A fraction in points, 0.505 as "50.5"."""
    if math.isnan(value):
        return NOTHING
    return f"{100 * value:.{digits}f}"


def signed(value: float) -> str:
    """A difference in points, with its sign."""
    if math.isnan(value):
        return NOTHING
    return f"{100 * value:+.1f}".replace("-", "−")


def share(value: float) -> str:
    """A fraction in percent."""
    if math.isnan(value):
        return NOTHING
    return f"{100 * value:.0f}%"


def score(value: float) -> str:
    """A score of a detection, rounded down, so that a threshold written so takes it."""
    if math.isnan(value):
        return NOTHING
    return f"{math.floor(100 * value + 1e-9) / 100:.2f}"


def count(value: int) -> str:
    """A whole number, with commas between thousands."""
    return f"{value:,}"


def shade(value: int, of: int) -> int:
    """How strongly a cell of the confusion matrix is coloured, percent; any count at all can be seen."""
    if not value or not of:
        return 0
    return round(8 + 72 * value / of)


def decided(difference) -> str:
    """What an interval of a difference says: "better", "worse", or "open" where it holds 0."""
    if difference.low > 0:
        return "better"
    if difference.high < 0:
        return "worse"
    return "open"
