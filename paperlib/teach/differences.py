"""How two values differ, in words: numbers, arrays and nested lists and dicts of them."""
import math
from collections.abc import Iterable, Mapping, Sized

import numpy as np
import torch

from paperlib.teach.arrays import as_array

NOT_SAME = "the values are not the same"


def difference(got, expected, tolerance: float) -> str:
    """How two values differ, in words; empty when they agree.

    Raises nothing: `got` is a learner's, and may be anything.
    """
    try:
        return _difference(got, expected, tolerance)
    except Exception as error:
        return f"got {type(got).__name__}, which cannot be compared: {error}"


def _difference(got, expected, tolerance: float) -> str:
    if isinstance(expected, (torch.Tensor, np.ndarray)):
        return _array_difference(got, expected, tolerance)
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping) or set(got) != set(expected):
            return f"expected a dict with keys {sorted(map(str, expected))}"
        return _first_difference(expected, got, expected, tolerance)
    if isinstance(expected, (list, tuple)):
        if not isinstance(got, (list, tuple)) or len(got) != len(expected):
            return f"expected {len(expected)} items, got {_length(got)}"
        return _first_difference(range(len(expected)), got, expected, tolerance)
    if isinstance(expected, (int, float, np.number)) and not isinstance(expected, bool):
        return _number_difference(got, expected, tolerance)
    if not isinstance(got, (list, tuple)) and np.shape(got) == () and bool(got == expected):
        return ""
    return NOT_SAME


def _length(value) -> int | str:
    """How many items a value has; its type where it has none."""
    if isinstance(value, Sized) and getattr(value, "ndim", 1):
        return len(value)
    return type(value).__name__


def _first_difference(keys: Iterable, got, expected, tolerance: float) -> str:
    """The first of these items that differs, with how; empty when all agree."""
    for key in keys:
        if text := _difference(got[key], expected[key], tolerance):
            return f"[{key!r}] {text}"
    return ""


def _number_difference(got, expected: float, tolerance: float) -> str:
    if isinstance(got, (str, bytes)):  # float reads numbers out of them
        return f"expected a number, got {type(got).__name__}"
    try:
        got = float(got)
    except OverflowError:  # an int of more digits than a float can have
        return NOT_SAME
    except (TypeError, ValueError, RuntimeError):
        return f"expected a number, got {type(got).__name__}"
    if math.isclose(got, expected, rel_tol=tolerance, abs_tol=min(tolerance, 1e-5)):
        return ""
    if math.isnan(got) and math.isnan(expected):
        return ""
    return NOT_SAME


def _array_difference(got, expected, tolerance: float) -> str:
    if not isinstance(got, (torch.Tensor, np.ndarray)):
        kind = "tensor" if isinstance(expected, torch.Tensor) else "array"
        return f"expected a {kind}, got {type(got).__name__}"
    got, expected = as_array(got), as_array(expected)
    if got.shape != expected.shape:
        return f"expected shape {expected.shape}, got {got.shape}"
    if got.dtype.kind not in "biufO":
        return f"expected an array of numbers, got one of {got.dtype}"
    got, expected = got.astype(float), expected.astype(float)
    apart = ~np.isclose(got, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
    if not apart.any():
        return ""
    first = np.argwhere(apart)[0].tolist()  # [] in an array of no dimension
    return f"{apart.sum()} of {apart.size} entries, the first at {first}"
