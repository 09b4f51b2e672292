"""From drawings to pixels: things painted far first, through air and lens."""
import numpy as np
from cv2 import boundingRect, copyTo

from paperlib.world.backgrounds import soften
from paperlib.world.layout import Placed
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.shapes.outlines import outlines_of
from paperlib.world.shapes.strokes import fill_in, windows_of


def paint(world, image: np.ndarray, placed: list[Placed], air) -> tuple[np.ndarray, list[int]]:
    """Draw everything, far first; whose each pixel is (index + 1; 0: none), and how many each covered."""
    owner = np.zeros(image.shape[:2], np.uint16)
    full = [0] * len(placed)
    for k, (item, ((left, top, right, bottom), *strokes)) in enumerate(zip(placed, _strokes(image, placed))):
        if left >= right or top >= bottom:
            continue
        fog, sigma = air_and_lens(world, max(item.wide, item.high))
        before = image.copy() if fog or sigma else image
        mask = fill_in(image[top:bottom, left:right], *strokes)
        x, y, w, h = boundingRect(mask.view(np.uint8))
        mask, box = mask[y:y + h, x:x + w], (left + x, top + y, w, h)
        window = slice(top + y, top + y + h), slice(left + x, left + x + w)
        if fog and w:
            spot = image[window]
            copyTo((spot * (1 - fog) + air * fog).astype(np.uint8), mask.view(np.uint8), spot)
        if sigma > 0.2 and w:
            soften(image, before, box, sigma)
        owner[window][mask] = k + 1
        full[k] = int(np.count_nonzero(mask))
    return owner, full


def _strokes(image: np.ndarray, placed: list[Placed]) -> list[tuple]:
    """Of each drawing its window (px), and then what `fill_in` takes: points, shapes and their scales."""
    if not placed:
        return []
    unit, starts, lengths, shrunk, widest = outlines_of([item.notes for item in placed])
    sides = np.array([(item.side, item.side) for item in placed], np.float32)
    corners = np.array([(item.x - item.side / 2, item.y - item.side) for item in placed], np.float32)
    points = unit * (16 * sides).repeat(lengths, 0)
    points = points + (16 * corners.astype(float) - 8).repeat(lengths, 0)
    points = np.rint(points, out=points).astype(np.int32)           # (P, 2), in 1/16 px
    reach = (widest * shrunk * sides[:, 0] / 2).astype(int)
    windows = windows_of(image, points, starts, lengths, reach)
    ends = zip(starts.tolist(), (starts + lengths).tolist())
    points = [points[start:end] for start, end in ends]
    shapes = [item.notes.shapes for item in placed]
    return list(zip(windows, points, shapes, shrunk, sides[:, 0].tolist()))
