"""What `paperlib notebooks export KIND` writes: copies of the notebooks, decks and question banks."""
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from nbformat import NotebookNode

from paperlib.course import copies, exports, page_text, question_files, slides, twins
from paperlib.course.site_pages import render
from paperlib.teach import course_files


def _copies(make: Callable[[str, NotebookNode], NotebookNode | None]) -> Callable:
    """A writer of one copy a notebook, made by `make(name, stored notebook)`."""
    def write(names: list[str], folder: Path, out: Path) -> Iterator[Path]:
        out.mkdir(parents=True, exist_ok=True)
        copies.copy_pictures(folder, out)
        for name in _noted(names):
            copy = make(name, twins.read(folder / f"{name}.ipynb"))
            if copy is not None:
                twins.write(copy, out / f"{name}.ipynb")
                yield out / f"{name}.ipynb"
    return write


def _noted(names: list[str]) -> list[str]:
    """Those of the notebooks that data/course has notes on. Errors: ValueError where there are none."""
    noted = [name for name in names if name in course_files.names()]
    if not noted:
        raise ValueError(f"no notes in data/course on {', '.join(names)}")
    return noted


def decks(names: list[str], folder: Path, out: Path) -> Iterator[Path]:
    """Write a deck for each notebook, a page that opens in any browser."""
    out.mkdir(parents=True, exist_ok=True)
    for style in ("site.css", "deck.css", "deck.js"):
        shutil.copyfile(page_text.PAGES / style, out / style)
    page_text.copy_font(out)
    for name in _noted(names):
        shown = slides.deck(name, twins.read(folder / f"{name}.ipynb"))
        path = out / f"{name}_slides.html"
        page = render("deck.html.j2", title=twins.title(name, folder), slides=shown)
        path.write_text(page, encoding="utf-8")
        yield path


def questions(names: list[str], folder: Path, out: Path) -> Iterator[Path]:
    """Write the questions of each notebook as JSON of jupyterquiz and as XML of Moodle."""
    out.mkdir(parents=True, exist_ok=True)
    for name in _noted(names):
        asked = course_files.read(name).question
        files = {".json": question_files.jupyterquiz(asked), ".xml": question_files.moodle(name, asked)}
        for ending, text in files.items():
            path = out / f"{name}{ending}"
            path.write_text(text, encoding="utf-8", newline="\n")
            yield path


KINDS = {"student": _copies(exports.student), "instructor": _copies(exports.instructor), "slides": decks,
         "grader": _copies(exports.grader), "questions": questions}
