"""Pictures without labels as a detection set: single files, folders, and patterns such as "trip/*.jpg"."""
import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps

from paperlib.data.detection_set import DetectionSet
from paperlib.data.layouts.folders import SUFFIXES, is_picture
from paperlib.data.record_checks.values import area_ranges
from paperlib.scoring.result_files import SET_NAME

PATTERN = set("*?[")


def picture_files(paths: Sequence[str | Path], except_in: Path | None = None) -> list[Path]:
    """The picture files that paths name: files, folders (with all that is in them) and patterns, each once.

    Of a folder, files in its subfolder `except_in` are left out: what an earlier run drew is not looked at.
    Errors: FileNotFoundError for a path that names nothing; ValueError for a folder without a picture.
    """
    chosen: dict[Path, None] = {}
    for path in paths:
        chosen |= dict.fromkeys(_files_of(Path(path).expanduser(), except_in))
    return list(chosen)


def _files_of(path: Path, except_in: Path | None) -> list[Path]:
    """The pictures that one path names, in order."""
    if path.is_file():
        return [path]
    if path.is_dir():
        files = list(path.rglob("*"))
        if except_in is not None and except_in.resolve() != path.resolve():
            files = [file for file in files if not file.resolve().is_relative_to(except_in.resolve())]
        return _pictures(files, f"{path} holds no picture")
    if PATTERN & set(str(path)):
        matches = map(Path, glob.glob(str(path), recursive=True))
        return _pictures(matches, f"no picture is called {path}")
    raise FileNotFoundError(f"{path}: no such picture or folder")


def _pictures(files, otherwise: str) -> list[Path]:
    """The picture files among `files`. Errors: ValueError, `otherwise`, if there is none."""
    pictures = [file for file in files if is_picture(file) and file.is_file()]
    if not pictures:
        raise ValueError(f"{otherwise}; expected {', '.join(SUFFIXES[:4])}, ...")
    return sorted(pictures)


def picture_set(files: Sequence[Path], classes: Sequence[str]) -> tuple[DetectionSet, list[str]]:
    """The pictures as a set without objects, of `classes`, and a line for each that cannot be read.

    Category k of 1..K is `classes[k-1]`.
    Errors: ValueError, those lines, if none can be read.
    """
    images, unreadable = [], []
    for file in files:
        try:
            height, width = upright_size(file)
        except ValueError as error:
            unreadable.append(str(error))
            continue
        images.append({"id": len(images) + 1, "file_name": str(file), "height": height, "width": width})
    if not images:
        raise ValueError("; ".join(unreadable))
    categories = [{"id": label, "name": name} for label, name in enumerate(classes, 1)]
    names = "\n".join(image["file_name"] for image in images)
    version = hashlib.sha256(names.encode(errors="surrogateescape")).hexdigest()[:12]
    annotations: dict[int, list[dict]] = {image["id"]: [] for image in images}
    return DetectionSet(SET_NAME, Path(), categories, images, annotations, version, area_ranges()), unreadable


def upright_size(file: Path) -> tuple[int, int]:
    """(height, width) px of a picture as it is looked at. Errors: ValueError naming a file that is none."""
    try:
        with Image.open(file) as stored:
            stored.load()
            return ImageOps.exif_transpose(stored).size[::-1]
    except Exception as error:  # Pillow's readers fail on broken files in many ways
        reason = str(error).split(str(file))[0].strip(" '") or type(error).__name__
        raise ValueError(f"{file}: no picture that can be read ({reason})") from None
