"""Prints: rows of one and the same drawing of a category, on walls, grounds and skies.

A print is told from an object by its neighbours, not by itself.
"""
from dataclasses import dataclass

import numpy as np
from cv2 import boundingRect

from paperlib.world.backgrounds import Box, soften
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.shapes.outlines import Notes
from paperlib.world.shapes.strokes import Strokes, fill_in


@dataclass
class Print:
    """A grid of one drawing that fills `box` (xyxy px), `step` px apart.

    Units:  side of the unit frame in px; every other row lies `slant` px to the right; `cloth` is by how much
            the ground is made lighter, RGB, or None; `shown` are the shapes that are printed.
    """
    notes: Notes
    shown: slice
    box: tuple[int, int, int, int]
    side: int
    step: float
    slant: float
    cloth: np.ndarray | None

    @property
    def x(self) -> float:
        """The drawing's middle in a picture of its own, which leaves 1 px around the unit frame."""
        return 1 + self.side / 2

    @property
    def y(self) -> float:
        """The drawing's foot in that picture."""
        return 1 + self.side


def planned(rng, note, box, side: int, step: float) -> Print:
    """A print of what `note` draws.

    One in three lies on a cloth: the ground, lighter or darker. One in eight shows parts of the drawing only.
    """
    cloth = rng.normal(0, 20, 3) if rng.random() < 1 / 3 else None
    partly = rng.random() >= 0.875
    notes = note(rng)
    count, shown = len(notes.shapes), slice(None)
    if partly and count > 3:
        first = int(rng.integers(0, count - 2))
        shown = slice(first, first + max(2, round(0.4 * count)))
    slant = step / 2 if rng.random() < 0.4 else 0
    return Print(notes, shown, box, side, step, slant, cloth)


def _sprite(item: Print, strokes: Strokes) -> tuple[np.ndarray, np.ndarray]:
    """The drawing by itself: colours (s, s, 3) and mask (s, s)."""
    (left, top, right, bottom), points, shapes, shrunk, side = strokes
    skipped = sum([number for _, number, _, _ in shapes[:item.shown.start or 0]])
    colours = np.zeros((item.side + 2, item.side + 2, 3), np.uint8)
    mask, window = np.zeros(colours.shape[:2], bool), np.s_[top:bottom, left:right]
    mask[window] = fill_in(colours[window], points[skipped:], shapes[item.shown], shrunk, side)
    return colours, mask


def print_on(world, image: np.ndarray, item: Print, strokes: Strokes, air) -> list[Box]:
    """Print, in place, through air (RGB) and lens; the marks: xywh px around the pixels of each."""
    x0, y0, x1, y1 = item.box
    fog, sigma = air_and_lens(world, item.side)
    before = image.copy()
    if item.cloth is not None:
        image[y0:y1, x0:x1] = np.clip(image[y0:y1, x0:x1] + item.cloth, 0, 255).astype(np.uint8)
    colours, mask = _sprite(item, strokes)
    colours = (colours * (1 - fog) + np.asarray(air) * fog).astype(np.uint8)
    side, marks, inked = len(mask), [], mask[..., None]
    x, y, w, h = boundingRect(mask.view(np.uint8))
    for row, v in enumerate(np.arange(y0 + 1, y1 - side, item.step).astype(int).tolist()):
        for u in np.arange(x0 + 1 + item.slant * (row % 2), x1 - side, item.step).astype(int).tolist():
            np.copyto(image[v:v + side, u:u + side], colours, where=inked)
            marks.append((u + x, v + y, w, h))
    soften(image, before, (x0, y0, x1 - x0, y1 - y0), sigma)
    return marks
