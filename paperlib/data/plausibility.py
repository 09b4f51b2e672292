"""What is wrong with sets that load: broken pictures, and well-formed records that make no sense."""
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from pycocotools import mask as rle_tools

from paperlib.data.detection_set import DetectionSet
from paperlib.data.pixels import decode
from paperlib.data.record_checks.faults import Fault
from paperlib.progress import progress

TWIN_IOU = 0.8                 # two boxes of one class this alike are taken for one object labelled twice
SAME_BOX_IOU = 0.95            # and of two classes: a chair hides behind its sitter, but not to the pixel
FEW = 20                       # fewer members than this say nothing about what is usual
ONE_SIZE = 0.6                 # a class has one size when the spread of its log areas is below this
ODD_SIZE = np.log(8)           # ratio of areas to the class's median from which a box of such a class is odd
MASK_SLACK = 2.0               # px between a box and the extent of its mask

View = tuple[DetectionSet, dict]                           # a set and one of its image records


def inspect(sets: Iterable[DetectionSet]) -> list[Fault]:
    """Every fault of this kind in any of the sets, each picture looked at once."""
    once = {}                                              # trainval repeats what train and val have
    for dataset in sets:
        for image in dataset.images:
            once[dataset.root / image["file_name"]] = dataset, image
    views = list(once.values())
    faults = []
    for look in (_pictures, _twins, _odd_sizes, _missing_classes, _masks, _class_names):
        faults += look(views)
    return faults


def _fault(dataset: DetectionSet, image: dict, ann: dict | None, saw: str, wanted: str, fatal=False) -> Fault:
    """A fault under the file and the name by which the owner of the data would look for it."""
    picture = dataset.root / image["file_name"]
    if ann is None:
        return Fault(str(picture), f"image {image['id']}", saw, wanted, fatal)
    source = dataset.sources.get(image["id"])              # of VOC or YOLO: one file an image
    for place in ("object", "line"):
        if source and place in ann:
            record = f"{place} {ann[place]} ({dataset.class_of(ann)})"
            return Fault(str(source), record, saw, wanted, fatal)
    return Fault(str(picture), f"annotation {ann['id']} ({dataset.class_of(ann)})", saw, wanted, fatal)


def _objects(views: list[View]) -> Iterator[tuple[DetectionSet, dict, dict]]:
    """(set, image, annotation) of every annotation."""
    for dataset, image in views:
        for ann in dataset.annotations[image["id"]]:
            yield dataset, image, ann


def pictures_that_fail(dataset: DetectionSet) -> dict[int, Fault]:
    """Image id -> what is wrong with its picture, of those that cannot be used."""
    views = []
    for image in dataset.images:
        views.append((dataset, image))
    failed = {}
    for (_, image), fault in zip(views, _looks(views)):
        if fault is not None and fault.fatal:
            failed[image["id"]] = fault
    return failed


def _pictures(views: list[View]) -> list[Fault]:
    """The pictures that cannot be used, one by one, and those of other pixels than RGB, a kind at a time."""
    alike, faults = defaultdict(list), []
    for (dataset, _), fault in zip(views, _looks(views)):
        if fault is None:
            continue
        if fault.fatal:
            faults.append(fault)
        else:
            alike[dataset.root, fault.found].append(fault)
    for (root, _), members in alike.items():
        first = members[0]
        if len(members) > 1:
            record = f"{len(members)} pictures, first {Path(first.file).relative_to(root)}"
            first = replace(first, file=str(root), record=record)
        faults.append(first)
    return faults


def _looks(views: list[View]) -> list[Fault | None]:
    """Decode every image, in threads (Pillow releases the interpreter meanwhile); None: all is well."""
    def look(view: View) -> Fault | None:
        dataset, image = view
        try:
            mode = decode(dataset.root / image["file_name"], (image["height"], image["width"]))[1]
        except (ValueError, FileNotFoundError) as error:
            saw, _, wanted = str(error).partition(": ")[2].removeprefix("found ").partition("; expected ")
            return _fault(dataset, image, None, saw, wanted or "an image file", True)
        if mode == "RGB":
            return None
        return _fault(dataset, image, None, f"pixels of kind {mode}", "RGB (converted)")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(progress(pool.map(look, views), total=len(views), desc="images", unit="image"))


