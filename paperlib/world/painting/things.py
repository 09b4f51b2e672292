"""From drawings to pixels: things painted far first, through air and lens."""
import numpy as np
from cv2 import boundingRect, copyTo

from paperlib.world.backgrounds import soften
from paperlib.world.layout import Placed
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.shapes.strokes import Strokes, fill_in


def paint(world, image: np.ndarray, placed: list[Placed], strokes: list[Strokes],
          air) -> tuple[np.ndarray, list[int]]:
    """Draw everything, far first; whose each pixel is (index + 1; 0: none), and how many each covered."""
    owner = np.zeros(image.shape[:2], np.uint16)
    full = [0] * len(placed)
    for k, (item, ((left, top, right, bottom), *of_item)) in enumerate(zip(placed, strokes)):
        if left >= right or top >= bottom:
            continue
        fog, sigma = air_and_lens(world, max(item.wide, item.high))
        before = image.copy() if fog or sigma else image
        mask = fill_in(image[top:bottom, left:right], *of_item)
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
