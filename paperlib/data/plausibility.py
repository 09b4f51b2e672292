"""What is wrong with sets that load: pictures that break off, and records that are well formed but make no sense."""
import os
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
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
    once = {found.root / image["file_name"]: (found, image) for found in sets for image in found.images}
    views = list(once.values())                            # trainval repeats what train and val have
    return [fault for look in (_pictures, _twins, _odd_sizes, _missing_classes, _masks, _class_names)
            for fault in look(views)]


def _fault(found: DetectionSet, image: dict, ann: dict | None, saw: str, wanted: str, fatal=False) -> Fault:
    """A fault under the file and the name by which the owner of the data would look for it."""
    if ann is None:
        return Fault(str(found.root / image["file_name"]), f"image {image['id']}", saw, wanted, fatal)
    xml = found.root.parent / "Annotations" / f"{Path(image['file_name']).stem}.xml"
    if "object" in ann and xml.is_file():
        return Fault(str(xml), f"object {ann['object']} ({_class(found, ann)})", saw, wanted, fatal)
    name = f"annotation {ann['id']} ({_class(found, ann)})"
    return Fault(str(found.root / image["file_name"]), name, saw, wanted, fatal)


def _class(found: DetectionSet, ann: dict) -> str:
    """The name of an object's class: splits may number their classes differently."""
    return next(c["name"] for c in found.categories if c["id"] == ann["category_id"])


def _pictures(views: list[View]) -> list[Fault]:
    """Decode every image, in threads (Pillow releases the interpreter while it decodes)."""
    def look(view: View) -> Fault | None:
        found, image = view
        try:
            mode = decode(found.root / image["file_name"], (image["height"], image["width"]))[1]
        except (ValueError, FileNotFoundError) as error:
            saw, _, wanted = str(error).partition(": ")[2].removeprefix("found ").partition("; expected ")
            return _fault(found, image, None, saw, wanted or "an image file", True)
        return None if mode == "RGB" else _fault(found, image, None, f"pixels of kind {mode}", "RGB (converted)")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = list(progress(pool.map(look, views), total=len(views), desc="images", unit="image"))
    return [fault for fault in seen if fault]


def _twins(views: list[View]) -> list[Fault]:
    """Pairs of boxes in one image that overlap so much that they must be one object."""
    faults = []
    for found, image in views:
        anns = [a for a in found.annotations[image["id"]] if not a["iscrowd"]]
        if len(anns) < 2:
            continue
        boxes = np.array([a["bbox"] for a in anns], dtype=float)
        overlaps = np.triu(rle_tools.iou(boxes, boxes, [0] * len(boxes)), 1)
        classes = np.array([a["category_id"] for a in anns])
        limit = np.where(classes[:, None] == classes, TWIN_IOU, SAME_BOX_IOU)
        for i, j in zip(*np.nonzero(overlaps > limit)):
            other = _fault(found, image, anns[i], "", "").record
            saw = f"IoU {overlaps[i, j]:.2f} with {other}: bbox {anns[j]['bbox']} and {anns[i]['bbox']}"
            faults.append(_fault(found, image, anns[j], saw, f"one box per object (IoU at most {limit[i, j]})"))
    return faults


def _odd_sizes(views: list[View]) -> list[Fault]:
    """Boxes far from the one size that their class has (cells, coins): a wrong class name or a slip of the mouse.

    Classes of all sizes, as in photographs of scenes, say nothing here.
    """
    by_class = defaultdict(list)
    for found, image in views:
        for ann in found.annotations[image["id"]]:
            if not ann["iscrowd"]:
                by_class[_class(found, ann)].append((found, image, ann))
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
    """Images without a single object of a class that nearly all others have many of: probably not labelled."""
    counts = defaultdict(lambda: np.zeros(len(views), int))
    for i, (found, image) in enumerate(views):
        for ann in found.annotations[image["id"]]:
            counts[_class(found, ann)][i] += 1
    faults = []
    for name, count in counts.items():
        usual = np.median(count)
        if len(views) < FEW or (count > 0).mean() < 0.9 or usual < 5:
            continue
        for i in np.flatnonzero(count == 0):
            saw = f"no {name} among {len(views[i][0].annotations[views[i][1]['id']])} objects"
            faults.append(_fault(*views[i], None, saw, f"about {usual:.0f}, as in the other images"))
    return faults


def _masks(views: list[View]) -> list[Fault]:
    """Boxes that are not the extent of their polygons."""
    faults = []
    for found, image, ann in ((*view, ann) for view in views for ann in view[0].annotations[view[1]["id"]]):
        seg = ann.get("segmentation")
        if not isinstance(seg, list) or not seg:
            continue
        xs, ys = (np.concatenate([p[k::2] for p in seg]) for k in (0, 1))
        extent = np.array([xs.min(), ys.min(), xs.max(), ys.max()])
        x, y, w, h = ann["bbox"]
        if np.abs(extent - [x, y, x + w, y + h]).max() > MASK_SLACK:
            span = f"x {xs.min():g}..{xs.max():g}, y {ys.min():g}..{ys.max():g}"
            saw = f"bbox {ann['bbox']} around polygons that span {span}"
            faults.append(_fault(found, image, ann, saw, f"the polygons' extent within {MASK_SLACK:g} px"))
    return faults


def _class_names(views: list[View]) -> list[Fault]:
    """Two spellings of one class, and background among the classes (labels count from 1; 0 is background)."""
    faults = []
    for root, names in {found.root: tuple(found.classes) for found, _ in views}.items():
        plain = [name.strip().casefold() for name in names]
        faults += [Fault(str(root), f"class {b!r}", f"also {a!r}", "one spelling per class", False)
                   for (a, p), (b, q) in combinations(zip(names, plain), 2) if p == q]
        faults += [Fault(str(root), f"class {name!r}", "a class for background", "classes of objects only", False)
                   for name, p in zip(names, plain) if p.strip("_") in ("background", "bg")]
    return faults
