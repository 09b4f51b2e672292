"""The pictures of a YOLO split, and the file of labels that belongs to each."""
from pathlib import Path

from paperlib.data.layouts.folders import is_picture, pictures_in, subfolders, within
from paperlib.data.layouts.yolo_places import YoloPlaces
from paperlib.data.record_checks.faults import Fault, read_lines


def label_of(picture: Path, top: Path) -> Path:
    """The file of a picture's labels: labels/ in place of the last images/ of its path, else beside it."""
    parts = list(picture.relative_to(top).parts[:-1]) if picture.is_relative_to(top) else []
    for k in range(len(parts) - 1, -1, -1):
        if parts[k] == "images":
            moved = top.joinpath(*parts[:k], "labels", *parts[k + 1:], f"{picture.stem}.txt")
            if moved.is_file() or top.joinpath(*parts[:k], "labels").is_dir():
                return moved
    return picture.with_suffix(".txt")


def pictures_of(places: YoloPlaces, faults: list[Fault]) -> list[Path]:
    """All pictures of a split, each once, by name within a folder and in the order of a list."""
    pictures: dict[Path, None] = {}
    for source in places.sources:
        if source.is_dir():
            for folder in (source, *_below(source)):
                pictures |= dict.fromkeys(pictures_in(folder))
        else:
            pictures |= dict.fromkeys(_listed(source, places, faults))
    return list(pictures)


def _below(folder: Path) -> list[Path]:
    """All folders in a folder, however deep; links are not followed."""
    folders = []
    for sub in subfolders(folder):
        if not sub.is_symlink():
            folders += [sub, *_below(sub)]
    return folders


def _listed(file: Path, places: YoloPlaces, faults: list[Fault]) -> list[Path]:
    """The pictures that a list names; a name that leads to none is a fault."""
    lines, wrong = read_lines(file)
    faults += wrong
    pictures = []
    for line in lines:
        picture = within(places.top, None, line) or within(places.top, None, line.partition("/")[2] or line)
        is_inside = picture is not None and picture.is_relative_to(places.top)
        if not is_inside or not is_picture(picture) or not picture.is_file():
            wanted = "a picture in the folder of the set"
            faults.append(Fault(str(file), f"image {line}", "no such image", wanted, True))
        else:
            pictures.append(picture)
    return pictures
