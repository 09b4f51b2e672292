"""The checks that every record passes before it becomes training data: keys, ids, numbers, boxes, masks.

Nothing is raised here: what cannot be used is left out, and its fault says why.
"""
import numpy as np
from pycocotools import mask as rle_tools

from paperlib.data.record_checks.categories import named_once
from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.segmentations import PngMask, encode, right_polygons, thin, wrong_mask
from paperlib.data.record_checks.values import (
    MAX_AREA,
    Wrong,
    brief,
    finite,
    flag,
    native,
    whole,
    wrong_path,
    wrong_size,
)

KEYS = {"images": ("id", "file_name", "height", "width"), "categories": ("id", "name"),
        "annotations": ("id", "image_id", "category_id", "bbox")}
KINDS = {"images": "image", "categories": "category", "annotations": "annotation"}
CHUNK = 10_000                 # annotations whose polygons are looked at together


def check_records(data: dict, file: str, labelled: bool = True) -> tuple[dict[str, list], list[Fault]]:
    """The usable images, categories and annotations of a COCO dict, and what is wrong with the rest.

    In place: boxes that stick out are clipped, numbers such as 3.0 become 3, names become text, `iscrowd` and
    `area` are filled in where they are absent or null. `labelled=False` (image-info files) allows annotations
    to be absent. An annotation goes without a fault of its own where its image or category had one. Of two
    categories of one name the later goes: with a fatal fault where both have annotations, else as dropped.
    """
    faults: list[Fault] = []
    good = {part: _well_formed(data, part, file, labelled, faults) for part in KEYS}
    good["categories"] = named_once(good, file, faults)
    sizes = {image["id"]: (image["height"], image["width"]) for image in good["images"]}
    known = {category["id"] for category in good["categories"]}
    links = (("image_id", sizes, _ids(data, "images")), ("category_id", known, _ids(data, "categories")))
    linked = [ann for ann in good["annotations"] if _is_linked(ann, links, file, faults)]
    numeric = [ann for ann in linked if _check_numbers(ann, file, faults)]
    boxed = _check_boxes(numeric, sizes, file, faults)
    good["annotations"] = _check_segmentations(boxed, sizes, file, faults)
    for ann in good["annotations"]:
        if ann["area"] is None:
            ann["area"] = area_of(ann, sizes[ann["image_id"]])
    return good, faults


def area_of(ann: dict, size: tuple[int, int]) -> float:
    """The area, px^2, of a record that states none: that of its mask, else of its box."""
    if seg := ann.get("segmentation"):
        return float(rle_tools.area(encode(seg, size)))
    return ann["bbox"][2] * ann["bbox"][3]


def refused_pictures(data: dict, good: list[dict]) -> set[str]:
    """The file names, without folders, of the image records that were left out."""
    used, refused = {image["file_name"] for image in good}, set()
    records = data.get("images")
    for record in records if isinstance(records, list) else ():
        if isinstance(record, dict):
            name = record.get("file_name")
            if isinstance(name, str) and name not in used:
                refused.add(name.replace("\\", "/").rpartition("/")[2])
    return refused


def _ids(data: dict, part: str) -> set | None:
    """Every id that some record of a part has, usable or not; None if there is no such part."""
    records = data.get(part)
    if not isinstance(records, list):
        return None
    return {whole(record.get("id")) for record in records if isinstance(record, dict)}


def _well_formed(data: dict, part: str, file: str, labelled: bool, faults: list[Fault]) -> list[dict]:
    """Records of one part that have their keys, a fresh id and, for images, a size and the name of a file."""
    if not isinstance(records := data.get(part), list):
        if records is not None or labelled or part != "annotations":
            arrived = f"keys {sorted(data)}" if records is None else f"a {type(records).__name__}"
            faults.append(Fault(file, "top level", arrived, f"a list under {part!r}", True))
        return []
    good, ids = [], set()
    for i, record in enumerate(records):
        wrong = _wrong_record(record, part, ids)
        if wrong:
            name = f"{KINDS[part]} number {i}"
            if isinstance(record, dict) and whole(record.get("id")) is not None:
                name = f"{KINDS[part]} {record['id']}"
            faults.append(Fault(file, name, *wrong, True))
        else:
            ids.add(record["id"])
            good.append(record)
    return good


def _wrong_record(record: object, part: str, ids: set) -> Wrong | None:
    """(found, expected) for a record that cannot be used; others' numbers and names are mended in place."""
    keys = KEYS[part]
    lacks = [key for key in keys if key not in record] if isinstance(record, dict) else list(keys)
    if lacks:
        return f"no {', '.join(map(repr, lacks))}", f"the keys {keys}"
    if (number := whole(record["id"])) is None:
        return f"id {brief(record['id'])}", "a whole number"
    if number in ids:
        return "the same id twice", f"one {KINDS[part]} per id"
    record["id"] = number
    if part == "images":
        if wrong := wrong_path(record["file_name"]) or wrong_size(record["height"], record["width"]):
            return wrong
        record |= {"file_name": native(record["file_name"]), "height": int(record["height"]),
                   "width": int(record["width"])}
    if part == "categories":
        if not isinstance(record["name"], str | int | float):
            return f"name {brief(record['name'])}", "text"
        record["name"] = str(record["name"])  # classes "1", "2", ... are often written as numbers
    return None


