"""From what pens noted to outlines: the points of many drawings at once.

An array of ten numbers costs NumPy as much time as one of a thousand, and a scene holds some twenty drawings
of a dozen shapes. So a pen notes numbers only, and all drawings of a scene become points together.
"""
from collections import defaultdict
from functools import cache
from itertools import chain
from math import pi
from typing import NamedTuple

import numpy as np

Colour = tuple[int, int, int]
Shape = tuple[object, int, Colour, float]           # its sort, number of points, RGB, width (0.0: filled)


class Notes(NamedTuple):
    """One drawing as its pen noted it, back to front.

    Units:  `numbers` holds, for each sort of shape, the numbers of all its shapes in a row; a turn is how
            many points it turns, and its 2 x 2 matrix; `lean` and `wide` slant and widen the whole.
    """
    shapes: list[Shape]
    numbers: dict[object, list[float]]
    turns: list[tuple[int, np.ndarray]]
    lean: float
    wide: float


class Part(NamedTuple):
    """One shape of a drawing, in the unit frame: x right, y down, the object stands on y = 1.

    Shapes: points (P, 2) float32.
    Units:  points and width are in unit-frame units; kind is "fill" or "line"; colour is RGB, 0..255.
    """
    kind: str
    points: np.ndarray
    colour: Colour
    width: float = 0.0


class Outlines(NamedTuple):
    """The points of several drawings, one drawing after the other, in the order of their shapes.

    Shapes: points (P, 2) float32 in the unit frames; of each of D drawings the first point, the number of
            points, the factor of its widths, and its largest width before.
    """
    points: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    scales: list[float]
    widest: np.ndarray


def _circle(n: int) -> np.ndarray:
    turn = np.arange(n) * (2 * pi / n)
    return np.stack([np.cos(turn), np.sin(turn)], 1).astype(np.float32)


CIRCLE, SMALL_CIRCLE = _circle(18), _circle(8)
RING = CIRCLE[np.arange(19) % 18]                   # closed
FOOT = np.array(((0.5, 1.0),), np.float32)          # where a drawing stands


@cache
def _spline(n: int, closed: bool) -> np.ndarray:
    """The matrix from n control points to a smooth curve through them (Catmull-Rom, 4 points a span)."""
    spans = n if closed else n - 1
    out = np.zeros((spans * 4 + (not closed), n), np.float32)
    for row in range(len(out)):
        k, t = min(row // 4, spans - 1), (row - 4 * min(row // 4, spans - 1)) / 4
        weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -t**2 + t**3)
        for j, weight in zip(range(k - 1, k + 3), weights):
            out[row, j % n if closed else min(max(j, 0), n - 1)] += weight / 2
    return out


def _points_of(sort, flat: list[float]) -> np.ndarray:
    """The points (n, 2) float32 of all shapes of one sort."""
    if sort == "corners":
        return np.array(flat, np.float32).reshape(-1, 2)
    if sort == "ring":                              # rx, ry, x, y
        numbers = np.array(flat).reshape(-1, 1, 4)
        points = RING * numbers[..., :2].astype(np.float32)
        points += numbers[..., 2:]
    elif sort in ("dot", "spot"):                   # a 2 x 2 matrix, x, y
        numbers = np.array(flat).reshape(-1, 6)
        matrices = numbers[:, :4].astype(np.float32).reshape(-1, 2, 2)
        points = (CIRCLE if sort == "dot" else SMALL_CIRCLE) @ matrices
        points += numbers[:, None, 4:]
    else:                                           # a curve: how many control points, and whether closed
        points = _spline(*sort) @ np.array(flat, np.float32).reshape(-1, sort[0], 2)
    return points.reshape(-1, 2)


def _in_order(drawings: list[Notes], sorts: tuple, sizes: np.ndarray) -> np.ndarray:
    """All points (P, 2) float32 as they were noted, before turns."""
    numbers = defaultdict(list)
    for drawing in drawings:
        for sort, flat in drawing.numbers.items():
            numbers[sort] += flat
    made = np.concatenate([_points_of(sort, flat) for sort, flat in numbers.items()])   # sort by sort
    places = {sort: k for k, sort in enumerate(numbers)}
    by_sort = np.argsort([places[sort] for sort in sorts], kind="stable")
    shifts = np.empty_like(sizes)
    shifts[by_sort] = sizes[by_sort].cumsum() - sizes[by_sort]
    shifts -= sizes.cumsum() - sizes
    return made.take(np.arange(len(made)) + shifts.repeat(sizes), 0)


def outlines_of(drawings: list[Notes]) -> Outlines:
    """The drawings in the unit square on y = 1, slanted and widened; none larger than it was drawn."""
    sorts, sizes, _, widths = zip(*chain.from_iterable([drawing.shapes for drawing in drawings]))
    counts = np.array([len(drawing.shapes) for drawing in drawings])
    firsts, sizes = counts.cumsum() - counts, np.array(sizes)
    lengths, widest = np.add.reduceat(sizes, firsts), np.maximum.reduceat(widths, firsts)
    starts = lengths.cumsum() - lengths
    points = _in_order(drawings, sorts, sizes)
    for drawing, start in zip(drawings, starts.tolist()):
        for size, turn in drawing.turns:
            points[start:start + size] = points[start:start + size] @ turn
    across = points[:, 0]
    across += points[:, 1] * np.array([drawing.lean for drawing in drawings], np.float32).repeat(lengths)
    across *= np.array([drawing.wide for drawing in drawings], np.float32).repeat(lengths)
    low = np.minimum.reduceat(points, starts).astype(float)                 # (D, 2)
    high = np.maximum.reduceat(points, starts).astype(float)
    scales = np.minimum(1, 1 / (high - low)).min(1)
    middle = high
    middle[:, 0] = (low[:, 0] + high[:, 0]) / 2
    # rows are repeated in full: NumPy takes five times as long to widen (P, 1) or (2,) to (P, 2)
    points -= middle.repeat(lengths, 0)
    points *= np.stack([scales, scales], 1).astype(np.float32).repeat(lengths, 0)
    points += FOOT.repeat(len(points), 0)
    return Outlines(points, starts, lengths, scales.tolist(), widest)


def parts_of(drawing: Notes) -> list[Part]:
    """One drawing as a list of parts, back to front."""
    points, _, _, (scale,), _ = outlines_of([drawing])
    parts, start = [], 0
    for _, size, colour, width in drawing.shapes:
        outline, start = points[start:start + size], start + size
        parts.append(Part("line" if width else "fill", outline, colour, width * scale))
    return parts
