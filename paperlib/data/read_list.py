"""Splits that are lists of images, as COCO's trainval35k and minival, over a folder's annotation files."""
import dataclasses
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from paperlib.data.detection_set import DetectionSet
from paperlib.data.read_coco import gather_coco
from paperlib.data.record_checks.faults import Fault, read_lines, usable
from paperlib.data.record_checks.values import Wrong

Choice = tuple[DetectionSet, dict]  # an annotation file's set and one of its image records


def read_list(file: Path, annotation_files: list[Path], name: str,
              report: Callable[[str], None] | None = print) -> DetectionSet:
    """The images that a text file names, one a line, with what any of the annotation files knows of them.

    A line is an image's id, its file name or, where two files use one name, its path ("val/1.png"). Images
    are joined by file and id, and categories by name: where ids of two files clash, images and annotations
    are numbered anew.
    Source: the papers train on COCO 2014's trainval35k and test on minival,
            lists of images of train2014 and val2014.
    Errors: ValueError naming the list and the first entry that no annotation file has, that two have, or that
        stands there twice; and as `read_coco`.
    """
    dataset, faults = gather_list(file, annotation_files, name)
    return usable(dataset, faults, report)


def gather_list(file: Path, annotation_files: list[Path], name: str,
                pictures: bool = True) -> tuple[DetectionSet | None, list[Fault]]:
    """As much of a list as can be used, and every fault in it and in the annotation files."""
    entries, faults = read_lines(file)
    parts = []
    for path in annotation_files:
        part, wrong = gather_coco(path, name=path.stem, pictures=pictures)
        faults += wrong
        if part is not None:
            parts.append(part)
    if not parts:
        return None, faults
    root = Path(os.path.commonpath([part.root for part in parts]))
    sources = ", ".join(path.name for path in annotation_files)
    chosen = _choose(entries, _known(parts, root), str(file), sources, faults)
    if len({str(part.area_ranges) for part in parts}) > 1:
        faults.append(Fault(str(file), "info", "annotation files with other area_bounds", "the same in all",
                            True))
    text = "".join([*sorted(part.version for part in parts), *entries])
    version = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12]
    return _joined(parts, chosen, root, name, version), faults


def _known(parts: list[DetectionSet], root: Path) -> dict[str, list[Choice]]:
    """What each id, file name and path may mean; the records' file names are relative to `root`."""
    known = defaultdict(list)
    for part in parts:
        for image in part.images:
            moved = {**image, "file_name": (part.root / image["file_name"]).relative_to(root).as_posix()}
            for key in {str(image["id"]), Path(image["file_name"]).name, image["file_name"],
                        moved["file_name"]}:
                known[key].append((part, moved))
    return known


def _choose(entries: list[str], known: dict, file: str, sources: str, faults: list[Fault]) -> list[Choice]:
    """The image of each entry. Errors: none; an entry that names no image, two, or one again is a fault."""
    chosen, taken = [], set()
    for entry in entries:
        choices = known.get(entry, [])
        exact = [choice for choice in choices if choice[1]["file_name"] == entry] or choices
        pictures = {image["file_name"] for _, image in exact}
        wrong = _wrong_entry(exact, pictures, taken, sources)
        if wrong:
            faults.append(Fault(file, f"line {entry!r}", *wrong, True))
        else:
            chosen.append(exact[0])
            taken |= pictures
    return chosen


def _wrong_entry(choices: list[Choice], pictures: set[str], taken: set[str], sources: str) -> Wrong | None:
    """(found, expected) of an entry that does not name one image, for the first time."""
    if not choices:
        return "neither the id nor the file name of an image", f"one in {sources}"
    if len(pictures) > 1:
        names = ", ".join(sorted(pictures)[:2])
        return f"the name of {len(pictures)} images ({names})", "an image's path, which is its own"
    if len({_content(*choice) for choice in choices}) > 1:
        return f"a picture that {len(choices)} files annotate differently", "one file"
    if pictures <= taken:
        return "an image that stands there twice", "each image once"
    return None


def _content(part: DetectionSet, image: dict) -> str:
    """What a file knows of an image, whatever numbers it gives to image, categories and annotations."""
    anns = part.annotations[image["id"]]
    lines = [str((part.class_of(ann), ann["bbox"], ann["iscrowd"])) for ann in anns]
    return "\n".join(sorted(lines))


def _joined(parts: list[DetectionSet], chosen: list[Choice], root: Path, name: str,
            version: str) -> DetectionSet:
    """One set of the chosen images; ids stay as they are unless two of them clash."""
    categories, renamed = _categories(parts)
    ann_ids = []
    for part, image in chosen:
        ann_ids += [ann["id"] for ann in part.annotations[image["id"]]]
    ann_numbers = iter(_numbers(ann_ids))
    images, annotations = [], {}
    for number, (part, image) in zip(_numbers([image["id"] for _, image in chosen]), chosen):
        images.append({**image, "id": number})
        annotations[number] = []
        for ann in part.annotations[image["id"]]:
            category = ann["category_id"]
            if renamed:
                category = renamed[part.version][category]
            moved = {**ann, "id": next(ann_numbers), "image_id": number, "category_id": category}
            annotations[number].append(moved)
    skipped, clipped, refused = [], [], frozenset()
    for part in parts:
        skipped, clipped, refused = skipped + part.skipped, clipped + part.clipped, refused | part.refused
    return dataclasses.replace(
        parts[0], name=name, root=root, version=version, categories=categories, annotations=annotations,
        images=images, skipped=skipped, clipped=clipped, refused=refused)


def _categories(parts: list[DetectionSet]) -> tuple[list[dict], dict[str, dict[int, int]]]:
    """The categories of all files by name, and for each file (by version) what becomes of its category ids.

    The second is empty where all files have the same categories.
    """
    if all(part.categories == parts[0].categories for part in parts):
        return parts[0].categories, {}
    ids, joined, renamed = {}, [], {}
    for part in parts:
        renamed[part.version] = {}
        for category in part.categories:
            name = category["name"]
            if name not in ids:
                taken = set(ids.values())
                ids[name] = category["id"] if category["id"] not in taken else max(taken) + 1
                joined.append({**category, "id": ids[name]})
            renamed[part.version][category["id"]] = ids[name]
    return sorted(joined, key=lambda category: category["id"]), renamed


def _numbers(ids: list[int]) -> list[int]:
    """The ids, or 1, 2, ... where two are equal."""
    return ids if len(set(ids)) == len(ids) else list(range(1, len(ids) + 1))
