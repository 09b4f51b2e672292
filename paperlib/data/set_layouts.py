"""How detection sets lie in their folders: which splits there are, and in which file each is."""
import re
from pathlib import Path

from paperlib.data.read_voc import splits_of

ROBOFLOW = "_annotations.coco.json"                        # one in each split's folder, beside its pictures


def splits_at(path: Path) -> list[str | None]:
    """The splits of a COCO or VOC folder, but for lists of images; [None] for a set without splits."""
    names = list(json_splits(path)) or splits_of(path)
    return [None] if names in ([], ["instances"]) else names


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


def _full(file: Path) -> str:
    """The split that an annotation file's name says, with its year."""
    return re.sub("^(instances|image_info)_?", "", file.stem)


def top_of(place: Path, split: str | None) -> Path:
    """The folder that a set is known by."""
    if place.is_dir():
        return place
    is_deeper = place.parent.name == "annotations" or (split and place.name == ROBOFLOW)
    return place.parent.parent if is_deeper else place.parent


def choose(path: Path, split: str | None, files: dict[str, Path | None]) -> str:
    """The name by which a set lists a split, perhaps without a year: "train2017" is asked, "train" listed."""
    if split is None and len(files) == 1:
        return next(iter(files))
    if split is None and "instances" in files:
        return "instances"
    for name, file in files.items():
        if split == name or (split and file is not None and _full(file) == split):
            return name
    asked = "which split?" if split is None else f"no split {split!r};"
    has = ", ".join(files) or "no splits"
    if list(files) == ["instances"]:
        has = "no splits, only instances.json"
    raise KeyError(f"{path}: {asked} it has {has}")
