"""Shapes onto pixels: where drawings lie in the image, and how their shapes fill it there."""
from typing import NamedTuple

import numpy as np
from cv2 import COLOR_RGB2RGBA, COLOR_RGBA2RGB, LINE_AA, cvtColor, fillPoly, polylines

from paperlib.world.shapes.outlines import Shape, outlines_of


class Strokes(NamedTuple):
    """A drawing where it lies in the image.

    Shapes: points (P, 2) int32.
    Units:  window [x0, y0, x1, y1] px; points in 1/16 px, from the window's corner; a width times `shrunk` is
            in unit-frame units, times `side` in px.
    """
    window: list[int]
    points: np.ndarray
    shapes: list[Shape]
    shrunk: float
    side: float


def windows_of(size, points: np.ndarray, starts, lengths, reach: np.ndarray) -> list[list[int]]:
    """What each drawing may touch of an image of `size` px; `points` are moved, in place, into their windows.

    Shapes: points (P, 2) int32, of which each of the D drawings has `lengths`, from `starts`.
    Units:  points in 1/16 px; reach is half of the thickest lines' width in px; [x0, y0, x1, y1] px, with
            x0 >= x1 or y0 >= y1 if a drawing lies outside.
    """
    reach = reach[:, None] + 3
    low = np.maximum(0, np.minimum.reduceat(points, starts) // 16 - reach)
    high = np.minimum(size, np.maximum.reduceat(points, starts) // 16 + reach)
    points -= (16 * low).astype(np.int32).repeat(lengths, 0)
    return np.concatenate([low, high], 1).tolist()


def fill_in(window: np.ndarray, points: np.ndarray, shapes: list[Shape], shrunk: float,
            side: float) -> np.ndarray:
    """Draw one drawing onto a window of the image, in place, and return where it covers it.

    Shapes: window (h, w, 3) uint8 RGB, points (P, 2) int32 -> (h, w) bool.
    Units:  points in 1/16 px; a width times `shrunk` is in unit-frame units, times `side` in px.
    """
    canvas = cvtColor(window, COLOR_RGB2RGBA)
    canvas[..., 3] = 0                                      # the fourth channel gathers the coverage
    start = 0
    for _, size, colour, width in shapes:
        outline = [points[start:start + size]]
        start += size
        if width:
            thick = max(1, round(width * shrunk * side))
            polylines(canvas, outline, False, (*colour, 255), thick, LINE_AA, 4)
        else:
            fillPoly(canvas, outline, (*colour, 255), LINE_AA, 4)
    cvtColor(canvas, COLOR_RGBA2RGB, window)
    return canvas[..., 3] >= 128


def strokes_of(size: int, drawings: list) -> list[Strokes]:
    """Drawings in an image of `size` px: each has notes, x (its middle), y (its foot) and side, in px."""
    if not drawings:
        return []
    unit, starts, lengths, shrunk, widest = outlines_of([item.notes for item in drawings])
    sides = np.array([(item.side, item.side) for item in drawings], np.float32)
    corners = np.array([(item.x - item.side / 2, item.y - item.side) for item in drawings], np.float32)
    points = unit * (16 * sides).repeat(lengths, 0)
    points = points + (16 * corners.astype(float) - 8).repeat(lengths, 0)
    points = np.rint(points, out=points).astype(np.int32)           # (P, 2), in 1/16 px
    reach = (widest * shrunk * sides[:, 0] / 2).astype(int)
    windows = windows_of(size, points, starts, lengths, reach)
    ends = zip(starts.tolist(), (starts + lengths).tolist())
    points = [points[start:end] for start, end in ends]
    shapes = [item.notes.shapes for item in drawings]
    return list(map(Strokes, windows, points, shapes, shrunk, sides[:, 0].tolist()))
