"""The HTML site: a front page, the notebooks, the texts on teaching and on judging, the scorecard."""
import re
import shutil
from pathlib import Path

from nbformat import NotebookNode

from paperlib.claims.page.scorecard import MEANINGS, SIGNS
from paperlib.claims.tally import VERDICTS
from paperlib.course import main_path, page_text, twins
from paperlib.course.export_files import decks
from paperlib.course.page_text import render, with_alt
from paperlib.course.site import elsewhere, glossary, lecture, papers, search
from paperlib.paths import DATA
from paperlib.teach import course_files

TEXTS = {  # of data/, each a page: {file: (page, title)}
    "course/guide": "Teach with it: the lecturer's guide",
    "course/self_learners": "Learn alone: a plan",
    "course/since_2017": "Since 2017: what became of these ideas",
    "claims/PROTOCOL": "How to read and how to attack these verdicts",
    "claims/RULES": "How a claim is judged: the rules",
    "claims/readings/changed_verdicts": "Second reading: which verdicts changed, and why",
    "claims/readings/rcnn_family": "Second reading: R-CNN, Fast R-CNN, Faster R-CNN",
    "claims/readings/fpn_focal_coco_sharpmask": "Second reading: focal loss, FPN, COCO, SharpMask",
}


def site(names: list[str], folder: Path, executed: Path, out: Path) -> Path:
    """Render notebooks and all texts to HTML; the path of the front page.

    A notebook that was executed here (folder `executed`) is shown in place of the stored one, unless it was
    a smoke run, was stopped by an error, or has other cells than today's.
    """
    out.mkdir(parents=True, exist_ok=True)
    for file in ("site.css", "search.js"):
        shutil.copyfile(page_text.PAGES / file, out / file)
    page_text.copy_font(out)
    pictures = sorted(folder.glob("*.png"))
    for picture in pictures:
        shutil.copyfile(picture, out / picture.name)
    titles = {name: twins.title(name, folder) for name in names}
    exporter, place = page_text.PageExporter(), elsewhere.repository()
    for i, name in enumerate(names):
        facts = {"name": titles[name], "sections": sections(name, folder),
                 "neighbours": _neighbours(names, titles, i), "colab": elsewhere.colab(name, place),
                 "kaggle": elsewhere.kaggle(name, place)}
        notebook = with_alt(_to_render(name, folder, executed))
        page, _ = exporter.from_notebook_node(notebook, {"metadata": facts})
        (out / f"{name}.html").write_text(main_path.folded(glossary.linked(page)), encoding="utf-8")
    for file, title in TEXTS.items():
        _text(file, title, out)
    decked = [name for name in names if name in course_files.names()]
    decks(decked, folder, out)
    lines = judged_claims()
    papers.write(lines, titles, out)
    (out / glossary.PAGE).write_text(glossary.page(names), encoding="utf-8")
    (out / lecture.PAGE).write_text(lecture.page(), encoding="utf-8")
    (out / "search.html").write_text(render("search.html.j2"), encoding="utf-8")
    front = out / "index.html"
    front.write_text(_front(titles, decked, folder, pictures, verdict_bar(lines)), encoding="utf-8")
    search.write(out)
    return front


def _to_render(name: str, folder: Path, executed: Path) -> NotebookNode:
    """The reader's own run of a notebook where it is worth showing, else the stored one."""
    stored, own = folder / f"{name}.ipynb", executed / f"{name}.ipynb"
    if own.exists():
        notebook = twins.read(own)
        run = notebook.metadata.get("papermill", {})
        smoke = run.get("parameters", {}).get("BUDGET") == "smoke"
        cleaned = twins.clean(notebook)
        todays = _sources(cleaned) == _sources(twins.read_twin(name, folder))
        if todays and not smoke and not run.get("exception"):
            return cleaned
    return twins.clean(twins.read(stored))


def _sources(notebook: NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def sections(name: str, folder: Path) -> list[tuple[str, str]]:
    """(id, title) of the sections of a notebook, for its list of contents."""
    listed = []
    for cell in twins.read_twin(name, folder).cells:
        if cell.cell_type == "markdown":
            outside_code = re.sub(r"^```.*?^```", "", cell.source, flags=re.MULTILINE | re.DOTALL)
            for words in re.findall(r"^## (.+)$", outside_code, re.MULTILINE):
                title = page_text.plain(words)
                listed.append((page_text.heading_id(title), title))
    return listed


def _neighbours(names: list[str], titles: dict[str, str], i: int) -> list[tuple[str, str]]:
    """(name, words of the link) of the notebooks before and after the i-th."""
    linked = []
    if i > 0:
        linked.append((names[i - 1], f"← {titles[names[i - 1]]}"))
    if i + 1 < len(names):
        linked.append((names[i + 1], f"{titles[names[i + 1]]} →"))
    return linked


def _front(titles: dict[str, str], decked: list[str], folder: Path, pictures: list[Path],
           bar: list[dict]) -> str:
    """The front page: what this is, a scene with detections, the verdicts, the notebooks."""
    entries = []
    for name, title in titles.items():
        minutes = twins.minutes(name, folder, "cpu")
        entries.append({"name": name, "title": title, "minutes": minutes, "slides": name in decked,
                        "reading": twins.reading_minutes(name, folder)})
    texts = [(_page(file), title) for file, title in TEXTS.items()]
    return render("front.html.j2", entries=entries, texts=texts, bar=bar,
                  pictures={picture.stem for picture in pictures})


def judged_claims() -> list:
    """What became of every claim at the mini budget."""
    from paperlib.claims.kept import judged  # imported here: judging anew takes seconds

    return judged("mini")


def verdict_bar(lines: list) -> list[dict]:
    """The verdicts on the claims of the papers that were judged here, most frequent first.

    Each is {verdict, number, share}, the share in percent of all that were judged.
    """
    given = [line.verdict for line in lines if line.verdict not in ("external", "not run")]
    bar = []
    for verdict in VERDICTS:
        number = given.count(verdict)
        if number:
            bar.append({"verdict": verdict, "number": number, "share": 100 * number / len(given),
                        "sign": SIGNS[verdict], "meaning": MEANINGS[verdict]})
    return bar


def _page(file: str) -> str:
    return f"{file.rpartition('/')[2]}.html"


def _text(file: str, title: str, out: Path) -> None:
    """Render one text of data/ to a page."""
    text = (DATA / f"{file}.md").read_text(encoding="utf-8").replace("](readings)", "](rcnn_family.md)")
    body = page_text.to_html(text)
    body = re.sub(r'href="(?:[\w.-]+/)*([\w-]+)\.(?:md|ipynb)"', r'href="\1.html"', body)
    # links to files that are no pages become plain words
    body = re.sub(r'<a href="(?!https?:|#|[\w-]+\.html)[^"]*">(.*?)</a>', r"\1", body)
    page = render("text.html.j2", title=title, body=page_text.with_plain_corners(body))
    (out / _page(file)).write_text(page, encoding="utf-8")
