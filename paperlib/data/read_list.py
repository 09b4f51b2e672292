"""Splits that are lists of images, as COCO's trainval35k and minival are, over all annotation files of a folder."""
import dataclasses
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.read_coco import gather_coco
from paperlib.data.record_checks.faults import Fault, read_lines, stop_if_fatal, summary

Choice = tuple[DetectionSet, dict]                         # an annotation file's set and one of its image records


def read_list(file: Path, annotation_files: list[Path], name: str,
              report: Callable[[str], None] | None = print) -> DetectionSet:
    """The images that a text file names, one a line, with what any of the annotation files knows of them.

    A line is an image's id, its file name or, where two files use one name, its path ("val/1.png"). Images are joined
    by file and id, and categories by name: where ids of two files clash, images and annotations are numbered anew.
    Source: the papers train on COCO 2014's trainval35k and test on minival, lists of images of train2014 and val2014.
    Errors: ValueError naming the list and the first entry that no annotation file has, that two have, or that stands
        there twice; and as `read_coco`.
    """
    found, faults = gather_list(file, annotation_files, name)
    stop_if_fatal(faults)
    if report and (line := summary(faults)):
        report(f"{name}: {line}")
    return found


def gather_list(file: Path, annotation_files: list[Path], name: str,
                pictures: bool = True) -> tuple[DetectionSet | None, list[Fault]]:
    """As much of a list as can be used, and every fault in it and in the annotation files (as `gather_coco`)."""
    entries, faults = read_lines(file)
    parts = []
    for path in annotation_files:
        part, wrong = gather_coco(path, name=path.stem, pictures=pictures)
        faults += wrong
        parts += [] if part is None else [part]
    if not parts:
        return None, faults
    root = Path(os.path.commonpath([part.root for part in parts]))
    chosen = _choose(entries, _known(parts, root), str(file), ", ".join(path.name for path in annotation_files), faults)
    if len({str(part.area_ranges) for part in parts}) > 1:
        faults.append(Fault(str(file), "info", "annotation files with other area_bounds", "the same in all", True))
    text = "".join([*sorted(part.version for part in parts), *entries])
    version = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]
    return _joined(parts, chosen, root, name, version), faults


def _known(parts: list[DetectionSet], root: Path) -> dict[str, list[Choice]]:
    """What each id, file name and path may mean; the records' file names are relative to `root`."""
    known = defaultdict(list)
    for part in parts:
        for image in part.images:
            moved = {**image, "file_name": (part.root / image["file_name"]).relative_to(root).as_posix()}
            for key in {str(image["id"]), Path(image["file_name"]).name, image["file_name"], moved["file_name"]}:
                known[key].append((part, moved))
    return known


def _choose(entries: list[str], known: dict, file: str, there: str, faults: list[Fault]) -> list[Choice]:
    """The image of each entry. Errors: none; an entry that names no image, two, or one again is a fault."""
    chosen, taken = [], set()
    for entry in entries:
        choices = known.get(entry, [])
        exact = [choice for choice in choices if choice[1]["file_name"] == entry] or choices
        pictures, said = {image["file_name"] for _, image in exact}, f"line {entry!r}"
        if not choices:
            faults.append(Fault(file, said, "neither the id nor the file name of an image", f"one in {there}", True))
        elif len(pictures) > 1:
            faults.append(Fault(file, said, f"the name of {len(pictures)} images ({', '.join(sorted(pictures)[:2])})",
                                "an image's path, which is its own", True))
        elif len({_content(*choice) for choice in exact}) > 1:
            faults.append(Fault(file, said, f"a picture that {len(exact)} files annotate differently",
                                "one file", True))
        elif pictures <= taken:
            faults.append(Fault(file, said, "an image that stands there twice", "each image once", True))
        else:
            chosen.append(exact[0])
            taken |= pictures
    return chosen


def _content(part: DetectionSet, image: dict) -> str:
    """What a file knows of an image, whatever numbers it gives to image, categories and annotations."""
    names = {category["id"]: category["name"] for category in part.categories}
    lines = [str((names[a["category_id"]], a["bbox"], a["iscrowd"])) for a in part.annotations[image["id"]]]
    return "\n".join(sorted(lines))


def _joined(parts: list[DetectionSet], chosen: list[Choice], root: Path, name: str, version: str) -> DetectionSet:
    """One set of the chosen images; ids stay as they are unless two of them clash."""
    categories, renamed = _categories(parts)
    numbers = _numbers([image["id"] for _, image in chosen])
    ann_numbers = iter(_numbers([ann["id"] for part, image in chosen for ann in part.annotations[image["id"]]]))
    annotations = {}
    for number, (part, image) in zip(numbers, chosen):
        classes = renamed[part.version]
        annotations[number] = [{**ann, "id": next(ann_numbers), "image_id": number,
                                "category_id": classes[ann["category_id"]]} for ann in part.annotations[image["id"]]]
    return dataclasses.replace(
        parts[0], name=name, root=root, version=version, categories=categories, annotations=annotations,
        images=[{**image, "id": number} for number, (_, image) in zip(numbers, chosen)],
        skipped=[f for part in parts for f in part.skipped], clipped=[f for part in parts for f in part.clipped],
        refused=frozenset().union(*(part.refused for part in parts)))


def _categories(parts: list[DetectionSet]) -> tuple[list[dict], dict[str, dict[int, int]]]:
    """The categories of all files by name, and for each file (by version) what becomes of its category ids."""
    if all(part.categories == parts[0].categories for part in parts):
        same = {category["id"]: category["id"] for category in parts[0].categories}
        return parts[0].categories, {part.version: same for part in parts}
    ids, joined = {}, []
    for category in (category for part in parts for category in part.categories):
        if category["name"] not in ids:
            taken = set(ids.values())
            ids[category["name"]] = category["id"] if category["id"] not in taken else max(taken) + 1
            joined.append({**category, "id": ids[category["name"]]})
    renamed = {part.version: {c["id"]: ids[c["name"]] for c in part.categories} for part in parts}
    return sorted(joined, key=lambda category: category["id"]), renamed


def _numbers(ids: list[int]) -> list[int]:
    """The ids, or 1, 2, ... where two are equal."""
    return list(range(1, len(ids) + 1)) if any(n > 1 for n in Counter(ids).values()) else ids
