"""The pen of every drawing of the embedded world: shapes, a shared palette, chance, left and right.

All categories draw their colours from one palette, so that colour tells nothing about the category; what
tells them apart is the arrangement of their parts.
"""
from collections import defaultdict
from itertools import chain
from math import cos, hypot, sin

import numpy as np

from paperlib.world.shapes.outlines import Colour, Notes, Shape

MAIN = ((201, 82, 66), (228, 120, 92), (236, 178, 70), (246, 214, 120), (150, 158, 72), (86, 134, 84),
        (64, 148, 138), (110, 178, 206), (62, 112, 178), (58, 72, 122), (128, 92, 150), (214, 140, 168),
        (152, 98, 62), (110, 70, 50), (206, 166, 120), (238, 220, 190), (150, 150, 156), (84, 90, 102),
        (234, 234, 230), (48, 50, 58))
DARK = ((46, 46, 52), (60, 44, 40), (38, 50, 72), (70, 66, 70), (52, 62, 52), (78, 50, 58))
LIGHT = ((244, 240, 226), (214, 232, 240), (250, 226, 190), (226, 240, 214), (240, 220, 226), (226, 224, 238))


def tint(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (factor < 1) or lighter (factor > 1: part of the way to white)."""
    r, g, b = colour
    if factor <= 1:
        return int(r * factor), int(g * factor), int(b * factor)
    share = factor - 1
    return int(r + (255 - r) * share), int(g + (255 - g) * share), int(b + (255 - b) * share)


MAIN_DARKENED = [tint(colour, 0.45) for colour in MAIN]
MAIN_LIGHTENED = [tint(colour, 1.6) for colour in MAIN]
# levels that `jitter` may reach, each clipped to 0..255: a table takes half of the time of min and max
CLIPPED = {level: min(max(level, 0), 255) for level in range(-14, 270)}


def _uniform(rng: np.random.Generator):
    """Uniform numbers one by one, drawn 64 at a time."""
    while True:
        yield from reversed(rng.random(64).tolist())


class Pen:
    """Collects the shapes of one drawing, back to front, and hands them over as notes.

    `main`, `second`, `accent` are three colours of the shared palette; `dark` and `light` suit wheels, eyes,
    windows. `stretch` and `lean` say by how much, at most, a drawing is widened and slanted when it is done.
    """

    def __init__(self, rng: np.random.Generator):
        self.chance_of = _uniform(rng).__next__
        self.shapes: list[Shape] = []
        self.numbers: dict[object, list[float]] = defaultdict(list)
        self.turns: list[tuple[int, np.ndarray]] = []
        self.stretch, self.lean = 0.2, 0.12
        colours = list(MAIN)
        self.main = self.jitter(colours.pop(self.below(len(colours))))
        self.second = self.jitter(colours.pop(self.below(len(colours))))
        self.accent = self.jitter(colours.pop(self.below(len(colours))))
        self.dark = self.jitter(self.pick(DARK if self.chance(0.75) else MAIN_DARKENED))
        self.light = self.jitter(self.pick(LIGHT if self.chance(0.75) else MAIN_LIGHTENED))

    # chance
    def between(self, low: float, high: float) -> float:
        return low + (high - low) * self.chance_of()

    def chance(self, probability: float) -> bool:
        return self.chance_of() < probability

    def choose(self, probability: float, first, second):
        """`first` with this probability, else `second`; both are made before, so neither may draw numbers."""
        return first if self.chance(probability) else second

    def below(self, n: int) -> int:
        return int(n * self.chance_of())

    def pick(self, options):
        return options[self.below(len(options))]

    def jitter(self, colour: Colour) -> Colour:
        """A neighbour of `colour`."""
        r, g, b = colour
        chance_of = self.chance_of
        r = CLIPPED[int(r + (28 * chance_of() - 14))]
        g = CLIPPED[int(g + (28 * chance_of() - 14))]
        return r, g, CLIPPED[int(b + (28 * chance_of() - 14))]

    # shapes
    def poly(self, colour, points) -> None:
        self.numbers["corners"] += chain.from_iterable(points)
        self.shapes.append(("corners", len(points), colour, 0.0))

    def blob(self, colour, points) -> None:
        """A filled smooth closed curve through `points`."""
        n = len(points)
        self.numbers[n, True] += chain.from_iterable(points)
        self.shapes.append(((n, True), 4 * n, colour, 0.0))

    def dot(self, colour, x, y, rx, ry=None, turn=0.0) -> None:
        """A filled ellipse; `turn` in radians, clockwise on the screen."""
        ry = rx if ry is None else ry
        c, s = (cos(turn), sin(turn)) if turn else (1.0, 0.0)
        sort, size = ("dot", 18) if rx + ry > 0.12 else ("spot", 8)
        self.numbers[sort] += rx * c, rx * s, -ry * s, ry * c, x, y
        self.shapes.append((sort, size, colour, 0.0))

    def box(self, colour, x0, y0, x1, y1, r=0.0) -> None:
        """A filled rectangle, its corners cut by `r`."""
        if r:
            q = r * 0.3
            self.numbers["corners"] += (
                x0 + r, y0, x1 - r, y0, x1 - q, y0 + q, x1, y0 + r, x1, y1 - r, x1 - q, y1 - q,
                x1 - r, y1, x0 + r, y1, x0 + q, y1 - q, x0, y1 - r, x0, y0 + r, x0 + q, y0 + q)
            self.shapes.append(("corners", 12, colour, 0.0))
        else:
            self.numbers["corners"] += x0, y0, x1, y0, x1, y1, x0, y1
            self.shapes.append(("corners", 4, colour, 0.0))

    def limb(self, colour, x0, y0, x1, y1, w0, w1=None) -> None:
        """A filled bar with rounded ends, `w0` wide at its first end and `w1` at its second."""
        w1 = w0 if w1 is None else w1
        length = hypot(x1 - x0, y1 - y0) or 1e-6
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        a, b = w0 / 2, w1 / 2
        self.numbers["corners"] += (
            x0 - uy * a, y0 + ux * a, x0 - ux * a * 0.8, y0 - uy * a * 0.8,
            x0 + uy * a, y0 - ux * a, x1 + uy * b, y1 - ux * b,
            x1 + ux * b * 0.8, y1 + uy * b * 0.8, x1 - uy * b, y1 + ux * b)
        self.shapes.append(("corners", 6, colour, 0.0))

    def line(self, colour, width, points, smooth=False) -> None:
        n = len(points)
        sort, size = ((n, False), 4 * n - 3) if smooth else ("corners", n)
        self.numbers[sort] += chain.from_iterable(points)
        self.shapes.append((sort, size, colour, width))

    def ring(self, colour, x, y, r, width, ry=None) -> None:
        self.numbers["ring"] += r, ry or r, x, y
        self.shapes.append(("ring", 19, colour, width))

    def rotate(self, angle: float, scale: float = 1.0) -> None:
        """Turn all that is drawn so far, clockwise on the screen, and scale it."""
        c, s = cos(angle) * scale, sin(angle) * scale
        self.shapes = [(sort, size, colour, width * scale) for sort, size, colour, width in self.shapes]
        points = sum([size for _, size, _, _ in self.shapes])
        self.turns.append((points, np.array(((c, s), (-s, c)), np.float32)))

    def done(self) -> Notes:
        """What was noted, to be a little stretched and leaning, and half of the drawings mirrored."""
        lean = self.between(-self.lean, self.lean)
        wide = self.between(1 - self.stretch, 1 + self.stretch) * self.choose(0.5, 1, -1)
        return Notes(self.shapes, self.numbers, self.turns, lean, wide)


def joint(x, y, angle, length) -> tuple[float, float]:
    """The end of a limb that hangs from (x, y), `angle` radians from straight down; positive is right."""
    return x + sin(angle) * length, y + cos(angle) * length


def around(x, y, r, turns) -> list[tuple[float, float]]:
    """Points on a circle, at `turns` radians from the right, clockwise on the screen."""
    return [(x + cos(turn) * r, y + sin(turn) * r) for turn in turns]
