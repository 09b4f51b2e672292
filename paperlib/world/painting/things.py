"""From drawings to pixels: things painted far first, through air and lens."""
import numpy as np
from cv2 import boundingRect, copyTo

from paperlib.world.backgrounds import soften
from paperlib.world.catalogue import render
from paperlib.world.layout import Placed
from paperlib.world.painting.distance import air_and_lens


def paint(world, image: np.ndarray, placed: list[Placed], air) -> tuple[np.ndarray, list[int]]:
    """Draw everything, far first; whose each pixel is (index + 1; 0: none), and how many each covered."""
    owner = np.zeros(image.shape[:2], np.uint16)
    full = []
    for k, item in enumerate(placed, 1):
        fog, sigma = air_and_lens(world, max(item.wide, item.high))
        before = image.copy() if fog or sigma else image
        mask = render(image, item.parts, item.matrix)
        box = x, y, w, h = boundingRect(mask.view(np.uint8))
        window = slice(y, y + h), slice(x, x + w)
        mask = mask[window]
        if fog and w:
            spot = image[window]
            copyTo((spot * (1 - fog) + air * fog).astype(np.uint8), mask.view(np.uint8), spot)
        if sigma > 0.2 and w:
            soften(image, before, box, sigma)
        owner[window][mask] = k
        full.append(int(np.count_nonzero(mask)))
    return owner, full
