"""Two habits of annotation tools that are read as they are meant: ids as texts, and polygons not in a list.

VGG's VIA writes "image_id": "0" beside images of id 0, and "segmentation": [x1, y1, x2, y2, ...].
"""
from paperlib.data.record_checks.faults import Fault
from paperlib.data.record_checks.values import brief, finite, whole

IDS = {"images": ("id",), "categories": ("id",), "annotations": ("id", "image_id", "category_id")}


def read_as_meant(data: dict, file: str) -> list[Fault]:
    """Make ids that are texts numbers, and wrap lone polygons; one fault for each kind, with a count."""
    faults = []
    for part, keys in IDS.items():
        records = data.get(part)
        if not isinstance(records, list):
            continue
        for key in keys:
            changed = _numbers(records, key)
            if changed:
                saw = f"{len(changed)} times {key} as a text, first {brief(changed[0])}"
                faults.append(Fault(file, part, saw, "whole numbers without quotes", False, "mended"))
    wrapped = _wrap(data.get("annotations"))
    if wrapped:
        saw = f"{len(wrapped)} polygons in no list, first of annotation {brief(wrapped[0].get('id'))}"
        faults.append(Fault(file, "annotations", saw, "[[x1, y1, x2, y2, ...]]", False, "mended"))
    return faults


def _numbers(records: list, key: str) -> list[str]:
    """The texts that were made numbers: "7", and none that can be read in two ways ("07", "7.0", " 7")."""
    changed = []
    for record in records:
        text = record.get(key) if isinstance(record, dict) else None
        if not isinstance(text, str) or len(text) > 20 or not text.removeprefix("-").isdecimal():
            continue
        if text.isascii() and str(int(text)) == text and whole(int(text)) is not None:
            record[key] = int(text)
            changed.append(text)
    return changed


def _wrap(annotations: object) -> list[dict]:
    """The records whose polygon was wrapped in a list."""
    wrapped = []
    for record in annotations if isinstance(annotations, list) else ():
        seg = record.get("segmentation") if isinstance(record, dict) else None
        if isinstance(seg, list) and len(seg) >= 6 and all(map(finite, seg)):
            record["segmentation"] = [seg]
            wrapped.append(record)
    return wrapped
