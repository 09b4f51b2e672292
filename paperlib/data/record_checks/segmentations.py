"""Masks as files give them, polygons or run lengths, checked before pycocotools' C code reads them.

A polygon with a coordinate far outside, or run lengths of more pixels than the image has,
would end the process.
Units: size is (height, width) px of the image.
"""
import math
from dataclasses import dataclass
from itertools import chain

import numpy as np
from PIL import Image
from pycocotools import mask as rle_tools

from paperlib.data.record_checks.values import Wrong, brief
from paperlib.parts.masks import compress, unpack

OUTLINE = 1e7                  # px; pycocotools takes 80 bytes for each pixel of an outline that it draws


@dataclass(frozen=True)
class PngMask:
    """VOC's masks: the pixels of a picture that have one value. No annotation file can name this picture."""
    file: str
    value: int


def wrong_mask(seg: object, size: tuple[int, int]) -> Wrong | None:
    """(found, expected) if a record's `segmentation` is no mask of its image."""
    if isinstance(seg, dict):
        return _wrong_runs(seg, size)
    return _wrong_polygons(seg, size)


def right_polygons(annotations: list[dict], sizes: dict[int, tuple[int, int]]) -> np.ndarray:
    """Which masks are polygons beyond doubt, by one look at all their numbers.

    `wrong_mask` judges the others.
    Shapes: n annotations -> (n,) bool.
    """
    polygons, owners, reaches = [], [], []
    for i, ann in enumerate(annotations):
        seg = ann.get("segmentation")
        reaches.append(max(sizes[ann["image_id"]]))
        if isinstance(seg, list) and all(map(_is_polygon, seg)):
            polygons += seg
            owners += [i] * len(seg)
    try:
        numbers = np.array(list(chain.from_iterable(polygons)))
    except (ValueError, OverflowError):                    # lists of lists; numbers that no float can hold
        numbers = np.zeros(0)
    if not numbers.size or numbers.ndim != 1 or numbers.dtype.kind not in "fiu":  # texts, nulls
        return np.zeros(len(annotations), bool)
    owner, reach, lengths = np.array(owners), np.array(reaches), np.array(list(map(len, polygons)))
    starts = lengths.cumsum() - lengths
    low, high = np.minimum.reduceat(numbers, starts), np.maximum.reduceat(numbers, starts)
    outside = ~((low >= -reach[owner]) & (high <= 2 * reach[owner]))  # also where a number is NaN
    outline = 1.5 * reach * np.bincount(owner, lengths, len(reach))  # px at most
    return (outline > 0) & (outline <= OUTLINE) & (np.bincount(owner, outside, len(reach)) == 0)


def _is_polygon(polygon: object) -> bool:
    return isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0


def thin(polygons: list) -> list:
    """The polygons that have fewer than three points."""
    return [p for p in polygons if len(p) < 6]


def encode(seg: list | dict | PngMask, size: tuple[int, int]) -> dict:
    """A mask that passed `wrong_mask`, in pycocotools' compressed form."""
    if isinstance(seg, PngMask):
        return rle_tools.encode(np.asfortranarray(_painted(seg.file, size) == seg.value))
    return compress(seg, size)


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
    if drawn > OUTLINE:
        return f"polygons with {drawn:.3g} px of outline", f"at most {OUTLINE:.0e} px"
    return None


def _flat(polygon: object) -> list[float] | None:
    """The finite numbers of a polygon, if it is a list of pairs of them."""
    if not isinstance(polygon, list) or len(polygon) % 2:
        return None
    try:                                                   # one pass in C: files hold millions of points
        return polygon if math.isfinite(math.fsum(polygon)) else None
    except (TypeError, ValueError, OverflowError):  # texts; inf and -inf; numbers that no float can hold
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
    wanted = f"runs for {height} x {width} = {height * width} pixels"
    if rle.get("size") not in ([height, width], (height, width)):
        return f"RLE of size {brief(rle.get('size'))}", f"the image's [height, width] {[height, width]}"
    try:
        counts = rle["counts"]
        runs = np.array(counts) if isinstance(counts, list) else unpack(counts)
        if runs.ndim == 1 and (runs.dtype.kind in "iu" or not runs.size):
            total, negative = sum(runs.tolist()), runs.min(initial=0) < 0
            if total == height * width and not negative:
                return None
            kind = "RLE runs below 0" if negative else "RLE runs"
            return f"{kind} that add up to {total} pixels", wanted
    except (KeyError, TypeError, ValueError):
        pass
    return "RLE counts that cannot be read", wanted


def _painted(file: str, size: tuple[int, int]) -> np.ndarray:
    """(H, W) values of a palette picture. Errors: ValueError naming the file."""
    try:
        with Image.open(file) as picture:
            values = np.asarray(picture)
    except Exception as error:  # Pillow's readers fail on broken files in many ways
        problem = f"found no whole image ({error}); expected the masks of the objects"
        raise ValueError(f"{file}: {problem}") from None
    if values.shape != tuple(size):
        raise ValueError(f"{file}: found values of shape {values.shape}; expected {tuple(size)}, as its "
                         "picture has")
    return values
