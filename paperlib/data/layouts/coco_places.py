"""Where COCO's annotation files lie in a folder, and which split each is of."""
import re
from collections.abc import Mapping
from pathlib import Path

from paperlib.data.layouts.folders import NOTE_FOLDERS, called, visible

MOST_BYTES = 1 << 30           # of a file that is looked into for what it is
NOISE = r"[_.-]?(annotations?|instances|labels|coco|export)[_.-]?"  # what a name says beside its split
ROBOFLOW = "_annotations.coco.json"                        # one in each split's folder, beside its pictures


def lists_at(path: Path) -> list[Path]:
    """The lists of images of a COCO folder."""
    return sorted((path / "annotations").glob("*.txt"))


def json_splits(folder: Path) -> dict[str, Path]:
    """Split -> annotation file of a COCO folder; a split is named without its year if it has one only."""
    years: dict[str, dict[str, Path]] = {}
    for place, prefix in (("annotations", "instances_"), ("annotations", "image_info_"), ("", "instances")):
        for file in sorted((folder / place).glob(f"{prefix}*.json")):
            full = _full(file)
            split = re.sub(r"(?<=[^\W\d])_?(19|20)\d\d$", "", full) or "instances"  # "train2017", not "fold1"
            years.setdefault(split, {}).setdefault(full or split, file)
    files: dict[str, Path] = {}
    for split, dated in years.items():
        if len(dated) > 1:
            files |= dated
        else:
            files[split] = next(iter(dated.values()))
    for file in sorted(folder.glob(f"*/{ROBOFLOW}")):
        files.setdefault(file.parent.name, file)
    if not files and (folder / ROBOFLOW).is_file():
        files["instances"] = folder / ROBOFLOW
    return files


def other_json(folder: Path) -> dict[str, Path]:
    """Split -> annotation file under any name, as tools export them: result.json, via_export_coco.json.

    The top is looked at first, then the folders of annotations; one file alone is "instances".
    """
    for place in (folder, *called(folder, NOTE_FOLDERS)):
        files: dict[str, Path] = {}
        for file in visible(place, "*.json"):
            if looks_like_coco(file):
                split = re.sub(NOISE, "", file.stem, flags=re.IGNORECASE) or file.stem
                files[file.stem if split in files else split] = file
        if len(files) == 1:
            return {"instances": next(iter(files.values()))}
        if files:
            return files
    return {}


def looks_like_coco(file: Path) -> bool:
    """Whether a JSON file speaks of images and annotations: results or a tool's own format do not."""
    if file.is_dir() or file.stat().st_size > MOST_BYTES:
        return False
    text = file.read_bytes()
    return text.lstrip()[:1] == b"{" and b'"images"' in text and b'"annotations"' in text


def _full(file: Path) -> str:
    """The split that an annotation file's name says, with its year."""
    return re.sub("^(instances|image_info)_?", "", file.stem)


def top_of(place: Path, split: str | None) -> Path:
    """The folder that a set is known by."""
    if place.is_dir():
        return place
    is_deeper = place.parent.name.casefold() in NOTE_FOLDERS or (split and place.name == ROBOFLOW)
    return place.parent.parent if is_deeper else place.parent


def choose(path: Path, split: str | None, offered: Mapping[str | None, object]) -> str | None:
    """The name by which a set offers a split, perhaps without a year: "train2017" is asked, "train" offered.

    Errors: KeyError for a split that it lacks, and for none where it has several.
    """
    if split in offered or (split is None and len(offered) == 1):
        return next(iter(offered)) if split is None and None not in offered else split
    for name, part in offered.items():
        if split and split == _full(part.place):
            return name
    asked = "which split?" if split is None else f"no split {split!r};"
    names = [name for name in offered if name]
    has = ", ".join(names) or "no splits"
    if not names and offered[None].place.is_file():
        has = f"no splits, only {offered[None].place.name}"
    if not names:
        has += ": name no split, or make some with `paperlib data split`"
    raise KeyError(f"{path}: {asked} it has {has}")
