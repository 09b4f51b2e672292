"""The scorecard: every claim and every published table beside ours, as one HTML page that needs nothing else.

The page itself is `scorecard.html.j2`, a Jinja template that takes in `scorecard.css` and `scorecard.js`.
"""
import os
from collections import Counter
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paperlib.claims.joining import Part
from paperlib.claims.page.published_tables import published_tables
from paperlib.claims.tally import VERDICTS, Verdict, counts
from paperlib.claims.verdicts import judged
from paperlib.papers.names import NAMES
from paperlib.papers.printed import published
from paperlib.paths import REPOSITORY
from paperlib.tables import costs, records
from paperlib.training.recipes import Budget, as_budget

SIGNS = {
    "follows": "✓",
    "follows under a reading": "✓",
    "conforms": "=",
    "does not follow": "✗",
    "holds": "✓",
    "holds, smaller": "✓",
    "holds, larger": "✓",
    "contradicted": "✗",
    "unresolved": "?",
    "stale": "!",
    "not run": "–",
    "external": "↗",
}
MEANINGS = {
    "follows": "the paper's number follows from its own data, or from arithmetic",
    "follows under a reading": "it does, if the sentence is read in one of several ways, which is named",
    "conforms": "our code does what the paper states; nothing is tested about the world",
    "does not follow": "the paper's number does not follow from its data",
    "holds": "the 95% interval lies on the side that the paper claims, or within the margin of no difference",
    "holds, smaller": "it does, and is smaller than the size that the paper prints",
    "holds, larger": "it does, and is larger than the size that the paper prints",
    "contradicted": "the interval lies on the other side",
    "unresolved": "the interval lies on both sides",
    "stale": "measured by code or on data that have changed since",
    "not run": "nothing is recorded yet",
    "external": "needs what this project does not have, such as a leaderboard",
}
KINDS = {
    "exact": "exact: computed",
    "ratio": "ratio: timed with random weights",
    "trend": "trend: trained",
    "external": "external: not testable here",
}
CHOICES = {  # what a reader can filter the claims by: {value: text}
    "paper": NAMES,
    "kind": KINDS,
    "verdict": dict(zip(VERDICTS, VERDICTS)),
    "tier": {"1": "1: core", "2": "2: minor"},
}


def write(out: Path | str = "build/scorecard.html", plan: str | Budget | None = "mini") -> Path:
    """Write the page; its path. Errors: ValueError naming a record that was edited by hand."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(judged(plan), plan, out.resolve().parent), encoding="utf-8", newline="\n")
    return out


def page(lines: list[Verdict], plan: str | Budget | None, folder: Path) -> str:
    """The page's HTML for judged claims; links to notebooks are relative to `folder`."""
    plan = as_budget(plan)
    files = FileSystemLoader(Path(__file__).parent)
    pages = Environment(loader=files, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    num_runs, minutes = _cost(plan)
    return pages.get_template("scorecard.html.j2").render(
        claims=lines,
        tallies=[_tally(lines, kind) for kind in KINDS],
        tables=published_tables(plan),
        titles={body["paper"]: body["title"] for body in published().values()},
        names=NAMES,
        verdicts=VERDICTS,
        signs=SIGNS,
        meanings=MEANINGS,
        choices=CHOICES,
        budget_name=plan.name,
        num_runs=num_runs,
        minutes=minutes,
        commit=records.commit(),
        anchor=anchor,
        number=number,
        measured=measured,
        size=size,
        measured_part=measured_part, over_images=over_images,
        notebook_address=lambda name: notebook_address(name, folder),
    )


def _cost(plan: Budget) -> tuple[int, float]:
    """Recorded runs of all tables, and their minutes on one core."""
    num_runs, minutes = 0, 0.0
    for runs_of_table, minutes_of_table in costs.cost(plan).values():
        num_runs += runs_of_table
        minutes += minutes_of_table
    return num_runs, minutes


def _tally(lines: list[Verdict], kind: str) -> dict:
    """The counts of one kind of claims: verdicts that occur, by paper, in all, and after many claims."""
    some = [line for line in lines if line.kind == kind]
    by_paper = counts(some)
    total = Counter(line.verdict for line in some)
    after = Counter(line.after for line in some)
    verdicts = [verdict for verdict in VERDICTS if total[verdict] or after[verdict]]
    return {"kind": kind, "name": KINDS[kind], "verdicts": verdicts, "by_paper": by_paper, "total": total,
            "after": after if kind == "trend" else None, "claims": len(some)}


def anchor(table: str) -> str:
    """A table's name as the end of an id."""
    return table.replace("/", "-")


def number(value, form: str = ".4g") -> str:
    """A number below 10,000 in the format `form`; a list of them with commas; all else as it is."""
    if isinstance(value, list):
        return ", ".join(number(each, form) for each in value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and abs(value) < 1e4:
        return f"{value:{form}}"
    return str(value)


def measured(line: Verdict) -> str:
    """What was measured for a claim, with its interval where it has one."""
    value, bounds = line.measured, line.interval
    if line.kind == "exact" and isinstance(value, float) and isinstance(line.published, str):
        return f"equal within {value:.1g}" if 0 < value < 1e-3 else number(value)
    form = "+.2f" if line.kind == "trend" else ".4g"
    text = number(value, form)
    if bounds:
        text += f" [{number(bounds[0], form)}, {number(bounds[1], form)}]"
    return text


def measured_part(part: Part) -> str:
    """What was measured for one part of a claim."""
    if part.interval is None:
        return f"{part.measured:+.2f}"
    return f"{part.measured:+.2f} [{part.interval[0]:+.2f}, {part.interval[1]:+.2f}]"


def over_images(part: Part) -> str:
    """The interval over draws of the test images, where the runs kept their scores on them."""
    if part.images is None:
        return ""
    return f"[{part.images[0]:+.2f}, {part.images[1]:+.2f}]"


def size(part: Part) -> str:
    """The size of a difference as a share of the row `worse`: the printed one, and ours with its interval."""
    texts = []
    if part.printed is not None:
        texts.append(f"printed {part.printed:+.1f}%")
    if part.share is not None:
        texts.append(f"here {part.share:+.1f}%")
        if part.share_interval is not None:
            low, high = part.share_interval
            texts[-1] += f" [{low:+.1f}, {high:+.1f}]"
    return ", ".join(texts)


def notebook_address(name: str, folder: Path) -> str | None:
    """Where the rendered, else the executed, else the stored notebook lies, seen from `folder`; or None."""
    build = REPOSITORY / "build"
    for path in (
        build / "site" / f"{name}.html",
        build / "notebooks" / f"{name}.ipynb",
        REPOSITORY / "notebooks" / f"{name}.ipynb",
    ):
        if path.exists():
            return Path(os.path.relpath(path, folder)).as_posix()
    return None
