"""Where a YOLO set's pictures, labels and class names lie: data.yaml, CVAT's obj.data, or folders alone."""
import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from paperlib.data.layouts.folders import holds_pictures, subfolders, visible, within
from paperlib.data.record_checks.faults import read_lines
from paperlib.data.record_checks.values import brief

NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "predefined_classes.txt")
SPLITS = ("train", "val", "valid", "test")                 # keys of data.yaml that name pictures


@dataclass(frozen=True)
class YoloPlaces:
    """One split: folders of pictures, or lists of them, and the names of the classes."""
    top: Path                  # that the set is known by
    names_file: Path | None    # None: nobody names the classes
    sources: tuple[Path, ...]
    missing: tuple[str, ...] = ()  # "test: ../test/images": named, not there
    keypoints: bool = False    # lines go on after the box


def yolo_splits(folder: Path) -> dict[str | None, YoloPlaces]:
    """Split -> its places, None -> those of a set without splits; {} where there is no YOLO set.

    Errors: ValueError naming a data.yaml that cannot be used.
    """
    for file in sorted(visible(folder, "*.y*ml"), key=_data_first):
        if parts := _of_yaml(file):
            return parts
    if (folder / "obj.data").is_file():
        return _of_obj_data(folder)
    return _of_folders(folder)


def _data_first(file: Path) -> tuple[bool, str]:
    return file.stem not in ("data", "dataset"), file.name


def _of_yaml(file: Path) -> dict[str | None, YoloPlaces]:
    """The splits that a data.yaml names; {} for a YAML file of something else."""
    data = read_yaml(file)
    if not isinstance(data, dict) or "names" not in data or not set(SPLITS) & set(data):
        return {}
    named: dict[str, list[Path]] = {}
    missing = []
    for split in SPLITS:
        places = data.get(split)
        for place in places if isinstance(places, list) else [places]:
            if place in (None, ""):
                continue
            path = within(file.parent, data.get("path"), place)
            if path is None:
                missing.append(f"{split}: {brief(place)}")
            else:
                named.setdefault(split, []).append(path)
    if not named:
        places = ", ".join(missing) or "train and val"
        raise ValueError(f"{file}: found no pictures at {places}; expected folders of pictures, or lists of "
                         "them, in the folder of this file")
    parts, top = {}, _around(file.parent, named)
    for split, sources in named.items():
        parts[split] = YoloPlaces(top, file, tuple(sources), tuple(missing), "kpt_shape" in data)
    return parts


def _around(folder: Path, named: dict[str, list[Path]]) -> Path:
    """The folder that all sources lie in: that of data.yaml, or its parent."""
    for sources in named.values():
        for source in sources:
            if not source.is_relative_to(folder):
                return Path(os.path.abspath(folder)).parent
    return folder


def read_yaml(file: Path) -> object:
    """What a YAML file says. Errors: ValueError naming the file and the line."""
    try:
        return yaml.safe_load(file.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, AttributeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else "file"
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise ValueError(f"{file}: {line}: found broken YAML ({problem:.200}); "
                         "expected train, val and names") from None


def _of_obj_data(folder: Path) -> dict[str | None, YoloPlaces]:
    """CVAT's "YOLO 1.1": lists of pictures whose lines begin with data/, labels beside the pictures."""
    parts: dict[str | None, YoloPlaces] = {}
    for line in read_lines(folder / "obj.data")[0]:
        key, _, value = line.partition("=")
        listed = folder / Path(value.strip()).name
        if key.strip() in SPLITS and listed.is_file():
            parts[key.strip()] = YoloPlaces(folder, _names_file(folder), (listed,))
    if not parts:
        for sub in subfolders(folder):
            if match := re.fullmatch("obj_(.+)_data", sub.name):
                parts[match[1]] = YoloPlaces(folder, _names_file(folder), (sub,))
    return parts


def _of_folders(folder: Path) -> dict[str | None, YoloPlaces]:
    """images/ beside labels/, each with splits or without; such a pair a split; or both in one folder."""
    images, labels = folder / "images", folder / "labels"
    if images.is_dir() and labels.is_dir():
        if _holds_labels(labels) and holds_pictures(images):
            return {None: YoloPlaces(folder, _names_file(folder, labels), (images,))}
        parts = {}
        for sub in subfolders(images):
            if (labels / sub.name).is_dir() and _holds_labels(labels / sub.name):
                parts[sub.name] = YoloPlaces(folder, _names_file(folder, labels, labels / sub.name), (sub,))
        return parts
    if _holds_labels(folder) and holds_pictures(folder):
        return {None: YoloPlaces(folder, _names_file(folder), (folder,))}
    parts = {}
    for sub in subfolders(folder):
        inner = sub / "images"
        pair = inner.is_dir() and (sub / "labels").is_dir() and _holds_labels(sub / "labels")
        source = inner if pair else sub
        if pair or (_holds_labels(sub) and holds_pictures(sub)):
            parts[sub.name] = YoloPlaces(folder, _names_file(folder, sub, sub / "labels"), (source,))
    return parts


def _names_file(*folders: Path) -> Path | None:
    for folder in folders:
        for name in NAME_FILES:
            if (folder / name).is_file():
                return folder / name
    return None


def _holds_labels(folder: Path) -> bool:
    """Whether a text file of a folder looks like labels: its first line is numbers, or nothing.

    A text without a line counts only beside others: a file of labels may be empty.
    """
    for file in visible(folder, "*.txt")[:50]:
        if file.name in NAME_FILES:
            continue
        with file.open("rb") as stream:
            first = stream.readline(1000).split()
        if len(first) >= 5 and all(map(_is_number, first)):
            return True
    return False


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
