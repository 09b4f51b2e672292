"""Large stuff of no category: rocks, bushes, tents, crates, rugs.

Behind a small thing it may be taken for a body, of which the thing is a part.
"""
import numpy as np
from cv2 import boundingRect

from paperlib.world.catalogue import render
from paperlib.world.exact import exp
from paperlib.world.layout import Placed
from paperlib.world.painting.surfaces import roughen, surface
from paperlib.world.pen import Pen, around, tint
from paperlib.world.scenes import Scene

SIDES = (24, 80)  # px of a 128 px image, longest side
SMALL, BACKS = 22, (26, 38)  # px of a 128 px image: longest side of what is backed, of what backs it
MOST, APART = 8, 0.6  # backs in an image; between their middles, in their mean side


def lump(image: np.ndarray, rng, scene: Scene, rough: float) -> None:
    """Paint one lump onto a scene's backdrop, in place, where its things stand."""
    size = len(image)
    zone = list(scene.zones.values())[rng.integers(len(scene.zones))]
    side = exp(rng.uniform(np.log(SIDES[0]), np.log(SIDES[1]))) * size / 128
    x = rng.random() * size
    y = rng.uniform(zone.top, zone.bottom + 0.1) * size + 0.3 * side
    _heap(image, rng, x, y, side, rough)


def back(world, image: np.ndarray, rng, placed: list[Placed]) -> None:
    """Paint rugs, signs and bushes behind small things, in place, onto the backdrop; MOST at most, apart."""
    unit, taken = world.size / 128, []
    for item in placed:
        if len(taken) == MOST:
            break
        if item.category is None or max(item.wide, item.high) > SMALL * unit or rng.random() > world.backed:
            continue
        side = rng.uniform(*BACKS) * unit
        x, y = rng.normal((item.x, item.y - item.high / 2), 2.5 * unit).tolist()
        if all(max(abs(x - u), abs(y - v)) > APART * (side + other) / 2 for u, v, other in taken):
            taken.append((x, y, side))
            _heap(image, rng, x, y + side / 2, side, world.rough)


def _heap(image: np.ndarray, rng, x: float, y: float, side: float, rough: float) -> None:
    """Paint a lump of `side` px that stands on (x, y)."""
    pen = Pen(rng)
    _shape(pen)
    matrix = np.array(((side, 0, x - side / 2), (0, side, y - side)), np.float32)
    mask = render(image, pen.done(), matrix)
    u, v, w, h = boundingRect(mask.view(np.uint8))
    if w:
        window = slice(v, v + h), slice(u, u + w)
        roughen(image[window], mask[window], surface(rng).bumps, rough)


def _shape(pen: Pen) -> None:
    """A rounded heap, a box, or a box with a lid or a stripe."""
    kind = pen.below(3)
    if kind == 0:
        corners = []
        for x, y in around(0.5, 0.6, 1.0, (0.2, 1.1, 2.0, 3.0, 3.9, 4.7, 5.5)):
            reach = pen.between(0.25, 0.45)
            corners.append((0.5 + (x - 0.5) * reach, 0.6 + (y - 0.6) * reach))
        return pen.blob(pen.main, corners)
    top = pen.between(0.1, 0.6)
    pen.box(pen.main, 0.05, top, 0.95, 1.0, pen.between(0.0, 0.15))
    if kind == 1:
        pen.box(tint(pen.main, 0.8), 0.0, top, 1.0, top + pen.between(0.08, 0.2), 0.02)
    else:
        pen.limb(pen.second, 0.1, (top + 1) / 2, 0.9, (top + 1) / 2, pen.between(0.05, 0.15))
