"""Reading a whole data set, pixels included, and reporting everything that is wrong with it."""
from collections import Counter
from itertools import combinations
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.named_sets import list_of, lists_of, locate, splits
from paperlib.data.pixels import SUFFIXES
from paperlib.data.plausibility import inspect
from paperlib.data.read_coco import gather_coco
from paperlib.data.read_list import gather_list
from paperlib.data.read_voc import gather_voc
from paperlib.data.record_checks.faults import Fault


def check(path: str | Path, split: str | None = None) -> list[Fault]:
    """Every fault of a data set, in all splits when none is named; opens every image. Fatal faults come first.

    Fatal faults would stop `load`; dropped and clipped ones are what it does; "kept" ones are for a person to look at:
    objects labelled twice, sizes unlike the rest of their class, a class missing where all other images have many,
    boxes that disagree with their masks, grey images, class names that differ by case, images that two splits share,
    splits without any object, files that no list names.
    Errors: FileNotFoundError, KeyError when there is no data set at `path`.
    """
    faults, sets = [], {}
    if listed := list_of(path, split):
        found, faults = gather_list(*listed, pictures=False)
        faults += _empty(found, listed[0], split, faults)
        sets = {split: found} if found is not None else {}
    for part in [] if listed else [split] if split else splits(path):
        kind, place, part = locate(path, part)
        found, wrong = gather_coco(place, pictures=False) if kind == "coco" else gather_voc(place, part)
        faults += wrong + _empty(found, place, part, wrong)
        if found is not None:
            sets[part or "all"] = found
    faults += inspect(sets.values()) + _leaks(sets)
    if split is None and sets:
        faults += _orphans(sets) + _lists(path)
    return sorted(dict.fromkeys(faults), key=lambda f: (not f.fatal, f.action != "dropped"))


def _empty(found: DetectionSet | None, place: Path, split: str | None, faults: list[Fault]) -> list[Fault]:
    """Whether a split that should have labels has no object to learn, or none that is scored.

    Nothing is said where records were refused: objects may be there once that is mended.
    """
    if found is None or place.name.startswith("image_info") or any(fault.fatal for fault in faults):
        return []
    kinds = Counter("crowd region" if ann["iscrowd"] else "difficult object" if ann.get("difficult") else "object"
                    for anns in found.annotations.values() for ann in anns)
    if kinds["object"]:
        return []
    there = " and ".join(["no object", *(f"{n} {kind}{'s' * (n > 1)}" for kind, n in kinds.items() if n)])
    what = "to score" if kinds["difficult object"] else "to learn, nothing to score"
    return [Fault(str(place), f"split {split}" if split else "annotations", f"{len(found)} images with {there}",
                  f"at least one object: else there is nothing {what}", False)]


def _lists(path: str | Path) -> list[Fault]:
    """What is wrong with the lists of images; a text of other content is only pointed out."""
    faults = []
    for listed in lists_of(path):
        found, wrong = gather_list(*listed, pictures=False)
        other = found is not None and not len(found)
        faults += [Fault(str(listed[0]), "file", "no line that names an image", "a list of images, or another name",
                         False)] if other else wrong
    return faults


def _leaks(sets: dict[str, DetectionSet]) -> list[Fault]:
    """Images that a training and a test split share; a split that contains another whole (trainval, val) is meant."""
    files = {part: {str(found.root / i["file_name"]) for i in found.images} for part, found in sets.items()}
    faults = []
    for a, b in combinations(files, 2):
        both = files[a] & files[b]
        if both and not (files[a] <= files[b] or files[b] <= files[a]):
            faults += [Fault(file, f"splits {a} and {b}", "in both", "in one of them", False) for file in sorted(both)]
    return faults


def _orphans(sets: dict[str, DetectionSet]) -> list[Fault]:
    """Files in the image and annotation folders that no split names."""
    named = {found.root / image["file_name"] for found in sets.values() for image in found.images}
    stems = {path.stem for path in named}
    refused = {name for found in sets.values() for name in found.refused}  # their faults are told already
    faults = []
    for root in {found.root for found in sets.values()}:
        there = [p for p in root.iterdir() if p.suffix.lower() in SUFFIXES and not {p.name, p.stem} & refused]
        xmls = (root.parent / "Annotations").glob("*.xml")
        faults += [Fault(str(p), "file", "no annotation record", "listed in a split", False) for p in sorted(there)
                   if p not in named]
        faults += [Fault(str(p), "file", "in no split", "listed in a split", False) for p in sorted(xmls)
                   if p.stem not in stems | refused]
    return faults
