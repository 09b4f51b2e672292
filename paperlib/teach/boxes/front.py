"""The front of widgets with boxes: `boxes.js` before a widget's own script, and their styles."""
from pathlib import Path

FOLDER = Path(__file__).parent


def script(path: Path) -> str:
    """One module: the shared part, then the script of a widget."""
    return "\n".join([(FOLDER / "boxes.js").read_text(encoding="utf-8"), path.read_text(encoding="utf-8")])


def styles(*paths: Path) -> str:
    """The shared styles, then those of a widget."""
    return "\n".join(path.read_text(encoding="utf-8") for path in (FOLDER / "boxes.css", *paths))
