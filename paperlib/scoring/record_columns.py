"""Columns of COCO's records, checked: one error that names the first wrong record, or an array.

Boxes here are COCO's (x, y, width, height) in pixels, as in the files. Legend: R records.
"""
import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle

from paperlib.data.record_checks.segmentations import encode, thin, wrong_mask
from paperlib.data.record_checks.values import FAR, brief, finite, flag, wrong_size

Size = tuple[int, int]              # (height, width) px of an image


@dataclass(frozen=True)
class Records:
    """Annotations or results, and what messages call them."""
    kind: str                       # "annotation" | "result"
    rows: list                      # R dicts, if the file is in order
    places: Sequence[int]           # R; of each in its file

    def name(self, n: int) -> str:
        """What messages call record n of `rows`."""
        if self.kind == "result":
            return f"result {self.places[n]}"
        row = self.rows[n]
        if isinstance(row, dict) and "id" in row:
            return f"annotation {row['id']}"
        return f"annotation number {self.places[n]}"


def rank_columns(records: Records, images: dict, categories: dict | None) -> tuple[np.ndarray, np.ndarray]:
    """Image and category ranks (R,), (R,) of records by {id: rank}; without `categories` all are of rank 1.

    Errors: ValueError for what is no record, KeyError for an id that the ground truth lacks.
    """
    try:
        image = np.array([images[row["image_id"]] for row in records.rows], np.int64)
        if categories is None:
            return image, np.ones_like(image)
        return image, np.array([categories[row["category_id"]] for row in records.rows], np.int64)
    except (KeyError, TypeError):
        _name_the_unknown(records, images, categories)
        raise


def _name_the_unknown(records: Records, images: dict, categories: dict | None) -> None:
    """Raise for the first record that is none, or whose ids are not known."""
    for n, row in enumerate(records.rows):
        if not isinstance(row, dict):
            raise ValueError(f"{records.name(n)} is {row!s:.80}; expected a record (a JSON object)") from None
        for key, known in (("image_id", images), ("category_id", categories)):
            if known is not None and not _is_one_of(row.get(key), known):
                first = ", ".join(map(str, list(known)[:5]))
                raise KeyError(f"{records.name(n)}: {key} {brief(row.get(key))} is not in the ground truth, "
                               f"which has {len(known)} ({first}, ...)") from None


def _is_one_of(key: object, known: dict) -> bool:
    return isinstance(key, int | float | str) and key in known   # nothing else can be looked up


def number_column(records: Records, key: str, shape: tuple[int, ...] = ()) -> np.ndarray:
    """The numbers (R, *shape) that records have under `key`, float64.

    Errors: ValueError for a text, true, nan, a number beyond FAR, or too many or too few of them.
    """
    if not records.rows:
        return np.zeros((0, *shape))
    with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
        column = np.array([row[key] for row in records.rows])
        right_form = column.shape == (len(records.rows), *shape) and column.dtype.kind in "iuf"
        if right_form and ((column >= -FAR) & (column <= FAR)).all():
            return column.astype(float)
    for n, row in enumerate(records.rows):
        if not _are_numbers(row.get(key), shape):
            expected = f"{shape[0]} finite numbers" if shape else "a finite number"
            raise ValueError(f"{records.name(n)}: {key} is {row.get(key)!s:.80}; "
                             f"expected {expected}, at most {FAR:.0e}")
    raise ValueError(f"{key}: expected finite numbers of shape {shape} in each record")


def _are_numbers(value: object, shape: tuple[int, ...]) -> bool:
    numbers = [value]
    if shape and isinstance(value, list | tuple):
        numbers = value
    return len(numbers) == math.prod(shape) and all(map(finite, numbers))


def box_column(records: Records) -> np.ndarray:
    """The boxes (R, 4), px. Errors: as `number_column`, and ValueError for a negative side."""
    boxes = number_column(records, "bbox", (4,))
    negative = (boxes[:, 2:] < 0).any(1)
    if negative.any():
        n = int(negative.argmax())
        raise ValueError(f"{records.name(n)}: bbox {boxes[n].tolist()} has a negative side; "
                         "expected [x, y, width, height]")
    return boxes


def flag_column(records: Records, key: str) -> np.ndarray:
    """The flags (R,) bool. Errors: ValueError for anything but 0 and 1."""
    values = [flag(row, key) for row in records.rows]
    if None in values:
        n = values.index(None)
        raise ValueError(f"{records.name(n)}: {key} is {brief(records.rows[n][key])}; expected 0 or 1")
    return np.array(values, bool)


def area_column(records: Records, sizes: list[Size]) -> np.ndarray:
    """The areas (R,), px^2, on images of `sizes` (R): as stated, else of the mask, else of the box.

    Errors: ValueError for a stated area that is no finite number, or negative.
    """
    return np.array([_area(records, n, size) for n, size in enumerate(sizes)], float)


def _area(records: Records, n: int, size: Size) -> float:
    row = records.rows[n]
    area, mask = row.get("area"), row.get("segmentation")
    if area is not None:
        if not finite(area, 0, np.finfo(float).max):
            raise ValueError(f"{records.name(n)}: area is {brief(area)}; "
                             "expected a finite number, not negative")
        return area
    if mask and min(size) and not wrong_mask(mask, size) and not (isinstance(mask, list) and thin(mask)):
        return float(rle.area(encode(mask, size)))
    return row["bbox"][2] * row["bbox"][3]


def mask_column(records: Records, sizes: list[Size]) -> list[dict]:
    """The masks (R) on images of `sizes` (R) as compressed run lengths.

    Polygons are drawn here, by pycocotools, so that engines cannot differ in it.
    Errors: ValueError for a record without a mask, an image without a size, and a mask that is none.
    """
    return [_mask(records, n, size) for n, size in enumerate(sizes)]


def _mask(records: Records, n: int, size: Size) -> dict:
    mask = records.rows[n].get("segmentation")
    if not mask:
        raise ValueError(f"{records.name(n)} has no segmentation")
    if not min(size):
        raise ValueError(f"{records.name(n)}: its image has no height and width; "
                         "expected whole numbers above 0")
    wrong = wrong_mask(mask, size)
    if not wrong and isinstance(mask, list) and thin(mask):
        wrong = f"a polygon {brief(thin(mask)[0])}", "polygons of three points or more"
    if wrong:
        raise ValueError(f"{records.name(n)}: segmentation is {wrong[0]}; expected {wrong[1]}")
    return encode(mask, size)


def image_size(image: dict) -> Size:
    """An image's size; (0, 0) where the file has none that can be: only masks need it."""
    height, width = image.get("height"), image.get("width")
    if wrong_size(height, width):
        return 0, 0
    return int(height), int(width)
