"""From drawings to pixels: things painted far first, through air and lens, large ones with a surface."""
from functools import partial

import numpy as np
from cv2 import boundingRect, copyTo

from paperlib.world.backgrounds import soften
from paperlib.world.catalogue import render
from paperlib.world.exact import exp
from paperlib.world.layout import INDEX, Placed
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.painting.pieces import plain_pieces
from paperlib.world.painting.surfaces import (
    Surface,
    defocus,
    detail,
    likenesses,
    printed,
    roughen,
    surface,
    wear,
)
from paperlib.world.scenes import Scene

LARGE = 48  # px of a 128 px image, longest side of a thing with a surface of its own


def surfaces_of(world, scene: Scene, placed: list[Placed], rng) -> list[Surface | None]:
    """Each thing's surface, with its prints and what its parts look like; None for small things."""
    if not (world.rough or world.worn or world.likeness):
        return [None] * len(placed)
    names = [name for name in scene.things if INDEX[name] < world.categories]
    labels, weights = [INDEX[name] for name in names], [scene.things[name][0] for name in names]
    dressed = []
    for item in placed:
        if max(item.wide, item.high) < LARGE * world.size / 128:
            dressed.append(None)
            continue
        dress = surface(rng)
        if rng.random() < world.worn:
            size = round(exp(rng.uniform(np.log(6), np.log(14))) * world.size / 128)
            dress.prints.append(printed(rng, labels, weights, size))
        if item.category is not None and rng.random() < world.likeness:
            parts, boxes = plain_pieces(item, world.size)
            item.plain, item.parts = item.parts, parts
            dress.details.extend(likenesses(rng, labels, weights, boxes))
        dressed.append(dress)
    return dressed


def paint(world, image: np.ndarray, placed: list[Placed], surfaces: list, air, plane: float):
    """Draw everything, far first; whose each pixel is (index + 1; 0: none), how many each covered, prints.

    Units: the prints are (index + 1 of what wears it, its mark: xywh px).
    """
    owner = np.zeros(image.shape[:2], np.uint16)
    full, worn = [], []
    for k, (item, dress) in enumerate(zip(placed, surfaces), 1):
        fog, sigma = air_and_lens(world, max(item.wide, item.high), plane)
        before = image.copy() if fog or sigma else image
        mask = render(image, item.parts, item.matrix)
        box = x, y, w, h = boundingRect(mask.view(np.uint8))
        window = slice(y, y + h), slice(x, x + w)
        whole, mask = mask, mask[window]
        if dress and w:
            roughen(image[window], mask, dress.bumps, world.rough)
        if fog and w:
            spot = image[window]
            copyTo((spot * (1 - fog) + air * fog).astype(np.uint8), mask.view(np.uint8), spot)
        if sigma > 0.2 and w:
            if world.version > 2:
                defocus(image, before, whole, box, sigma)
            else:
                soften(image, before, box, sigma)
        if dress and w:
            seen_through = partial(air_and_lens, world, plane=plane)
            detail(image, dress.details, seen_through, air)
            worn += [(k, mark) for mark in wear(image, window, mask, dress.prints, seen_through, air)]
        owner[window][mask] = k
        full.append(int(np.count_nonzero(mask)))
    return owner, full, worn
