"""The files that `paperlib detect` leaves in a folder: their names, and how a later run knows them again."""
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from paperlib.scoring.result_files import detected_list

SHEET, RESULTS, LIST = "contact_sheet.jpg", "results.json", "images.json"
QUALITY = 90                   # of the JPEG files
MARK = b"drawn by paperlib detect"  # comment in each of them, by which a later run knows that it may go


def places(out: Path, files: Sequence[Path]) -> list[Path]:
    """A path in `out` for the drawing of each picture.

    Errors: ValueError for the pictures' own folder, where drawings would soon be taken for pictures;
            ValueError naming a file that would be replaced though no earlier run wrote it.
    """
    for file in files:
        if file.resolve().parent == out.resolve():
            raise ValueError(f"{out}: found the picture {file.name} in it, and drawings would lie among "
                             "pictures; choose another folder with --out")
    paths, earlier = [out / name for name in _names(files)], _listed(out)
    for path in (out / LIST, out / RESULTS, out / SHEET, *paths):
        if path.exists() and path.name not in earlier and not _is_marked(path):
            raise ValueError(f"{path}: found a file that no earlier `paperlib detect` wrote, and would be "
                             "replaced; choose another folder with --out")
    return paths


def _listed(out: Path) -> set[str]:
    """Names of the files that the last run wrote into a folder, by the list that it left.

    Of older runs the drawings are marked.
    """
    listed = detected_list(out / LIST) or {}
    try:
        files = [Path(image["file_name"]) for image in listed.get("images", ())]
    except (KeyError, TypeError):
        return set()
    return {LIST, RESULTS, SHEET, *_names(files)} if files else set()


def _is_marked(path: Path) -> bool:
    try:
        with Image.open(path) as stored:
            return stored.info.get("comment") == MARK
    except Exception:  # Pillow's readers fail on broken files in many ways
        return False


def _names(files: Sequence[Path]) -> list[str]:
    """A file name for each drawn picture: its stem, numbered where another has the same in any letters."""
    taken, names = {Path(SHEET).stem}, []
    for file in files:
        name, number = file.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{file.stem}_{number}"
        taken.add(name.lower())
        names.append(f"{name}.jpg")
    return names


def save_drawing(drawn: Image.Image, path: Path) -> None:
    """Write a drawn picture with the mark in it; an interrupt leaves no half of a file."""
    try:
        drawn.save(path, quality=QUALITY, comment=MARK)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
