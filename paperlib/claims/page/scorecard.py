"""The scorecard: every claim and every published table beside ours, as one HTML page that needs nothing else."""
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path

from paperlib import paths
from paperlib.claims.page.tables_section import anchor, badge, scroll, tables_section
from paperlib.claims.verdicts import VERDICTS, counts, judged
from paperlib.papers.names import NAMES
from paperlib.papers.printed import published
from paperlib.tables import compare, records
from paperlib.training.recipes import Budget, budget

MEANS = {
    "holds": "the 95% interval lies on the side that the paper claims, or the computed value is the printed one",
    "contradicted": "the interval lies on the other side",
    "unresolved": "the interval includes no difference, or a timing has the direction but not the size",
    "stale": "measured by code or on data that have changed since",
    "not run": "nothing is recorded yet",
    "external": "needs what this project does not have, such as a leaderboard",
}
KINDS = {"exact": "computed", "ratio": "timed with random weights", "trend": "trained", "external": "not testable here"}
REPOSITORY = paths.REPOSITORY


def write(out: Path | str = "build/scorecard.html", plan: str | Budget | None = "mini") -> Path:
    """Write the page; its path. Errors: ValueError naming a record that was edited by hand."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(judged(plan), plan, out.resolve().parent), encoding="utf-8", newline="\n")
    return out


def page(lines: list[dict], plan: str | Budget | None, folder: Path) -> str:
    """The page's HTML; links to notebooks are relative to `folder`."""
    plan = plan if isinstance(plan, Budget) else budget(plan)
    style, script = (Path(__file__).with_suffix(kind).read_text(encoding="utf-8") for kind in (".css", ".js"))
    titles = {body["paper"]: body["title"] for body in published().values()}
    groups = "".join(_group(paper, title, [c for c in lines if c["paper"] == paper], folder)
                     for paper, title in titles.items())
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Scorecard of seven papers</title>'
        f"<style>\n{style}</style></head>\n<body>\n<a class=skip href=#claims>Skip to the claims</a>\n"
        f"<header><h1>Scorecard</h1>{_about(lines, plan)}</header>\n<main>\n"
        "<section id=summary aria-labelledby=h-summary><h2 id=h-summary>Verdicts by paper</h2>"
        f"{_summary(lines)}{_legend()}</section>\n"
        f"<section id=claims aria-labelledby=h-claims><h2 id=h-claims>Claims</h2>{_filters()}{groups}</section>\n"
        "<section aria-labelledby=h-tables><h2 id=h-tables>Published tables, and ours</h2>"
        f"{tables_section(plan)}</section>\n"
        f"</main>\n<script>\n{script}</script>\n</body>\n</html>\n")


def _about(lines: list[dict], plan: Budget) -> str:
    runs, minutes = (sum(part) for part in zip((0, 0), *compare.cost(plan).values()))
    return (f"<p>{len(lines)} claims of seven papers on object detection, each with what the paper prints, what this "
            f"repository measured, and a verdict. Trained rows are of the budget “{plan.name}”, on drawn images: "
            f"{runs} runs, {minutes:.0f} core-minutes. Code {escape(records.commit())}.</p>"
            "<p>Our average precision is measured on drawn images with small networks. It is never comparable with "
            "COCO’s; only the differences between two rows are set side by side.</p>")


def _summary(lines: list[dict]) -> str:
    tally = counts(lines)
    head = "".join(f"<th scope=col class=num>{badge(v)}</th>" for v in VERDICTS)
    body = "".join(f"<tr><th scope=row>{name}</th>"
                   + "".join(f"<td class=num>{_count(paper, v, tally[paper][v])}</td>" for v in VERDICTS)
                   + f"<td class=num>{sum(tally[paper].values())}</td></tr>" for paper, name in NAMES.items())
    foot = "".join(f"<td class=num>{sum(t[v] for t in tally.values())}</td>" for v in VERDICTS)
    return (f"{scroll('Verdicts by paper')}<table class=narrow><caption>Number of claims; press a number to see them."
            f"</caption><thead><tr><th scope=col>Paper</th>{head}<th scope=col class=num>all</th></tr></thead>"
            f"<tbody>{body}</tbody><tfoot><tr><th scope=row>All</th>{foot}<td class=num>{len(lines)}</td></tr></tfoot>"
            "</table></div>")


def _count(paper: str, verdict: str, number: int) -> str:
    if not number:
        return "0"
    name = escape(f"{number}: {NAMES[paper]}, {verdict}; show them", quote=True)
    return (f'<button type=button class=count data-paper="{paper}" data-verdict="{verdict}" aria-label="{name}">'
            f"{number}</button>")


