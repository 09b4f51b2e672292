"""What `paperlib notebooks export KIND` and `lab` write: copies of the notebooks, decks, question banks."""
import shutil
from collections.abc import Callable
from pathlib import Path

from nbformat import NotebookNode

from paperlib.course import assignments, exports, page_text, question_files, slides, twins
from paperlib.teach import course_files


def working_copies(names: list[str], folder: Path, out: Path) -> tuple[list[str], list[str]]:
    """Copy stored notebooks and their pictures into `out`, except those that are there already.

    Gives the names that were copied and those that were kept, since somebody may have worked in them.
    """
    out.mkdir(parents=True, exist_ok=True)
    copied, kept = [], []
    for name in names:
        target = out / f"{name}.ipynb"
        if target.exists():
            kept.append(name)
        else:
            shutil.copyfile(folder / f"{name}.ipynb", target)
            copied.append(name)
    copy_pictures(folder, out)
    return copied, kept


def copy_pictures(folder: Path, out: Path) -> None:
    """Put the pictures that Markdown cells show beside copies of the notebooks."""
    for picture in sorted(folder.glob("*.png")):
        shutil.copyfile(picture, out / picture.name)


def _copies(make: Callable[[str, NotebookNode], NotebookNode | None]) -> Callable:
    """A writer of one copy a notebook, made by `make(name, stored notebook)`."""
    def write(names: list[str], folder: Path, out: Path) -> list[Path]:
        written = []
        out.mkdir(parents=True, exist_ok=True)
        copy_pictures(folder, out)
        for name in names:
            copy = make(name, twins.read(folder / f"{name}.ipynb"))
            if copy is not None:
                _replace(out / f"{name}.ipynb", copy)
                written.append(out / f"{name}.ipynb")
        return written
    return write


def _replace(target: Path, copy: NotebookNode) -> None:
    """Write a copy; another that stood there is kept as NAME.ipynb~, since somebody may have worked in it."""
    before = target.read_bytes() if target.exists() else None
    if twins.write(copy, target) and before is not None:
        target.with_name(f"{target.name}~").write_bytes(before)


def noted(names: list[str]) -> list[str]:
    """Those of the notebooks that data/course has notes on. Errors: ValueError where there are none."""
    with_notes = [name for name in names if name in course_files.names()]
    if not with_notes:
        raise ValueError(f"no notes in data/course on {', '.join(names)}")
    return with_notes


def decks(names: list[str], folder: Path, out: Path) -> list[Path]:
    """Write a deck for each notebook, a page that opens in any browser."""
    written = []
    out.mkdir(parents=True, exist_ok=True)
    for style in ("site.css", "deck.css", "deck.js"):
        shutil.copyfile(page_text.PAGES / style, out / style)
    page_text.copy_font(out)
    for name in names:
        shown = slides.deck(name, twins.read(folder / f"{name}.ipynb"))
        path = out / f"{name}_slides.html"
        page = page_text.render("deck.html.j2", title=twins.title(name, folder), slides=shown)
        path.write_text(page, encoding="utf-8")
        written.append(path)
    return written


def questions(names: list[str], folder: Path, out: Path) -> list[Path]:
    """Write the questions of each notebook as JSON of jupyterquiz and as XML of Moodle."""
    written = []
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        asked = course_files.read(name).question
        files = {".json": question_files.jupyterquiz(asked), ".xml": question_files.moodle(name, asked)}
        for ending, text in files.items():
            path = out / f"{name}{ending}"
            path.write_text(text, encoding="utf-8", newline="\n")
            written.append(path)
    return written


KINDS = {"student": _copies(exports.student), "instructor": _copies(exports.instructor), "slides": decks,
         "grader": _copies(assignments.grader), "otter": _copies(assignments.otter), "questions": questions}
