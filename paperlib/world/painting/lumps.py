"""Large stuff of no category: rocks, bushes, tents, crates, rugs. Behind a small thing it may be taken for a body."""
import numpy as np
from cv2 import boundingRect

from paperlib.world.catalogue import render
from paperlib.world.exact import exp
from paperlib.world.painting.surfaces import roughen, surface
from paperlib.world.pen import Pen, around, tint
from paperlib.world.scenes import Scene

SIDES = (24, 80)  # px of a 128 px image, longest side


def lump(image: np.ndarray, rng, scene: Scene, rough: float) -> None:
    """Paint one lump onto a scene's backdrop, in place, where its things stand."""
    pen, size = Pen(rng), len(image)
    _shape(pen)
    zone = list(scene.zones.values())[rng.integers(len(scene.zones))]
    side = exp(rng.uniform(np.log(SIDES[0]), np.log(SIDES[1]))) * size / 128
    x = rng.random() * size
    y = rng.uniform(zone.top, zone.bottom + 0.1) * size + 0.3 * side
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
