"""Reading a whole data set, pixels included, and reporting everything that is wrong with it."""
from collections import Counter
from itertools import combinations
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.formats.fix import fix as write_fixed
from paperlib.data.layouts.folders import is_picture, visible
from paperlib.data.layouts.yolo_places import NAME_FILES
from paperlib.data.named_sets import list_of, lists_of, locate, splits
from paperlib.data.plausibility import inspect
from paperlib.data.read_list import gather_list
from paperlib.data.record_checks.faults import Fault


def fix(path: str | Path, out: str | Path, split: str | None = None) -> tuple[list[Fault], list[str]]:
    """A copy of a set, or of one split, without its faults.

    Errors: as `check`, and those of `formats.fix.fix`.
    """
    chosen = splits(path) if split is None else [split]
    return write_fixed([locate(path, part) for part in chosen], out)


def check(path: str | Path, split: str | None = None) -> list[Fault]:
    """Every fault of a data set, in all splits when none is named; opens every image.

    Fatal faults come first: they would stop `load`. Dropped and clipped ones are what it does; "kept" ones
    are for a person to look at: objects labelled twice, sizes unlike the rest of their class, a class missing
    where all other images have many, boxes that disagree with their masks, grey images, class names that
    differ by case, images that two splits share, two records of one picture, splits without any object,
    files that no list names.
    Errors: FileNotFoundError, KeyError when there is no data set at `path`.
    """
    faults, sets = [], {}
    if listed := list_of(path, split):
        dataset, faults = gather_list(*listed, pictures=False)
        faults += _empty(dataset, listed[0], split, faults)
        if dataset is not None:
            sets[split] = dataset
    else:
        for part in splits(path) if split is None else [split]:
            part = locate(path, part)
            dataset, wrong = part.gather(pictures=False)
            faults += wrong
            if part.kind != "pictures":                    # they are said to be without labels already
                faults += _empty(dataset, part.place, part.split, wrong)
            if dataset is not None:
                sets[part.split or "all"] = dataset
    faults += inspect(sets.values()) + _repeated(sets) + _leaks(sets)
    if split is None and sets:
        faults += _orphans(sets) + _lists(path)
    return sorted(dict.fromkeys(faults), key=lambda f: (not f.fatal, f.action != "dropped"))


def _empty(dataset: DetectionSet | None, place: Path, split: str | None, faults: list[Fault]) -> list[Fault]:
    """Whether a split that should have labels has no object to learn, or none that is scored.

    Nothing is said where records were refused: objects may be there once that is mended.
    """
    if dataset is None or place.name.startswith("image_info") or any(fault.fatal for fault in faults):
        return []
    kinds = Counter(map(_kind, dataset.every_annotation()))
    if kinds["object"]:
        return []
    counts = ["no object"]
    for kind in ("crowd region", "difficult object"):
        if kinds[kind]:
            counts.append(f"{kinds[kind]} {kind}{'s' * (kinds[kind] > 1)}")
    purpose = "to score" if kinds["difficult object"] else "to learn, nothing to score"
    where = f"split {split}" if split else "annotations"
    return [Fault(str(place), where, f"{len(dataset)} images with {' and '.join(counts)}",
                  f"at least one object: else there is nothing {purpose}", False)]


def _kind(ann: dict) -> str:
    """What an annotation marks."""
    if ann["iscrowd"]:
        return "crowd region"
    if ann.get("difficult"):
        return "difficult object"
    return "object"


def _lists(path: str | Path) -> list[Fault]:
    """What is wrong with the lists of images; a text of other content is only pointed out."""
    faults = []
    for listed in lists_of(path):
        dataset, wrong = gather_list(*listed, pictures=False)
        if dataset is not None and not len(dataset):
            wrong = [Fault(str(listed[0]), "file", "no line that names an image",
                           "a list of images, or another name", False)]
        faults += wrong
    return faults


def _repeated(sets: dict[str, DetectionSet]) -> list[Fault]:
    """Pictures that two image records of one split name."""
    faults = []
    for dataset in sets.values():
        first: dict[Path, int] = {}
        for file, number in zip(dataset.files, dataset.image_ids):
            if file in first:
                faults.append(Fault(str(file), f"image {number}", f"the same file as image {first[file]}",
                                    "one record for each picture: else it counts twice", False))
            first.setdefault(file, number)
    return faults


def _leaks(sets: dict[str, DetectionSet]) -> list[Fault]:
    """Images that two splits share; a split may contain another whole, as trainval contains val."""
    files = {part: set(map(str, dataset.files)) for part, dataset in sets.items()}
    faults = []
    for a, b in combinations(files, 2):
        both = files[a] & files[b]
        if both and files[a] == files[b]:
            faults.append(Fault(min(both), f"splits {a} and {b}", f"the same {len(both)} images",
                                "others to score than to learn: else scores are too good", False))
        if both and not (files[a] <= files[b] or files[b] <= files[a]):
            for file in sorted(both):
                faults.append(Fault(file, f"splits {a} and {b}", "in both", "in one of them", False))
    return faults


def _orphans(sets: dict[str, DetectionSet]) -> list[Fault]:
    """Files in the image and annotation folders that no split names."""
    named, refused, roots, notes = set(), set(), set(), set()
    for dataset in sets.values():
        for note in dataset.sources.values():
            notes.add((note.parent, note.suffix))
        named.update(dataset.files)
        refused |= dataset.refused                         # their faults are told already
        roots.add(dataset.root)
    stems = {path.stem for path in named} | refused
    faults = []
    for root in roots:
        for picture in sorted(root.iterdir()):
            is_known = picture in named or {picture.name, picture.stem} & refused
            if is_picture(picture) and not is_known:
                faults.append(Fault(str(picture), "file", "no annotation record", "listed in a split", False))
    for folder, ending in sorted(notes):
        for note in visible(folder, f"*{ending}"):
            if note.stem not in stems and note.name not in NAME_FILES:
                faults.append(Fault(str(note), "file", "in no split", "listed in a split", False))
    return faults
