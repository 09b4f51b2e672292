"""What can be wrong with a record, and the checks every annotation passes before it becomes training data.

A fault either stops the load (`fatal`) or is dealt with and counted: the record is dropped, its box clipped, or it is
kept and only pointed out. Dropped and clipped are the kinds that real COCO and VOC files contain.
"""
import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

KEYS = {"images": ("id", "file_name", "height", "width"), "categories": ("id", "name"),
        "annotations": ("id", "image_id", "category_id", "bbox")}


@dataclass(frozen=True)
class Fault:
    """One thing wrong with one record of one file."""
    file: str
    record: str                # "annotation 1774", "object 3 (RBC)", "image 9", "line 12"
    found: str
    expected: str
    fatal: bool                # a fatal fault stops the load; the others say what was done instead
    action: str = "kept"       # "dropped" | "clipped" | "kept", when not fatal

    def __str__(self) -> str:
        done = "error" if self.fatal else self.action
        return f"{self.file}: {self.record}: found {self.found}; expected {self.expected} [{done}]"


def stop_if_fatal(faults: Iterable[Fault]) -> None:
    """Raise for the first fatal fault, with the number of the others.

    Errors: ValueError naming file, record, what was found and what was expected.
    """
    fatal = [f for f in faults if f.fatal]
    if fatal:
        more = f" (and {len(fatal) - 1} more: `paperlib data check` lists all)" if len(fatal) > 1 else ""
        raise ValueError(f"{str(fatal[0]).removesuffix(' [error]')}{more}")


def summary(faults: list[Fault]) -> str:
    """One line that counts what was dropped and clipped, with the first case of each kind; "" when nothing was."""
    kinds = Counter((f.action, f.expected) for f in faults if not f.fatal and f.action != "kept")
    firsts = {(f.action, f.expected): f for f in reversed(faults)}
    return "; ".join(f"{n} {action} (expected {expected}; first: {firsts[action, expected].record}, "
                     f"{firsts[action, expected].found})" for (action, expected), n in kinds.items())


def read_json(file: Path) -> tuple[dict | None, list[Fault]]:
    """The parsed file, or None and the fault that says where it breaks off."""
    text = file.read_bytes()
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else f"byte {error.start}"
        found = f"{len(text)} bytes that are not complete JSON ({error})"
        return None, [Fault(str(file), where, found, "a whole JSON document (was the copy cut short?)", True)]
    if not isinstance(data, dict):
        return None, [Fault(str(file), "top level", f"a {type(data).__name__}", "a dict with 'images' ...", True)]
    return data, []


def check_records(data: dict, file: str, labelled: bool = True) -> tuple[dict[str, list], list[Fault]]:
    """The usable images, categories and annotations of a COCO dict, and everything that is wrong with the rest.

    Boxes that stick out are clipped in place. `labelled=False` (image-info files) allows annotations to be absent.
    Errors: none are raised; see `stop_if_fatal`.
    """
    faults: list[Fault] = []
    good = {part: _well_formed(data, part, file, labelled, faults) for part in KEYS}
    sizes = {image["id"]: (image["height"], image["width"]) for image in good["images"]}
    known = {category["id"] for category in good["categories"]}
    linked = []
    for ann in good["annotations"]:
        for key, ids, what in (("image_id", sizes, "image"), ("category_id", known, "category")):
            if ann[key] not in ids:
                faults.append(Fault(file, f"annotation {ann['id']}", f"{key} {ann[key]!r}",
                                    f"the id of one of the {len(ids)} {what} records", True))
                break
        else:
            linked.append(ann)
    boxed = _check_boxes(linked, sizes, file, faults)
    good["annotations"] = [a for a in boxed if _check_segmentation(a, sizes[a["image_id"]], file, faults)]
    return good, faults


def _well_formed(data: dict, part: str, file: str, labelled: bool, faults: list[Fault]) -> list[dict]:
    """Records of one part that have their keys, a fresh id and, for images, a size."""
    if not isinstance(records := data.get(part), list):
        if records is not None or labelled or part != "annotations":
            found = f"keys {sorted(data)}" if records is None else f"a {type(records).__name__}"
            faults.append(Fault(file, "top level", found, f"a list under {part!r}", True))
        return []
    good, seen, one = [], set(), {"categories": "category"}.get(part, part[:-1])
    for i, record in enumerate(records):
        lacks = [k for k in KEYS[part] if k not in record] if isinstance(record, dict) else list(KEYS[part])
        if lacks:
            name = f"{one} {record['id']}" if isinstance(record, dict) and "id" in record else f"{one} number {i}"
            faults.append(Fault(file, name, f"no {', '.join(map(repr, lacks))}", f"the keys {KEYS[part]}", True))
        elif not isinstance(record["id"], int):
            faults.append(Fault(file, f"{one} number {i}", f"id {record['id']!r}", "a whole number", True))
        elif record["id"] in seen:
            faults.append(Fault(file, f"{one} {record['id']}", "the same id twice", f"one {one} per id", True))
        elif part == "images" and not all(isinstance(record[k], int) and record[k] > 0 for k in ("height", "width")):
            found = f"height {record['height']!r}, width {record['width']!r}"
            faults.append(Fault(file, f"image {record['id']}", found, "whole numbers above 0", True))
        else:
            seen.add(record["id"])
            good.append(record)
    return good


