"""Large stuff of no category: rocks, bushes, tents, crates, rugs.

Behind a small thing it may be taken for a body, of which the thing is a part. Its make and colours are
typical of the place; they come from the palette that bodies have, so that they tell the place and not
the body.
"""
import numpy as np
from cv2 import boundingRect

from paperlib.world.catalogue import render
from paperlib.world.exact import exp
from paperlib.world.layout import Placed
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.painting.surfaces import defocus, roughen, surface
from paperlib.world.pen import MAIN, Pen, tint
from paperlib.world.scenes import OUTDOORS, Scene

SIDES = (24, 48)  # px of a 128 px image, longest side
SMALL, BACKS = 22, (26, 33)  # px of a 128 px image: longest side of what is backed, of what backs it
OFF = 2.0  # px of a 128 px image, standard deviation of the way from a thing's middle to its back's
MOST, APART = 8, 1.0  # backs in an image; between their middles, in their mean side


HEAP, LID, STRIPE = 0, 1, 2
SQUARE = ((1, 0), (0.9, 0.9), (0, 1), (-0.9, 0.9), (-1, 0), (-0.9, -0.9), (0, -1), (0.9, -0.9))
# By scene: the make, and colours of the palette, each of one scene
TYPICAL = {
    "street": (LID, (17, 2, 9)), "station": (LID, (13,)), "field": (HEAP, (4,)), "hillside": (HEAP, (5,)),
    "savannah": (HEAP, (14,)), "lake": (LID, (8,)), "beach": (STRIPE, (3,)), "sky": (HEAP, (7,)),
    "park": (HEAP, (1, 6)), "kitchen": (LID, (15, 18)), "dining room": (STRIPE, (0, 10)),
    "living room": (STRIPE, (11, 12)), "office": (LID, (16, 19)),
}


def lump(world, image: np.ndarray, rng, scene: Scene, plane: float) -> None:
    """Paint one lump onto a scene's backdrop, in place, where its things stand."""
    size = len(image)
    zone = list(scene.zones.values())[rng.integers(len(scene.zones))]
    side = exp(rng.uniform(np.log(SIDES[0]), np.log(SIDES[1]))) * size / 128
    x = rng.random() * size
    y = rng.uniform(zone.top, zone.bottom + 0.1) * size + 0.3 * side
    _heap(world, image, rng, _place(scene, zone.floats), x, y, side, plane)


def _place(scene: Scene, floats: bool) -> str:
    """Whose makes and colours: the sky's for what is in the air, outdoors."""
    if floats and scene in OUTDOORS:
        return "sky"
    return scene.name


def back(world, image: np.ndarray, rng, scene: Scene, placed: list[Placed], plane: float) -> None:
    """Paint rugs, signs and bushes behind small things, in place, onto the backdrop; MOST at most, apart."""
    unit, taken = world.size / 128, []
    for item in placed:
        if len(taken) == MOST:
            break
        if item.category is None or max(item.wide, item.high) > SMALL * unit or rng.random() > world.backed:
            continue
        side = rng.uniform(*BACKS) * unit
        x, y = rng.normal((item.x, item.y - item.high / 2), OFF * unit).tolist()
        if all(max(abs(x - u), abs(y - v)) > APART * (side + other) / 2 for u, v, other in taken):
            taken.append((x, y, side))
            place = _place(scene, item.depth < -world.size)     # far behind all that stands
            _heap(world, image, rng, place, x, y + side / 2, side, plane)


def _heap(world, image: np.ndarray, rng, place: str, x: float, y: float, side: float, plane: float) -> None:
    """Paint a lump of `side` px that stands on (x, y), as is typical of a place, as sharp as a body is."""
    make, colours = TYPICAL[place]
    pen = Pen(rng)
    pen.main, pen.stretch, pen.lean = pen.jitter(MAIN[pen.pick(colours)]), 0.06, 0.06
    _shape(pen, make)
    matrix = np.array(((side, 0, x - side / 2), (0, side, y - side)), np.float32)
    before = image.copy()
    mask = render(image, pen.done(), matrix)
    u, v, w, h = box = boundingRect(mask.view(np.uint8))
    bumps, sigma = surface(rng).bumps, air_and_lens(world, world.size, plane)[1]
    if w:
        window = slice(v, v + h), slice(u, u + w)
        roughen(image[window], mask[window], bumps, world.rough)
        if sigma > 0.2:
            defocus(image, before, mask, box, sigma)


def _shape(pen: Pen, make: int) -> None:
    """A rounded heap, a box with a lid, or one with a stripe."""
    if make == HEAP:
        corners = []
        for x, y in SQUARE:
            reach = pen.between(0.4, 0.54)
            corners.append((0.5 + x * reach, 0.5 + y * reach))
        return pen.blob(pen.main, corners)
    top = pen.between(0.0, 0.1)
    pen.box(pen.main, 0.05, top, 0.95, 1.0, pen.between(0.0, 0.15))
    if make == LID:
        pen.box(tint(pen.main, 0.8), 0.0, top, 1.0, top + pen.between(0.08, 0.2), 0.02)
    else:
        middle = (top + 1) / 2
        pen.limb(pen.second, 0.1, middle, 0.9, middle, pen.between(0.05, 0.15))