def _twins(views: list[View]) -> list[Fault]:
    """Pairs of boxes in one image that overlap so much that they must be one object."""
    faults = []
    for dataset, image in views:
        anns = [ann for ann in dataset.annotations[image["id"]] if not ann["iscrowd"]]
        if len(anns) < 2:
            continue
        boxes = np.array([ann["bbox"] for ann in anns], dtype=float)
        overlaps = np.triu(rle_tools.iou(boxes, boxes, [0] * len(boxes)), 1)
        classes = np.array([ann["category_id"] for ann in anns])
        limit = np.where(classes[:, None] == classes, TWIN_IOU, SAME_BOX_IOU)
        for i, j in zip(*np.nonzero(overlaps > limit)):
            other = _fault(dataset, image, anns[i], "", "").record
            saw = f"IoU {overlaps[i, j]:.2f} with {other}: bbox {anns[j]['bbox']} and {anns[i]['bbox']}"
            wanted = f"one box per object (IoU at most {limit[i, j]})"
            faults.append(_fault(dataset, image, anns[j], saw, wanted))
    return faults


def _odd_sizes(views: list[View]) -> list[Fault]:
    """Boxes far from the one size of their class (cells, coins): a wrong class name or a slip of the mouse.

    Classes of all sizes, as in photographs of scenes, say nothing here.
    """
    by_class = defaultdict(list)
    for dataset, image, ann in _objects(views):
        if not ann["iscrowd"]:
            by_class[dataset.class_of(ann)].append((dataset, image, ann))
    faults = []
    for members in by_class.values():
        logs = np.log([a["bbox"][2] * a["bbox"][3] for *_, a in members])
        middle = np.median(logs)
        spread = 1.4826 * np.median(np.abs(logs - middle))                 # the sd, were the logs normal
        if len(members) < FEW or spread > ONE_SIZE:
            continue
        for k in np.flatnonzero(np.abs(logs - middle) > ODD_SIZE):
            wanted = f"near the median of its class, {np.exp(middle):.0f} px^2"
            saw = f"bbox {members[k][2]['bbox']} of {np.exp(logs[k]):.0f} px^2"
            faults.append(_fault(*members[k], saw, wanted))
    return faults


def _missing_classes(views: list[View]) -> list[Fault]:
    """Images without any object of a class that nearly all others have many of: probably not labelled."""
    counts = defaultdict(lambda: np.zeros(len(views), int))
    for i, view in enumerate(views):
        for dataset, _, ann in _objects([view]):
            counts[dataset.class_of(ann)][i] += 1
    faults = []
    for name, count in counts.items():
        usual = np.median(count)
        if len(views) < FEW or (count > 0).mean() < 0.9 or usual < 5:
            continue
        for i in np.flatnonzero(count == 0):
            dataset, image = views[i]
            saw = f"no {name} among {len(dataset.annotations[image['id']])} objects"
            faults.append(_fault(dataset, image, None, saw, f"about {usual:.0f}, as in the other images"))
    return faults


def _masks(views: list[View]) -> list[Fault]:
    """Boxes that are not the extent of their polygons."""
    faults = []
    for dataset, image, ann in _objects(views):
        seg = ann.get("segmentation")
        if not isinstance(seg, list) or not seg:
            continue
        points = np.concatenate(seg).reshape(-1, 2)        # every polygon is a list of pairs
        (left, top), (right, bottom) = points.min(0), points.max(0)
        x, y, w, h = ann["bbox"]
        if np.abs(np.array([left - x, top - y, right - x - w, bottom - y - h])).max() > MASK_SLACK:
            span = f"x {left:g}..{right:g}, y {top:g}..{bottom:g}"
            saw = f"bbox {ann['bbox']} around polygons that span {span}"
            faults.append(_fault(dataset, image, ann, saw, f"the polygons' extent within {MASK_SLACK:g} px"))
    return faults


def _class_names(views: list[View]) -> list[Fault]:
    """Two spellings of one class, and background among the classes (labels count from 1; 0 is background)."""
    classes, faults = {}, []
    for dataset, _ in views:
        classes[dataset.root] = dataset.classes
    for root, names in classes.items():
        plain = {name: name.strip().casefold() for name in names}
        for a, b in combinations(names, 2):
            if plain[a] == plain[b]:
                faults.append(Fault(str(root), f"class {b!r}", f"also {a!r}", "one spelling per class",
                                    False))
        for name in names:
            if plain[name].strip("_") in ("background", "bg"):
                faults.append(Fault(str(root), f"class {name!r}", "a class for background",
                                    "classes of objects only", False))
    return faults
