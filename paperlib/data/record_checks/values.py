"""What numbers and names out of a file must be before anything is done with them: files come from strangers.

Each check gives the value, or (found, expected) in words, and never fails itself.
"""
import math
import os
import re
import reprlib
from collections.abc import Sequence

from PIL import Image

FAR = 1e9                      # px; no coordinate of a picture is larger
LAST_ID = 2**63 - 1            # ids are kept as 64-bit integers
MAX_PIXELS = 2 * Image.MAX_IMAGE_PIXELS  # Pillow opens no larger picture: 178,956,970
MAX_AREA = 1e10                # px^2; pycocotools' "everything"
NAME_BYTES, PATH_BYTES = 255, 1024  # of one part of a name, and of all
AREA_BOUNDS = (32, 96)         # px, side lengths; COCO's small/medium/large

Wrong = tuple[str, str]        # (found, expected)

_SHORT = reprlib.Repr()        # a value may hold millions of others, or thousands one in the other
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxstring, _SHORT.maxlong = 4, 60, 20, 500, 500


def brief(value: object, most: int = 60) -> str:
    """A value in a message: one line, cut where it is long, and never written out deeper than that needs."""
    text = _SHORT.repr(value)
    if len(text) <= most:
        return text
    return f"{text[:most]}..."


def whole(value: object, low: int = -LAST_ID, high: int = LAST_ID) -> int | None:
    """The whole number that a value is, 3.0 too, if it lies in low..high; else None."""
    if type(value) is int:                                 # nearly always; files hold millions
        return value if low <= value <= high else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not value.is_integer():  # also inf and nan
        return None
    return int(value) if low <= value <= high else None


def finite(value: object, low: float = -FAR, high: float = FAR) -> bool:
    """Whether a value is a number (no text, no True) in low..high."""
    number = type(value) in (int, float) or (isinstance(value, int | float) and not isinstance(value, bool))
    return number and low <= value <= high


def flag(record: dict, key: str) -> bool | None:
    """A flag of a record: absent and null are False; None for anything but 0, 1, true and false."""
    value = record.get(key)
    if value is None or isinstance(value, bool):
        return bool(value)
    number = whole(value, 0, 1)
    return None if number is None else bool(number)


def wrong_size(height: object, width: object) -> Wrong | None:
    """Whether two numbers can be the size of a picture."""
    sides = whole(height, 1, MAX_PIXELS), whole(width, 1, MAX_PIXELS)
    if None in sides:
        return f"height {brief(height)}, width {brief(width)}", "whole numbers above 0"
    if math.prod(sides) > MAX_PIXELS:
        most = f"at most {MAX_PIXELS} pixels, the most that Pillow opens"
        return f"height {sides[0]}, width {sides[1]}", most
    return None


def wrong_path(name: object) -> Wrong | None:
    """Whether a name can lead to a file inside a folder, on any system: no way out, no backslash, no null."""
    said = f"file_name {brief(name)}"
    if not isinstance(name, str) or not name.strip():
        return said, "the name of a picture, as text"
    if "\\" in name:
        return said, "'/' between folders"
    if name.startswith("/") or re.match("[A-Za-z]:", name) or ".." in name.split("/"):
        return said, "a path inside the folder of pictures (no '..', no root, no drive)"
    try:
        stored = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a surrogate pair, as a broken converter writes
        stored = bytes(PATH_BYTES + 1)
    if min(stored) < 32 or len(stored) > PATH_BYTES or max(map(len, stored.split(b"/"))) > NAME_BYTES:
        return said, f"a name in whole characters, at most {NAME_BYTES} bytes a part and {PATH_BYTES} in all"
    return None


def native(name: str) -> str:
    """A UTF-8 name out of a file, as this system spells its files' names; under LC_ALL=C they differ."""
    return os.fsdecode(name.encode("utf-8", "surrogateescape"))


def area_ranges(bounds: Sequence[float] = AREA_BOUNDS) -> dict[str, tuple[float, float]]:
    """The areas, px^2, that count as small, medium and large where these sides, px, divide them; and all."""
    small, large = (float(side) ** 2 for side in bounds)
    return {"all": (0.0, MAX_AREA), "small": (0.0, small), "medium": (small, large),
            "large": (large, MAX_AREA)}


def area_bounds(data: dict) -> tuple[tuple[float, float], Wrong | None]:
    """The sides, px, that divide small, medium and large: `info.area_bounds` of a COCO dict, else COCO's."""
    info = data.get("info")
    bounds = info.get("area_bounds") if isinstance(info, dict) else None  # many converters put text there
    if bounds is None:
        return AREA_BOUNDS, None
    if isinstance(bounds, list | tuple) and len(bounds) == 2:
        small, large = bounds
        if finite(small, 1e-9) and finite(large, 1e-9) and small <= large:
            return (small, large), None
    return AREA_BOUNDS, (f"area_bounds {brief(bounds)}", "[small, large], two sides in px above 0")
