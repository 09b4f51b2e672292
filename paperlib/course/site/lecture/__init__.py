"""The first lecture as one page that runs in any browser; its numbers are held against Python's by a test."""
from pathlib import Path

from paperlib.course.page_text import PAGES, render
from paperlib.teach.boxes.front import FOLDER

PAGE = "first_lecture.html"
HERE = Path(__file__).parent
SCRIPTS = (FOLDER / "boxes.js", HERE / "detection.js", HERE / "lecture.js")
STYLES = (PAGES / "site.css", FOLDER / "boxes.css", HERE / "lecture.css")


def page() -> str:
    """The page, with its scripts and styles inside."""
    return render("first_lecture.html.j2", script=_joined(SCRIPTS), styles=_joined(STYLES))


def _joined(paths: tuple[Path, ...]) -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)
