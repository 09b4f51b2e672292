"""From what pens noted to outlines: the points of many drawings at once.

An array of ten numbers costs NumPy as much time as one of a thousand, and a scene holds some twenty drawings
of a dozen shapes. So a pen notes numbers only, and all drawings of a scene become points together.
"""
from collections import defaultdict
from functools import cache
from math import pi
from typing import NamedTuple

import numpy as np

Colour = tuple[int, int, int]
Shape = tuple[object, int, Colour, float]           # its sort, number of points, RGB, width (0.0: filled)


class Notes(NamedTuple):
    """One drawing as its pen noted it, back to front.

    Units:  `numbers` holds, for each sort of shape, the numbers of all its shapes in a row; a turn is how
            many shapes it turns, its 2 x 2 matrix, and the factor of their widths; `lean` and `wide` slant
            and widen the whole.
    """
    shapes: list[Shape]
    numbers: dict[object, list[float]]
    turns: list[tuple[int, np.ndarray, float]]
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
    """The shapes of several drawings, one drawing after the other, each back to front.

    Shapes: points (P, 2) float32.
    Units:  points and widths in each drawing's unit frame; `starts` are the first points of the D drawings,
            `lengths` their numbers of points.
    """
    points: np.ndarray
    sizes: list[list[int]]                          # of each drawing, the points of its shapes
    colours: list[list[Colour]]
    widths: list[list[float]]
    starts: np.ndarray
    lengths: np.ndarray


def circle(n: int) -> np.ndarray:
    turn = np.arange(n) * (2 * pi / n)
    return np.stack([np.cos(turn), np.sin(turn)], 1).astype(np.float32)


CIRCLE, SMALL_CIRCLE = circle(18), circle(8)
RING = CIRCLE[np.arange(19) % 18]                   # closed
FOOT = np.array((0.5, 1.0), np.float32)             # where a drawing stands


@cache
def spline(n: int, closed: bool) -> np.ndarray:
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
        points = spline(*sort) @ np.array(flat, np.float32).reshape(-1, sort[0], 2)
    return points.reshape(-1, 2)


def _in_order(drawings: list[Notes]) -> np.ndarray:
    """All points (P, 2) float32 as they were noted, before turns."""
    numbers = defaultdict(list)
    for drawing in drawings:
        for sort, flat in drawing.numbers.items():
            numbers[sort] += flat
    made, place, start = [], {}, 0
    for sort, flat in numbers.items():
        made.append(_points_of(sort, flat))
        place[sort], start = start, start + len(made[-1])
    starts, sizes = [], []
    for drawing in drawings:
        for sort, size, _, _ in drawing.shapes:
            starts.append(place[sort])
            sizes.append(size)
            place[sort] += size
    ends = np.cumsum(sizes)
    rows = np.arange(ends[-1]) + np.repeat(starts - ends + sizes, sizes)
    return np.concatenate(made).take(rows, 0)


def outlines_of(drawings: list[Notes]) -> Outlines:
    """The drawings in the unit square on y = 1, slanted and widened; none larger than it was drawn."""
    _, sizes, colours, widths = zip(*[map(list, zip(*drawing.shapes)) for drawing in drawings])
    points = _in_order(drawings)
    lengths = np.array([sum(of_shapes) for of_shapes in sizes])
    starts = lengths.cumsum() - lengths
    for k, drawing in enumerate(drawings):
        for shapes, turn, scale in drawing.turns:
            turned = points[starts[k]:starts[k] + sum(sizes[k][:shapes])]
            turned[:] = turned @ turn
            widths[k][:shapes] = [width * scale for width in widths[k][:shapes]]
    across = points[:, 0]
    across += points[:, 1] * np.array([drawing.lean for drawing in drawings], np.float32).repeat(lengths)
    across *= np.array([drawing.wide for drawing in drawings], np.float32).repeat(lengths)
    low = np.minimum.reduceat(points, starts).astype(float)                 # (D, 2)
    high = np.maximum.reduceat(points, starts).astype(float)
    scale = np.minimum(1, 1 / (high - low)).min(1)
    middle = high
    middle[:, 0] = (low[:, 0] + high[:, 0]) / 2
    points -= middle.repeat(lengths, 0)
    points *= scale.astype(np.float32).repeat(lengths)[:, None]
    points += FOOT
    widths = [[width * factor for width in of_shapes] for of_shapes, factor in zip(widths, scale.tolist())]
    return Outlines(points, sizes, colours, widths, starts, lengths)


def parts_of(drawing: Notes) -> list[Part]:
    """One drawing as a list of parts, back to front."""
    points, (sizes,), (colours,), (widths,), _, _ = outlines_of([drawing])
    parts, start = [], 0
    for size, colour, width in zip(sizes, colours, widths):
        parts.append(Part("line" if width else "fill", points[start:start + size], colour, width))
        start += size
    return parts
