"""Stuff: what fills a scene without being an instance. Skies, walls, grounds, buildings and trees.

Much of it repeats marks that look like things: windows, leaves, planks, and above all prints (in
`painting/prints.py`).
"""
from functools import cache

import numpy as np
from cv2 import (
    CV_8U,
    CV_16S,
    INTER_CUBIC,
    INTER_NEAREST,
    LINE_AA,
    GaussianBlur,
    add,
    ellipse,
    fillPoly,
    line,
    merge,
    rectangle,
    resize,
    subtract,
)

WALLS = ((176, 130, 110), (190, 178, 160), (150, 152, 160), (206, 190, 150), (128, 104, 98))
PANES = ((60, 72, 96), (206, 214, 190), (98, 120, 140))
OVERCAST, DUSK = ((168, 172, 180), (214, 214, 214)), ((96, 96, 150), (240, 178, 132))
Box = tuple[int, int, int, int]
Span = tuple[float, float]  # from, to: rows as fractions of the image's height


def vary(rng, colour, spread=12.0) -> tuple[int, int, int]:
    """A colour near `colour`: one shift of brightness, one of each channel."""
    shift = rng.normal(0, spread)
    shifts = rng.normal(0, spread / 2, 3).tolist()
    return tuple([int(min(max(c + (shift + s), 0), 255)) for c, s in zip(colour, shifts)])


def _rows(image, span: Span) -> tuple[int, int]:
    h = len(image)
    return max(0, round(span[0] * h)), min(h, round(span[1] * h))


def _pixel(image, x: float, y: float) -> tuple[int, int]:
    return round(x * image.shape[1]), round(y * len(image))


def grain(image, rng, span: Span, amount=8.0, cells=(24, 24)) -> None:
    """Smooth random brightness: `cells` (rows, columns) bumps of standard deviation `amount` grey levels."""
    y0, y1 = _rows(image, span)
    if y1 > y0:
        bumps = rng.normal(0, amount, cells).astype(np.float32)
        bumps = resize(bumps, (image.shape[1], y1 - y0), interpolation=INTER_CUBIC)
        image[y0:y1] = np.clip(image[y0:y1] + merge([bumps] * 3), 0, 255)


@cache
def _downwards(rows: int) -> np.ndarray:
    return np.linspace(0, 1, rows, dtype=np.float32)[:, None]


def blend(image, rng, span: Span, top, bottom) -> None:
    """A vertical change from colour `top` to colour `bottom`."""
    y0, y1 = _rows(image, span)
    mix = _downwards(max(y1 - y0, 1))
    a, b = (np.asarray(vary(rng, c), np.float32) for c in (top, bottom))
    if y1 > y0:
        column = (a + (b - a) * mix)[:, None].astype(np.uint8)
        image[y0:y1] = resize(column, (image.shape[1], y1 - y0), interpolation=INTER_NEAREST)


def sky(image, rng, span: Span, top=(112, 160, 214), bottom=(206, 222, 236)) -> None:
    if rng.random() < 0.25:
        top, bottom = OVERCAST if rng.random() < 0.6 else DUSK
    blend(image, rng, span, top, bottom)
    for _ in range(rng.integers(0, 5)):
        x, y = _pixel(image, rng.random(), rng.uniform(span[0], span[1]))
        white = vary(rng, (232, 234, 238), 6)
        for dx in rng.normal(0, 8, 3):
            radii = int(rng.integers(4, 14)), int(rng.integers(2, 5))
            ellipse(image, (round(x + dx), y), radii, 0, 0, 360, white, -1, LINE_AA)


def ground(image, rng, span: Span, far, near, amount=7.0, cells=(16, 12)) -> None:
    blend(image, rng, span, far, near)
    grain(image, rng, span, amount, cells)


def strokes(image, rng, span: Span, colour, count=60, length=0.03, lean=0.0, width=1) -> None:
    """Short strokes (grass, ripples), smaller near the top of the span; `lean` 0 is level, 1 upright."""
    depth = rng.random(count) ** 0.5
    x = rng.random(count) * image.shape[1]
    y = (span[0] + (span[1] - span[0]) * depth) * len(image)
    reach = length * len(image) * (0.3 + depth)
    turn = lean * np.pi / 2 + rng.normal(0, 0.25, count) * (lean > 0)
    ends = np.stack([x, y, x + reach * np.cos(turn), y - reach * np.sin(turn)], 1)
    tints = [vary(rng, colour, 14) for _ in range(4)]
    for i, (x0, y0, x1, y1) in enumerate(ends.round().astype(int).tolist()):
        line(image, (x0, y0), (x1, y1), tints[i % 4], width, LINE_AA)


def bricks(image, rng, span: Span, colour, wide=0.12, high=0.06, shift=0.5) -> None:
    """A grid of lines: tiles (shift 0), bricks (shift .5), planks (wide 1)."""
    (y0, y1), w = _rows(image, span), image.shape[1]
    tint, dx, dy = vary(rng, colour, 8), wide * w, max(3.0, high * len(image))
    for k, y in enumerate(np.arange(y0, y1, dy).tolist()):
        line(image, (0, round(y)), (w, round(y)), tint, 1)
        for x in np.arange((k % 2) * shift * dx, w, dx).tolist():
            line(image, (round(x), round(y)), (round(x), min(y1, round(y + dy)) - 1), tint, 1)


