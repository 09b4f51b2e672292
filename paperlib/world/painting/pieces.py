"""Parts of large things that look like small things: wheels, heads, windows, cushions.

A part is one filled shape of a drawing. What a viewer takes for a thing is compact, in full view, and of
another colour than what lies around it.
"""
import numpy as np
from cv2 import fillPoly

from paperlib.world.layout import Placed
from paperlib.world.pen import Part

SIZES = (6, 20)  # px, longest side of a part
LARGE, BROAD = 64, 40  # px, longest and shortest side of the thing, at least: 24 px show little of it
LIMB = 6  # corners that the pen gives a limb: legs, arms and stems are not taken for things
SLIM = 0.5  # a part's short side, as a share of its long one, at least
SHOWN = 0.6  # share of a part that lies in view, at least; the rest is under other parts
APART = 45  # grey levels, over three channels, between a part and what lies around it


def pieces(placed: list[Placed], owner: np.ndarray) -> np.ndarray:
    """The parts of the large things of a painted scene, (P, 4) xywh px, no two around one middle.

    Shapes: owner (size, size), at each pixel the place of a drawing in `placed`, from 1, or 0.
    """
    boxes = []
    for k, item in enumerate(placed, 1):
        large = max(item.wide, item.high) >= LARGE and min(item.wide, item.high) >= BROAD
        if item.category is not None and large:
            boxes += _pieces_in(item, owner == k)
    return np.array(boxes, int).reshape(-1, 4)


def plain_pieces(item: Placed, size: int) -> tuple[list[Part], np.ndarray]:
    """A large thing's drawing without its plain parts, and where they were: (P, 4) xywh px.

    A part is plain if at most one other lies on it (a wheel and its hub), unlike a head with its face. It
    keeps its shape in the drawing, in the colour of what is around it; what lies on it is left out.
    Units: size is the image's, px.
    """
    outlines, parts, gone, boxes = _outlines(item), list(item.parts), set(), []
    labels, colours = _painted(item, outlines, (size, size))
    for number, box in _candidates(item, np.ones((size, size), bool), outlines, labels, colours):
        above = [k for k in range(number, len(parts)) if _within(outlines[k], box)]
        if len(above) > 1 or number - 1 in gone:
            continue
        gone.update(above)
        parts[number - 1] = parts[number - 1]._replace(colour=_around(number, box, labels, colours))
        boxes.append(box)
    kept = [part for k, part in enumerate(parts) if k not in gone]
    return kept, np.array(boxes, int).reshape(-1, 4)


def _within(outline: np.ndarray, box: list[int]) -> bool:
    x, y, w, h = box
    low, high = outline.min(0), outline.max(0)
    return bool(low[0] >= x - 1 and low[1] >= y - 1 and high[0] <= x + w and high[1] <= y + h)


def _around(number: int, box: list[int], labels: np.ndarray, colours: np.ndarray) -> tuple[int, int, int]:
    """The colour that most often borders on a part, of the thing itself; the part's own if it lies alone."""
    x, y, w, h = box
    spot = slice(max(0, y - 2), y + h + 2), slice(max(0, x - 2), x + w + 2)
    near = labels[spot][(labels[spot] > 0) & (labels[spot] != number)]
    if not len(near):
        near = labels[labels == number]
    most = np.bincount(near).argmax()
    return tuple(colours[labels == most][0].astype(int).tolist())


def _pieces_in(item: Placed, mask: np.ndarray) -> list[list[int]]:
    """The largest first; one that shares its middle with a larger one (a hub, a rim) is left out."""
    outlines = _outlines(item)
    labels, colours = _painted(item, outlines, mask.shape)
    return [box for _, box in _candidates(item, mask, outlines, labels, colours)]


def _painted(item: Placed, outlines: list[np.ndarray], shape) -> tuple[np.ndarray, np.ndarray]:
    """Which part is on top at each pixel, from 1, and its colour."""
    labels, palette = np.zeros(shape, np.int32), [(0, 0, 0)]
    for number, (outline, part) in enumerate(zip(outlines, item.plain or item.parts), 1):
        fillPoly(labels, [outline], number)
        palette.append(part.colour)
    return labels, np.array(palette, np.float32)[labels]


def _candidates(item: Placed, mask: np.ndarray, outlines, labels, colours) -> list[tuple[int, list[int]]]:
    """(number, box) of the parts that look like things, largest first, none around another's middle."""
    candidates = []
    for number, outline in enumerate(outlines, 1):
        if len(outline) == LIMB:
            continue
        low, high = outline.min(0), outline.max(0) + 1
        box = [*low.tolist(), *(high - low).tolist()]
        if _compact(box, mask) and _in_view(number, outline, box, labels, colours, mask):
            candidates.append((number, box))
    kept: list[tuple[int, list[int]]] = []
    for number, box in sorted(candidates, key=lambda pair: -pair[1][2] * pair[1][3]):
        if all(_apart(box, other) for _, other in kept):
            kept.append((number, box))
    return kept


def _outlines(item: Placed) -> list[np.ndarray]:
    """Each part's corners in px, rounded: (P, 2) int32."""
    matrix, outlines = item.matrix, []
    for part in item.plain or item.parts:
        outlines.append(np.floor(part.points @ matrix[:, :2].T + matrix[:, 2]).astype(np.int32))
    return outlines


def _compact(box: list[int], mask: np.ndarray) -> bool:
    x, y, w, h = box
    inside = min(x, y) >= 0 and x + w <= mask.shape[1] and y + h <= mask.shape[0]
    return inside and SIZES[0] <= max(w, h) <= SIZES[1] and min(w, h) >= SLIM * max(w, h)


def _in_view(number: int, outline, box: list[int], labels, colours, mask) -> bool:
    """Whether most of a part is seen, and in another colour than that of what is around it."""
    x, y, w, h = box
    spot = slice(max(0, y - 2), y + h + 2), slice(max(0, x - 2), x + w + 2)
    labels, colours, mask = labels[spot], colours[spot], mask[spot]
    whole = np.zeros(mask.shape, np.uint8)
    fillPoly(whole, [outline - (spot[1].start, spot[0].start)], 1)
    whole = whole.astype(bool)
    shown = whole & (labels == number) & mask
    if shown.sum() < SHOWN * whole.sum() or (whole & mask).sum() < 0.9 * whole.sum():
        return False
    ring = mask & ~whole
    if not ring.any():
        return True                                 # it sticks out of the thing
    difference = np.abs(colours[ring] - colours[shown][0]).sum(1)
    return float(difference.mean()) >= APART


def _apart(box: list[int], other: list[int]) -> bool:
    """Whether two boxes have middles that differ by more than a third of the larger."""
    gap = max(abs(2 * box[axis] + box[axis + 2] - 2 * other[axis] - other[axis + 2]) / 2 for axis in (0, 1))
    return gap > max(other[2:]) / 3
