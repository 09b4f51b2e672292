"""What large things wear: grain and shading, parts that look like small things, now and then a print.

Such a part and a print are drawn as a thing of their size is: by the same pen, through the same air and lens.
"""
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from cv2 import (
    BORDER_CONSTANT,
    BORDER_REPLICATE,
    DIST_L2,
    INTER_CUBIC,
    GaussianBlur,
    boundingRect,
    copyMakeBorder,
    copyTo,
    distanceTransform,
    resize,
)

from paperlib.world.backgrounds import Box
from paperlib.world.catalogue import CATEGORIES, fitted, render
from paperlib.world.exact import exp
from paperlib.world.layout import pick
from paperlib.world.pen import Part

CELLS, SPREAD = ((3, 3), (18, 18)), 84  # bumps of shading, of grain; px, over which they lie at least
FIT = 3.0  # how much a part looks for a thing of its own shape: a power of the ratio of their aspects


@dataclass(frozen=True)
class Surface:
    """Chances of one thing's surface, drawn before it is painted, so that painting it again gives the same.

    Shapes: bumps: one array for each of CELLS, standard normal.
    Units:  prints (a drawing, its size in px, a chance 0..1 of where), details (a drawing, its box xyxy px).
    """
    bumps: tuple[np.ndarray, ...]
    prints: list[tuple[list[Part], int, float]] = field(default_factory=list)
    details: list[tuple[list[Part], tuple[float, ...]]] = field(default_factory=list)


def surface(rng) -> Surface:
    """The grain of a thing, without prints and details."""
    return Surface(tuple(rng.standard_normal(cells).astype(np.float32) for cells in CELLS))


def printed(rng, labels: list[int], weights: list[float], size: int) -> tuple[list[Part], int, float]:
    """A print of one of these categories, `size` px large."""
    return CATEGORIES[labels[pick(rng, weights)]].draw(rng), size, rng.random()


def likenesses(rng, labels: list[int], weights: list[float], boxes: np.ndarray) -> list[tuple]:
    """What the parts in `boxes` (P, 4) xywh px look like: parts of one shape look alike, as wheels do."""
    shapes, details = {}, []
    for x, y, w, h in boxes.tolist():
        shape = round(2 * np.log2(w / h))
        if shape not in shapes:
            near = []
            for label, weight in zip(labels, weights):
                near.append(weight * exp(-FIT * abs(np.log(CATEGORIES[label].aspect) - np.log(w / h))))
            shapes[shape] = CATEGORIES[labels[pick(rng, near)]].draw(rng)
        details.append((shapes[shape], (x, y, x + w, y + h)))
    return details


def detail(image: np.ndarray, details: list, seen_through: Callable, air) -> None:
    """Paint a thing's details onto it, in place; `seen_through` gives (fog, blur) of what is so large."""
    for parts, box in details:
        _draw(image, parts, fitted(parts, box), max(box[2] - box[0], box[3] - box[1]), seen_through, air)


def _draw(image: np.ndarray, parts, matrix, size: float, seen_through: Callable, air) -> Box:
    """Draw a small thing, in place, through air and lens; the box around it, xywh px."""
    fog, sigma = seen_through(size)
    before = image.copy()
    mask = render(image, parts, matrix)
    x, y, w, h = box = tuple(boundingRect(mask.view(np.uint8)))
    if w:
        spot = image[y:y + h, x:x + w]
        faded = (spot * (1 - fog) + air * fog).astype(np.uint8)
        copyTo(faded, mask[y:y + h, x:x + w].view(np.uint8), spot)
    if sigma > 0.2 and w:
        defocus(image, before, mask, box, sigma)
    return box


def roughen(spot: np.ndarray, mask: np.ndarray, bumps, amount: float) -> None:
    """Lighten and darken what is painted, in place, where the mask is: by `amount` grey levels of 128.

    Shapes: spot (h, w, 3) uint8, mask (h, w) bool.
    """
    high, wide = mask.shape
    reach = max(high, SPREAD), max(wide, SPREAD)    # as large on a small thing as on a large one
    field = np.zeros(reach, np.float32)
    for layer in bumps:
        field += resize(layer, reach[::-1], interpolation=INTER_CUBIC)
    field = field[:high, :wide]
    rough = np.clip(spot * (1 + field[..., None] * np.float32(amount / 128)), 0, 255).astype(np.uint8)
    copyTo(rough, mask.view(np.uint8), spot)


def wear(image: np.ndarray, window, mask: np.ndarray, prints: list, seen_through: Callable,
         air) -> list[Box]:
    """Paint a thing's prints onto it, in place, where there is room for them; their marks, xywh px.

    Shapes: mask (h, w) bool is the thing in `window` (rows, columns) of the image.
    """
    marks = []
    for parts, size, spot in prints:
        padded = copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, BORDER_CONSTANT)
        depth = distanceTransform(padded, DIST_L2, 3)
        rows, columns = np.nonzero(depth[1:-1, 1:-1] > 0.75 * size)
        if not len(rows):
            continue
        at = int(spot * len(rows))
        x, y = window[1].start + int(columns[at]), window[0].start + int(rows[at])
        box = x - size / 2, y - size / 2, x + size / 2, y + size / 2
        marks.append(_draw(image, parts, fitted(parts, box), size, seen_through, air))
    return marks

def defocus(image: np.ndarray, before: np.ndarray, mask: np.ndarray, box, sigma: float) -> None:
    """Blur, in place, a thing painted over `before`, and its edge: what lies behind is not seen through it.

    Shapes: mask (H, W) bool, where the thing is; box xywh px is around it.
    """
    x, y, w, h = box
    pad = int(3 * sigma) + 1
    spot = slice(max(0, y - pad), y + h + pad), slice(max(0, x - pad), x + w + pad)
    cover = mask[spot].astype(np.float32)[..., None]
    layer = np.concatenate([image[spot] * cover, cover], 2)
    layer = GaussianBlur(layer, (0, 0), sigma, borderType=BORDER_REPLICATE)
    image[spot] = (before[spot] * (1 - layer[..., 3:]) + layer[..., :3]).astype(np.uint8)
