"""Masks as files give them, polygons or run lengths, checked before pycocotools' C code reads them.

A polygon with a coordinate far outside, or run lengths of more pixels than the image has, would end the process.
Units: size is (height, width) px of the image.
"""
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from pycocotools import mask as rle_tools

from paperlib.data.record_checks.values import Wrong, brief

OUTLINE = 1e7                  # px; pycocotools takes 80 bytes for each pixel of an outline that it draws
DIGITS = 7                     # characters of 5 bits that a run length may have: no image has 2**35 pixels


@dataclass(frozen=True)
class PngMask:
    """VOC's masks: the pixels of a picture that have one value. No annotation file can name this picture."""
    file: str
    value: int


def wrong_mask(seg: object, size: tuple[int, int]) -> Wrong | None:
    """(found, expected) if a record's `segmentation` is no mask of its image."""
    return _wrong_runs(seg, size) if isinstance(seg, dict) else _wrong_polygons(seg, size)


def thin(polygons: list) -> list:
    """The polygons that have fewer than three points."""
    return [p for p in polygons if len(p) < 6]


def encode(seg: list | dict | PngMask, size: tuple[int, int]) -> dict:
    """A mask that passed `wrong_mask`, in pycocotools' compressed form."""
    if isinstance(seg, PngMask):
        return rle_tools.encode(np.asfortranarray(_painted(seg.file, size) == seg.value))
    if isinstance(seg, list):
        return rle_tools.merge(rle_tools.frPyObjects(seg, *size))
    counts, size = seg["counts"], [int(side) for side in size]
    if isinstance(counts, list):
        return rle_tools.frPyObjects({"size": size, "counts": counts}, *size)
    return {"size": size, "counts": counts.encode() if isinstance(counts, str) else counts}


def _wrong_polygons(seg: object, size: tuple[int, int]) -> Wrong | None:
    if not isinstance(seg, list):
        return f"segmentation {brief(seg)}", "a list of polygons [x1, y1, x2, y2, ...], or run lengths"
    reach, drawn = max(size), 0.0                          # may stick out by as much as the image is long
    for polygon in seg:
        flat = _flat(polygon)
        if flat is None:
            return f"polygon {brief(polygon)}", "lists [x1, y1, x2, y2, ...] of finite numbers"
        low, high = min(flat, default=0), max(flat, default=0)
        if not -reach <= low <= high <= 2 * reach:
            return (f"a polygon with coordinates from {low:g} to {high:g}",
                    f"{-reach} to {2 * reach} px, as its image is {size[1]} wide and {size[0]} high")
        drawn += _outline(flat, reach)
    return None if drawn <= OUTLINE else (f"polygons with {drawn:.3g} px of outline", f"at most {OUTLINE:.0e} px")


def _flat(polygon: object) -> list[float] | None:
    """The finite numbers of a polygon, if it is a list of pairs of them."""
    if not isinstance(polygon, list) or len(polygon) % 2:
        return None
    try:                                                   # one pass in C: files hold millions of points
        return polygon if math.isfinite(math.fsum(polygon)) else None
    except (TypeError, ValueError, OverflowError):         # texts; inf and -inf; numbers that no float can hold
        return None


def _outline(flat: list[float], reach: int) -> float:
    """px of a polygon's outline, or a bound of it where that is small anyhow."""
    bound = 1.5 * reach * len(flat)
    if bound < 0.01 * OUTLINE:
        return bound
    points = np.array(flat).reshape(-1, 2)
    return float(np.abs(points - np.roll(points, 1, 0)).max(1).sum())


def _wrong_runs(rle: dict, size: tuple[int, int]) -> Wrong | None:
    height, width = size
    if rle.get("size") not in ([height, width], (height, width)):
        return f"RLE of size {brief(rle.get('size'))}", f"the image's [height, width] {[height, width]}"
    try:
        counts = rle["counts"]
        runs = np.array(counts) if isinstance(counts, list) else unpack(counts)
        if runs.ndim == 1 and (runs.dtype.kind in "iu" or not runs.size):
            total = sum(runs.tolist())
            if total == height * width and runs.min(initial=0) >= 0:
                return None
            kind = "RLE runs below 0" if runs.min(initial=0) < 0 else "RLE runs"
            return f"{kind} that add up to {total} pixels", f"runs for {height} x {width} = {height * width} pixels"
    except (KeyError, TypeError, ValueError):
        pass
    return "RLE counts that cannot be read", f"runs for {height} x {width} = {height * width} pixels"


def unpack(text: str | bytes) -> np.ndarray:
    """Run lengths (n,) from COCO's string form: 5 bits a character, low first; from the fourth run on, differences.

    Errors: ValueError for what is no such string.
    """
    raw = text.encode("ascii") if isinstance(text, str) else text
    chars = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    last = np.flatnonzero((chars & 32) == 0)               # a character without bit 5 ends its number
    if ((chars < 0) | (chars > 63)).any() or (len(chars) and (not len(last) or last[-1] != len(chars) - 1)):
        raise ValueError("a character outside the alphabet, or an end inside a number")
    first = np.concatenate([[0], last[:-1] + 1])[:len(last)]
    if (last - first >= DIGITS).any():
        raise ValueError("a run longer than any image")
    place = np.arange(len(chars)) - np.repeat(first, last - first + 1)
    runs = np.add.reduceat((chars & 31) << 5 * place, first) if len(last) else np.zeros(0, np.int64)
    runs -= ((chars[last] & 16) > 0) * (32 << 5 * place[last])  # bit 4 of the last character is the sign
    runs[1::2], runs[2::2] = runs[1::2].cumsum(), runs[2::2].cumsum()
    return runs


def _painted(file: str, size: tuple[int, int]) -> np.ndarray:
    """(H, W) values of a palette picture. Errors: ValueError naming the file."""
    try:
        with Image.open(file) as picture:
            values = np.asarray(picture)
    except Exception as error:  # Pillow's readers fail on broken files in many ways
        raise ValueError(f"{file}: found no whole image ({error}); expected the masks of the objects") from None
    if values.shape != tuple(size):
        raise ValueError(f"{file}: found values of shape {values.shape}; expected {tuple(size)}, as its picture has")
    return values