def _check_boxes(annotations: list[dict], sizes: dict, file: str, faults: list[Fault]) -> list[dict]:
    """Annotations with a box of some area inside their image; boxes that stick out by less than half are clipped.

    Units: bbox is x, y, width, height in px.
    """
    readable = [a for a in annotations if _four_numbers(a, file, faults)]
    if not readable:
        return []
    x, y, w, h = np.array([a["bbox"] for a in readable], dtype=float).T
    height, width = np.array([sizes[a["image_id"]] for a in readable], dtype=float).T
    x1, y1, x2, y2 = x.clip(0, width), y.clip(0, height), (x + w).clip(0, width), (y + h).clip(0, height)
    empty, inside = (w == 0) | (h == 0), (x2 - x1) * (y2 - y1)
    lost = ~empty & (inside < 0.5 * w * h)
    out = np.maximum.reduce([-x, -y, x + w - width, y + h - height]) > 1e-3    # below: rounding of stored decimals
    for i in np.flatnonzero(empty | lost | out):
        ann, size = readable[i], f"image {readable[i]['image_id']} is {width[i]:g} wide and {height[i]:g} high"
        note = (f"annotation {ann['id']}", f"bbox {[round(v, 3) for v in ann['bbox']]}")
        if empty[i]:
            faults.append(Fault(file, *note, "a width and height above 0", False, "dropped"))
        elif lost[i]:
            faults.append(Fault(file, *note, f"at least half of the box inside the image ({size})", True))
        else:
            faults.append(Fault(file, note[0], f"{note[1]}, {size}", "a box inside the image", False, "clipped"))
            ann["bbox"] = [float(x1[i]), float(y1[i]), float(x2[i] - x1[i]), float(y2[i] - y1[i])]
    return [a for a, drop in zip(readable, empty | lost) if not drop]


def _four_numbers(ann: dict, file: str, faults: list[Fault]) -> bool:
    try:
        _, _, w, h = ann["bbox"]
        if math.isfinite(sum(ann["bbox"])) and w >= 0 and h >= 0:
            return True
    except (TypeError, ValueError):
        pass
    faults.append(Fault(file, f"annotation {ann['id']}", f"bbox {ann['bbox']}",
                        "[x, y, width, height], finite, width and height not negative", True))
    return False


def _check_segmentation(ann: dict, size: tuple[int, int], file: str, faults: list[Fault]) -> bool:
    """Whether the record can stay; polygons of fewer than three points are dropped from it."""
    seg, name = ann.get("segmentation"), f"annotation {ann['id']}"
    if not seg or (isinstance(seg, dict) and "png" in seg):
        return True
    if isinstance(seg, dict):
        if wrong := _wrong_rle(seg, size):
            faults.append(Fault(file, name, *wrong, True))
        return not wrong
    try:
        bad = [p for p in seg if len(p) % 2 or not math.isfinite(sum(p))]
    except TypeError:
        bad = [seg]
    if bad:
        faults.append(Fault(file, name, f"polygon {str(bad[0])[:60]}", "lists [x1, y1, x2, y2, ...] of numbers", True))
        return False
    if thin := [p for p in seg if len(p) < 6]:
        ann["segmentation"] = [p for p in seg if len(p) >= 6]
        faults.append(Fault(file, name, f"a polygon of {len(thin[0]) // 2} points (of {len(seg)} polygons)",
                            "polygons of three points or more", False, "dropped"))
    return bool(ann["segmentation"])


def _wrong_rle(rle: dict, size: tuple[int, int]) -> tuple[str, str] | None:
    """(found, expected) when a run-length mask does not cover exactly its image; checked before C code reads it."""
    height, width = size
    if list(rle.get("size", ())) != [height, width]:
        return f"RLE of size {rle.get('size')}", f"the image's [height, width] {[height, width]}"
    try:
        counts = rle["counts"]
        runs = counts if isinstance(counts, list) else _unpack(counts)
        if min(runs, default=0) >= 0 and sum(runs) == height * width:
            return None
        found = f"RLE runs that add up to {sum(runs)} pixels"
    except (KeyError, TypeError, ValueError, UnicodeError):
        found = "RLE counts that cannot be read"
    return found, f"runs for {height} x {width} = {height * width} pixels"


def _unpack(text: str | bytes) -> list[int]:
    """Run lengths from COCO's string form: 5 bits a character, low first; from the fourth run on, differences."""
    runs: list[int] = []
    value = shift = 0
    for char in text.encode("ascii") if isinstance(text, str) else text:
        char -= 48
        if not 0 <= char < 64:
            raise ValueError(f"character {char + 48} is outside the alphabet")
        value |= (char & 31) << shift
        shift += 5
        if not char & 32:                                  # last group; bit 16 is the sign
            value -= (1 << shift) if char & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("the string ends inside a number")
    return runs
