"""Pictures within the picture: posters, screens, billboards and shop windows, and walls of photographs.

Each shows a piece of another scene, drawn by the same pen, through the same air and lens and at the same size
as the scene's own things. What is drawn in it looks like an object from near; only the frame around it tells.
"""
import numpy as np
from cv2 import line, rectangle

from paperlib.world.backgrounds import Box, vary
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.exact import exp
from paperlib.world.layout import INDEX, Placed, pick
from paperlib.world.scenes import Scene

EDGES = ((44, 42, 46), (236, 232, 222), (120, 86, 58), (150, 150, 156), (182, 60, 52), (52, 78, 122))
REACH = (13, 20)  # px of a 128 px image, from the middle of what a poster shows to its edge
LOWEST = 0.9  # where a frame ends at most, a fraction of the image's height
MOTIF = (6, 16)  # px of a 128 px image, longest side
MARGIN = 12  # px, from the middle of a mark to what may lie around it: a window of 24 px shows none of it


def hang(image: np.ndarray, rng, scenery: np.ndarray, small: np.ndarray,
         marks: list[Box]) -> list[Box]:
    """Put a frame with a piece of `scenery` onto the image, in place; the marks then in view, xywh px.

    Shapes: image and scenery (size, size, 3) uint8; small (S, 4) xywh px, small things of the scenery.
    Units:  marks, xywh px, are those that were in view before.
    """
    unit = len(image) / 128
    if not len(small):
        return marks
    shown = small[rng.integers(len(small))]
    left, top, right, below = _cut(shown, rng, len(scenery), unit)
    piece = scenery[top:below, left:right]
    columns, rows = _tiles(rng)
    gap = max(2, round(rng.uniform(2, 3.5) * unit))
    high, wide = piece.shape[:2]
    across, down = columns * (wide + gap) + gap, rows * (high + gap) + gap
    x = int(rng.uniform(-0.1, 1.1) * max(len(image) - across, 1))
    y = int(rng.uniform(0.02, 1) * max(LOWEST * len(image) - down, 1))
    panel = np.empty((down, across, 3), np.uint8)
    panel[:] = vary(rng, EDGES[rng.integers(len(EDGES))], 10)
    _bevel(panel, rng, gap)
    hung = []
    for row in range(rows):
        for column in range(columns):
            u, v = gap + column * (wide + gap), gap + row * (high + gap)
            panel[v:v + high, u:u + wide] = piece
            hung += _inside(small, (left, top, right, below), x + u, y + v)
    if rng.random() < 0.3 and y + down < 0.75 * len(image):
        _legs(image, rng, x, x + across, y + down, unit)
    return _clear_of(marks, x, y, across, down) + _paste(image, panel, x, y, hung)


def _clear_of(marks: list[Box], x: int, y: int, wide: int, high: int) -> list[Box]:
    """The marks, xywh px, that do not touch a box."""
    clear = []
    for u, v, w, h in marks:
        if u >= x + wide or v >= y + high or u + w <= x or v + h <= y:
            clear.append((u, v, w, h))
    return clear


def motif(world, scene: Scene, rng) -> Placed:
    """One small thing in full view: what a frame may show of a scene that has nothing small."""
    names = [name for name in scene.things if INDEX[name] < world.categories]
    name = names[pick(rng, [scene.things[name][0] for name in names])]
    category, zone = CATEGORIES[INDEX[name]], scene.zones[scene.things[name][1]]
    side = exp(rng.uniform(np.log(MOTIF[0]), np.log(MOTIF[1]))) * world.size / 128
    x, y = rng.uniform(0.15, 0.85) * world.size, min(rng.uniform(zone.top, zone.bottom), 0.85) * world.size
    wide, high = side * min(1, category.aspect), side * min(1, 1 / category.aspect)
    return Placed(INDEX[name], category.draw(rng), x, y, side, 8 * world.size, wide, high)


def _cut(shown, rng, size: int, unit: float) -> tuple[int, int, int, int]:
    """The piece around a thing: left, top, right, bottom (px); the thing is near its middle."""
    x, y, w, h = shown.tolist()
    reach = rng.uniform(REACH[0] * unit, REACH[1] * unit, 4).round().astype(int).tolist()
    across, down = x + w // 2, y + h // 2
    return (max(0, across - reach[0]), max(0, down - reach[1]), min(size, across + reach[2]),
            min(size, down + reach[3]))


def _tiles(rng) -> tuple[int, int]:
    """Columns and rows of pictures in one frame: mostly one, now and then a wall of the same."""
    if rng.random() < 0.55:
        return 1, 1
    return int(rng.integers(1, 4)), int(rng.integers(1, 3))


def _bevel(panel: np.ndarray, rng, gap: int) -> None:
    """A frame's outer edge: a line, darker or lighter than the frame."""
    colour = vary(rng, (30, 30, 34), 6) if rng.random() < 0.6 else vary(rng, (246, 244, 240), 4)
    rectangle(panel, (0, 0), (panel.shape[1] - 1, panel.shape[0] - 1), colour, max(1, gap // 3))


def _legs(image, rng, left: int, right: int, top: int, unit: float) -> None:
    """The posts of a billboard."""
    colour, foot = vary(rng, (84, 82, 84), 10), top + round(rng.uniform(8, 26) * unit)
    for x in (left + 4, right - 5):
        line(image, (x, top), (x, foot), colour, max(1, round(2 * unit)))


def _inside(small: np.ndarray, cut, x: int, y: int) -> list[Box]:
    """The boxes that lie in a cut far enough from its edges, moved to where the cut's corner (x, y) is."""
    left, top, right, below = cut
    middle = small[:, :2] + small[:, 2:] / 2
    free = (middle - (left, top)).min(1) >= MARGIN
    free &= ((right, below) - middle).min(1) >= MARGIN
    moved = small[free] + (x - left, y - top, 0, 0)
    return [tuple(box) for box in moved.tolist()]


def _paste(image, panel, x: int, y: int, marks: list[Box]) -> list[Box]:
    """Paint what of the panel lies in the image, in place; the marks that lie in it whole."""
    high, wide = image.shape[:2]
    u, v = max(0, -x), max(0, -y)
    shown = panel[v:max(v, high - y), u:max(u, wide - x)]
    image[y + v:y + v + shown.shape[0], x + u:x + u + shown.shape[1]] = shown
    whole = []
    for mark in marks:
        if min(mark[:2]) >= 0 and mark[0] + mark[2] <= wide and mark[1] + mark[3] <= high:
            whole.append(mark)
    return whole