def _legend() -> str:
    return ("<details><summary>What the verdicts mean</summary><dl>"
            + "".join(f"<dt>{badge(v)}</dt><dd>{text}</dd>" for v, text in MEANS.items()) + "</dl></details>")


def _filters() -> str:
    def choice(name: str, options: Iterable[tuple[str, str]]) -> str:
        made = "".join(f'<option value="{value}">{escape(text)}</option>' for value, text in options)
        return f"<label>{name}<select name={name}><option value=''>all</option>{made}</select></label>"

    return ('<form id=filters role=search aria-label="Filter the claims">'
            + choice("paper", NAMES.items()) + choice("kind", ((k, f"{k}: {text}") for k, text in KINDS.items()))
            + choice("verdict", ((v, v) for v in VERDICTS)) + choice("tier", (("1", "1: core"), ("2", "2: minor")))
            + "<label>text<input type=search name=text placeholder='anchors, Table 1b, ...'></label>"
            "<button type=reset>Show all</button><output id=said class=small></output></form>")


def _group(paper: str, title: str, lines: list[dict], folder: Path) -> str:
    head = "".join(f"<th scope=col>{name}</th>" for name in ("verdict", "claim", "paper", "here"))
    rows = "".join(_claim(line, folder) for line in lines)
    return (f'<section data-paper="{paper}"><h3 id="p-{paper}">{escape(title)}</h3><table class=claims>'
            f"<caption>Claims of {NAMES[paper]}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
            "</section>\n")


def _claim(line: dict, folder: Path) -> str:
    data = " ".join(f'data-{key}="{line[key]}"' for key in ("paper", "kind", "verdict", "tier"))
    facts = [("id", f'<a href="#c-{line["id"]}">{line["id"]}</a>, tier {line["tier"]}'),
             ("formula", line["formula"] and f"<code>{escape(line['formula'])}</code>"),
             ("judged by", escape(line["how"])),
             ("table", line["table"] and f'<a href="#t-{anchor(line["table"])}">{line["table"]}</a>'),
             ("notebook", _notebook(line["notebook"], folder)),
             ("cost", line["cost"] is not None and f"{line['cost']:g} min"), ("note", escape(line["note"]))]
    more = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts if text)
    return (f'<tr id="c-{line["id"]}" {data}><td>{badge(line["verdict"])}<br>'
            f"<span class=small>{line['kind']}</span></td>"
            f"<th scope=row>{escape(line['say'])} <span class=small>{escape(line['place'])}</span>"
            f"<details><summary class=small>details</summary><dl class=small>{more}</dl></details></th>"
            f'<td data-name="paper">{_paper_says(line)}</td><td data-name="here">{_ours(line)}</td></tr>\n')


def _paper_says(line: dict) -> str:
    unit = escape(line["unit"])
    delta = f"<br><span class=small>its rows: {line['delta']:+g}</span>" if line["delta"] is not None else ""
    return f"{_value(line['published'])} <span class=small>{unit}</span>{delta}"


def _ours(line: dict) -> str:
    if line["measured"] is None:
        return "<span class=small>nothing</span>"
    form = "+.2f" if line["kind"] == "trend" else ".4g"
    bounds, measured = line["interval"], line["measured"]
    if line["kind"] == "exact" and isinstance(measured, float) and isinstance(line["published"], str):
        return f"equal within {measured:.1g}" if 0 < measured < 1e-3 else _value(measured)
    text = _value(measured, form)
    text += f" [{_value(bounds[0], form)}, {_value(bounds[1], form)}]" if bounds else ""
    seeds = f"<br><span class=small>n = {line['n']}</span>" if line["n"] else ""
    return text + seeds


def _value(value, form: str = ".4g") -> str:
    if isinstance(value, list):
        return ", ".join(_value(v, form) for v in value)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return escape(f"{value:{form}}" if number and abs(value) < 1e4 else str(value))


def _notebook(name: str | None, folder: Path) -> str:
    """A link to the rendered, the executed or the stored notebook, whichever there is."""
    if not name:
        return ""
    places = (REPOSITORY / "build" / "site" / f"{name}.html", REPOSITORY / "build" / "notebooks" / f"{name}.ipynb",
              REPOSITORY / "notebooks" / f"{name}.ipynb")
    found = next((p for p in places if p.exists()), None)
    if found is None:
        return f"{name} (not written yet)"
    return f'<a href="{escape(Path(os.path.relpath(found, folder)).as_posix(), quote=True)}">{name}</a>'
