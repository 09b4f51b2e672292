"""What is in a folder: its pictures and subfolders, by the names that people give them."""
import os
import re
from collections.abc import Iterator
from pathlib import Path

# what counts as a picture in a folder; of several with one stem, VOC's reader takes the first kind
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".jpe", ".jfif", ".jp2",
            ".ppm", ".pgm")
PICTURE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "pictures", "photos")
NOTE_FOLDERS = ("annotations", "annots", "annotation", "annot", "labels", "label", "xmls", "xml")


def is_picture(file: Path) -> bool:
    """Whether a file is a picture by its name; hidden ones (macOS leaves "._a.jpg") are none."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of one folder, by name."""
    return sorted(filter(is_picture, folder.iterdir()))


def visible(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern, by name, without the hidden ones: macOS puts "._a.xml" beside a.xml."""
    files = []
    for file in sorted(folder.glob(pattern)):
        if not file.name.startswith("."):
            files.append(file)
    return files


def holds_pictures(folder: Path) -> bool:
    """Whether there is a picture in a folder itself."""
    return any(map(is_picture, folder.iterdir()))


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, by name, without hidden ones."""
    folders = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith((".", "__MACOSX")):
            folders.append(path)
    return folders


def called(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    """The subfolders that have one of these names, in the order of the names; capitals do not matter."""
    lower = {path.name.casefold(): path for path in subfolders(folder)}
    for name in names:
        if name in lower:
            yield lower[name]


def within(folder: Path, root: object, place: object) -> Path | None:
    """A place that a file in `folder` names: below `root`, the folder, or, as Roboflow writes, its parent.

    None unless it lies in the folder or beside it; a root of another machine is left out. Links are followed,
    as they are the user's.
    """
    if not isinstance(place, str) or "\0" in place:
        return None
    tries = [folder / place, folder / re.sub(r"^(\.\./)+", "", place)]
    if isinstance(root, str) and "\0" not in root:
        tries = [folder / root / place, folder / Path(root).name / place, *tries]
    around = Path(os.path.abspath(folder)).parent
    for path in tries:
        full = Path(os.path.abspath(path))
        if around in full.parents and _exists(full):
            return full if ".." in path.parts else path
    return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):                          # a name too long, a circle of links
        return False