def buildings(image, rng, span: Span, low=0.4) -> None:
    """A row of houses, each with its grid of windows; some have a row of round or arched ones."""
    h, w = image.shape[:2]
    x, y1 = -rng.integers(0, 12), round(span[1] * h)
    while x < w:
        wide = int(rng.integers(16, 42))
        y0 = round((span[1] - (span[1] - span[0]) * rng.uniform(low, 1)) * h)
        wall, glass = vary(rng, WALLS[rng.integers(len(WALLS))]), vary(rng, PANES[rng.integers(len(PANES))])
        rectangle(image, (int(x), y0), (int(x) + wide, y1), wall, -1)
        step, size = int(rng.integers(6, 11)), int(rng.integers(2, 5))
        around = rng.random() < 0.25
        for v in range(y0 + 3, y1 - size - 2, step):
            for u in range(int(x) + 3, int(x) + wide - size - 1, step):
                if around:
                    r = size // 2
                    ellipse(image, (u + r, v + r), (r + 1, r + 1), 0, 0, 360, glass, -1, LINE_AA)
                else:
                    rectangle(image, (u, v), (u + size, v + size + 1), glass, -1)
        x += wide + int(rng.integers(0, 3))


def hills(image, rng, span: Span, colour=(120, 140, 130)) -> None:
    """One or two wavy ridges."""
    h, w = image.shape[:2]
    for depth in range(rng.integers(1, 3)):
        knots = rng.uniform(span[0], span[1], 5).astype(np.float32)[None]
        ridge = resize(knots, (w, 1), interpolation=INTER_CUBIC)[0] * h + depth * 3
        foot, shade = span[1] * h + 1, np.asarray(colour) - 14 * depth
        outline = np.concatenate([np.stack([np.arange(w), ridge], 1), [[w, foot], [0, foot]]])
        fillPoly(image, [outline.round().astype(np.int32)], vary(rng, shade, 10), LINE_AA)


def trees(image, rng, span: Span, count=4, colour=(84, 120, 66)) -> None:
    """Trunks with crowns of many leaf-like blobs."""
    for _ in range(rng.integers(1, count + 1)):
        x, foot = _pixel(image, rng.random(), span[1])
        top = round((span[1] - (span[1] - span[0]) * rng.uniform(0.5, 1)) * len(image))
        r = max(3, (foot - top) // 3)
        line(image, (x, foot), (x, top + r), vary(rng, (92, 70, 52), 8), max(1, r // 4), LINE_AA)
        tints = [vary(rng, colour, 14) for _ in range(3)]
        leaf = max(2, r // 3)
        spots = rng.normal(0, r * 0.55, (26, 2)).round().astype(int).tolist()
        for i, (dx, dy) in enumerate(spots):
            middle, radii = (x + dx, top + r + dy), (leaf, leaf - leaf // 3)
            ellipse(image, middle, radii, 0, 0, 360, tints[i % 3], -1, LINE_AA)


def panel(image, rng, span: Span, left, right, colour, edge=(70, 60, 56), rows=0, columns=0) -> None:
    """A rectangle (window, cupboard, board, rug, counter) with an optional grid of lines on it."""
    (x0, y0), (x1, y1) = _pixel(image, left, span[0]), _pixel(image, right, span[1])
    edge = vary(rng, edge, 8)
    rectangle(image, (x0, y0), (x1, y1), vary(rng, colour, 10), -1)
    rectangle(image, (x0, y0), (x1, y1), edge, 1)
    for k in range(1, rows):
        y = y0 + (y1 - y0) * k // rows
        line(image, (x0, y), (x1, y), edge, 1)
    for k in range(1, columns):
        x = x0 + (x1 - x0) * k // columns
        line(image, (x, y0), (x, y1), edge, 1)


def spines(image, rng, span: Span, left, right) -> None:
    """A shelf of narrow upright marks: book backs, jars, plates."""
    (x0, y0), (x1, y1) = _pixel(image, left, span[0]), _pixel(image, right, span[1])
    x = x0
    while x < x1 - 1:
        wide, tall = int(rng.integers(2, 5)), rng.uniform(0.6, 1) * (y1 - y0)
        rectangle(image, (x, round(y1 - tall)), (min(x + wide, x1) - 1, y1 - 1),
                  vary(rng, (140, 118, 104), 34), -1)
        x += wide
    line(image, (x0, y1), (x1, y1), vary(rng, (90, 66, 48), 8), 1)


def soften(image: np.ndarray, before: np.ndarray, box, sigma: float) -> None:
    """Blur, in place, what was drawn in `box` (xywh px) since `before`, and nothing that lay there."""
    if sigma > 0.2 and min(box[2:]) > 0:
        x, y, w, h = box
        spot = slice(max(0, y - 4), y + h + 4), slice(max(0, x - 4), x + w + 4)
        change = subtract(image[spot], before[spot], dtype=CV_16S)
        image[spot] = add(before[spot], GaussianBlur(change, (0, 0), sigma), dtype=CV_8U)
