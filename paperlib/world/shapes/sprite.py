"""One drawing by itself, as it is printed many times."""
import numpy as np

from paperlib.world.shapes.outlines import outlines_of
from paperlib.world.shapes.strokes import fill_in


def sprite(note, size: int, rng, keep=1.0) -> tuple[np.ndarray, np.ndarray]:
    """A drawing of `size` px, or a share `keep` of its shapes: colours (s, s, 3) and mask (s, s).

    `note` makes the notes of the drawing.
    """
    notes = note(rng)
    points, _, _, (shrunk,), _ = outlines_of([notes])
    shapes = notes.shapes
    if keep < 1 and len(shapes) > 3:
        first = int(rng.integers(0, len(shapes) - 2))
        points = points[sum([number for _, number, _, _ in shapes[:first]]):]
        shapes = shapes[first:first + max(2, round(keep * len(shapes)))]
    colours = np.zeros((size + 2, size + 2, 3), np.uint8)
    points = np.rint(points * np.float32(16 * size) + np.float64(8)).astype(np.int32)
    return colours, fill_in(colours, points, shapes, shrunk, size)