def _is_linked(ann: dict, links: tuple, file: str, faults: list[Fault]) -> bool:
    """Whether an annotation's image and category can be used; a fault if no record has such an id."""
    for key, usable, ids in links:
        number = whole(ann[key])
        if number not in usable:
            if ids is not None and number not in ids:
                faults.append(Fault(file, f"annotation {ann['id']}", f"{key} {brief(ann[key])}",
                                    f"the id of one of the {len(ids)} {key.removesuffix('_id')} records",
                                    True))
            return False
        ann[key] = number
    return True


def _check_numbers(ann: dict, file: str, faults: list[Fault]) -> bool:
    """Whether box, area and flags are numbers in their range; a null is as if it were not there."""
    box, area, wrong = ann["bbox"], ann.setdefault("area", None), []
    if not (isinstance(box, list) and len(box) == 4 and all(map(finite, box)) and min(box[2:]) >= 0):
        wrong.append((f"bbox {brief(box)}", "[x, y, width, height], finite, width and height not negative"))
    if area is not None and not finite(area, 0, MAX_AREA):
        wrong.append((f"area {brief(area)}", f"a number from 0 to {MAX_AREA:.0e} px^2"))
    ann.setdefault("iscrowd", None)
    for key in ("iscrowd", "difficult"):
        if key not in ann:
            continue
        value = flag(ann, key)
        if value is None:
            wrong.append((f"{key} {brief(ann[key])}", "0 or 1"))
        else:
            ann[key] = int(value)
    for saw, wanted in wrong:
        faults.append(Fault(file, f"annotation {ann['id']}", saw, wanted, True))
    return not wrong


def _check_boxes(annotations: list[dict], sizes: dict, file: str, faults: list[Fault]) -> list[dict]:
    """Annotations with a box of some area in their image; boxes that stick out by less than half are clipped.

    Units: bbox is x, y, width, height in px.
    """
    if not annotations:
        return []
    x, y, w, h = np.array([a["bbox"] for a in annotations], dtype=float).T
    height, width = np.array([sizes[a["image_id"]] for a in annotations], dtype=float).T
    x1, y1, x2, y2 = x.clip(0, width), y.clip(0, height), (x + w).clip(0, width), (y + h).clip(0, height)
    # of no area in float32, as tensors hold boxes
    empty = (np.float32(x + w) <= np.float32(x)) | (np.float32(y + h) <= np.float32(y))
    lost = ~empty & ((x2 - x1) * (y2 - y1) < 0.5 * w * h)
    # by more than stored decimals are rounded
    out = np.maximum.reduce([-x, -y, x + w - width, y + h - height]) > 1e-3
    inside = np.stack([x1, y1, x2 - x1, y2 - y1], axis=1).tolist()
    for i in np.flatnonzero(empty | lost | out):
        ann = annotations[i]
        name, box = f"annotation {ann['id']}", f"bbox {[round(v, 3) for v in ann['bbox']]}"
        size = f"image {ann['image_id']} is {width[i]:g} wide and {height[i]:g} high"
        if empty[i]:
            faults.append(Fault(file, name, box, "a width and height above 0", False, "dropped"))
        elif lost[i]:
            faults.append(Fault(file, name, box, f"at least half of the box inside the image ({size})", True))
        else:
            faults.append(Fault(file, name, f"{box}, {size}", "a box inside the image", False, "clipped"))
            ann["bbox"] = inside[i]
    return [annotations[i] for i in np.flatnonzero(~(empty | lost))]


def _check_segmentations(annotations: list[dict], sizes: dict, file: str, faults: list[Fault]) -> list[dict]:
    """Annotations with a mask that can be used, or without one."""
    kept = []
    for first in range(0, len(annotations), CHUNK):
        chunk = annotations[first:first + CHUNK]
        for ann, is_right in zip(chunk, right_polygons(chunk, sizes).tolist()):
            if is_right or _check_segmentation(ann, sizes[ann["image_id"]], file, faults):
                kept.append(ann)
    return kept


def _check_segmentation(ann: dict, size: tuple[int, int], file: str, faults: list[Fault]) -> bool:
    """Whether a record can stay. Polygons of one or two points go; with none left, the mask is None."""
    seg, name = ann.get("segmentation"), f"annotation {ann['id']}"
    if not seg or isinstance(seg, PngMask):
        if seg is None:
            ann.pop("segmentation", None)
        return True
    if wrong := wrong_mask(seg, size):
        faults.append(Fault(file, name, *wrong, True))
        return False
    if isinstance(seg, list) and (dropped := thin(seg)):
        ann["segmentation"] = [p for p in seg if len(p) >= 6] or None
        faults.append(Fault(file, name,
                            f"a polygon of {len(dropped[0]) // 2} points (of {len(seg)} polygons)",
                            "polygons of three points or more", False, "dropped"))
    return True
