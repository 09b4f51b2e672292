"""The pen of every drawing of the embedded world: shapes, a shared palette, chance, left and right.

All categories draw their colours from one palette, so that colour tells nothing about the category; what
tells them apart is the arrangement of their parts.
"""
from functools import cache
from math import cos, hypot, pi, sin
from typing import NamedTuple

import numpy as np
from cv2 import REDUCE_MAX, REDUCE_MIN, reduce

Colour = tuple[int, int, int]

MAIN = ((201, 82, 66), (228, 120, 92), (236, 178, 70), (246, 214, 120), (150, 158, 72), (86, 134, 84),
        (64, 148, 138), (110, 178, 206), (62, 112, 178), (58, 72, 122), (128, 92, 150), (214, 140, 168),
        (152, 98, 62), (110, 70, 50), (206, 166, 120), (238, 220, 190), (150, 150, 156), (84, 90, 102),
        (234, 234, 230), (48, 50, 58))
DARK = ((46, 46, 52), (60, 44, 40), (38, 50, 72), (70, 66, 70), (52, 62, 52), (78, 50, 58))
LIGHT = ((244, 240, 226), (214, 232, 240), (250, 226, 190), (226, 240, 214), (240, 220, 226), (226, 224, 238))


class Part(NamedTuple):
    """One shape of a drawing, in the unit frame: x right, y down, the object stands on y = 1.

    Shapes: points (P, 2) float32.
    Units:  points and width are in unit-frame units; kind is "fill" or "line"; colour is RGB, 0..255.
    """
    kind: str
    points: np.ndarray
    colour: Colour
    width: float = 0.0


def _circle(n: int) -> np.ndarray:
    turn = np.arange(n) * (2 * pi / n)
    return np.stack([np.cos(turn), np.sin(turn)], 1).astype(np.float32)


CIRCLE, SMALL_CIRCLE = _circle(18), _circle(8)
FOOT = np.array((0.5, 1.0), np.float32)             # where a drawing stands


@cache
def _spline(n: int, closed: bool) -> np.ndarray:
    """The matrix from n control points to a smooth curve through them (Catmull-Rom, 4 points a span)."""
    spans = n if closed else n - 1
    out = np.zeros((spans * 4 + (not closed), n), np.float32)
    for row in range(len(out)):
        k, t = min(row // 4, spans - 1), (row - 4 * min(row // 4, spans - 1)) / 4
        weights = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -t**2 + t**3)
        for j, weight in zip(range(k - 1, k + 3), weights):
            out[row, j % n if closed else min(max(j, 0), n - 1)] += weight / 2
    return out


def tint(colour: Colour, factor: float) -> Colour:
    """`colour` made darker (factor < 1) or lighter (factor > 1: part of the way to white)."""
    r, g, b = colour
    if factor <= 1:
        return int(r * factor), int(g * factor), int(b * factor)
    share = factor - 1
    return int(r + (255 - r) * share), int(g + (255 - g) * share), int(b + (255 - b) * share)


def _uniform(rng: np.random.Generator):
    """Uniform numbers one by one, drawn 64 at a time."""
    while True:
        yield from reversed(rng.random(64).tolist())


class Pen:
    """Collects the shapes of one drawing, back to front, and hands them over as parts.

    `main`, `second`, `accent` are three colours of the shared palette; `dark` and `light` suit wheels, eyes,
    windows. `stretch` and `lean` say by how much, at most, a drawing is widened and slanted when it is done.
    """

    def __init__(self, rng: np.random.Generator):
        self.chance_of = _uniform(rng).__next__
        self.shapes: list[list] = []                        # of each: kind, points, colour, width
        # shapes without points yet, their numbers
        self.noted = {"limb": ([], []), "dot": ([], []), "spot": ([], [])}
        self.stretch, self.lean = 0.2, 0.12
        colours = list(MAIN)
        self.main = self.jitter(colours.pop(self.below(len(colours))))
        self.second = self.jitter(colours.pop(self.below(len(colours))))
        self.accent = self.jitter(colours.pop(self.below(len(colours))))
        self.dark = self.jitter(self.pick(DARK) if self.chance(0.75) else tint(self.pick(MAIN), 0.45))
        self.light = self.jitter(self.pick(LIGHT) if self.chance(0.75) else tint(self.pick(MAIN), 1.6))

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
        r += 28 * self.chance_of() - 14
        g += 28 * self.chance_of() - 14
        b += 28 * self.chance_of() - 14
        return int(min(255, max(0, r))), int(min(255, max(0, g))), int(min(255, max(0, b)))

    # shapes
    def poly(self, colour, points) -> None:
        self.shapes.append(["fill", np.array(points, np.float32), colour, 0.0])

    def _note(self, sort: str, colour, *numbers: float) -> None:
        shape, (shapes, flat) = ["fill", None, colour, 0.0], self.noted[sort]
        self.shapes.append(shape)
        shapes.append(shape)
        flat += numbers

    def _settle(self) -> None:
        """Make the points of the noted shapes, of all of a sort at once: that saves half of the time."""
        for sort, (shapes, flat) in self.noted.items():
            if shapes:
                if sort == "limb":
                    points = np.array(flat, np.float32).reshape(-1, 6, 2)
                else:
                    numbers = np.array(flat).reshape(-1, 6)
                    ring = CIRCLE if sort == "dot" else SMALL_CIRCLE
                    points = ring @ numbers[:, :4].astype(np.float32).reshape(-1, 2, 2)
                    points += numbers[:, None, 4:]
                for shape, outline in zip(shapes, points):
                    shape[1] = outline
                shapes.clear(), flat.clear()

    def blob(self, colour, points) -> None:
        """A filled smooth closed curve through `points`."""
        self.shapes.append(["fill", _spline(len(points), True) @ np.array(points, np.float32), colour, 0.0])

    def dot(self, colour, x, y, rx, ry=None, turn=0.0) -> None:
        """A filled ellipse; `turn` in radians, clockwise on the screen."""
        ry = rx if ry is None else ry
        c, s = (cos(turn), sin(turn)) if turn else (1.0, 0.0)
        self._note("dot" if rx + ry > 0.12 else "spot", colour, rx * c, rx * s, -ry * s, ry * c, x, y)

    def box(self, colour, x0, y0, x1, y1, r=0.0) -> None:
        """A filled rectangle, its corners cut by `r`."""
        if not r:
            return self.poly(colour, ((x0, y0), (x1, y0), (x1, y1), (x0, y1)))
        q = r * 0.3
        return self.poly(colour, ((x0 + r, y0), (x1 - r, y0), (x1 - q, y0 + q), (x1, y0 + r), (x1, y1 - r),
                                  (x1 - q, y1 - q), (x1 - r, y1), (x0 + r, y1), (x0 + q, y1 - q),
                                  (x0, y1 - r), (x0, y0 + r), (x0 + q, y0 + q)))

    def limb(self, colour, x0, y0, x1, y1, w0, w1=None) -> None:
        """A filled bar with rounded ends, `w0` wide at its first end and `w1` at its second."""
        w1 = w0 if w1 is None else w1
        length = hypot(x1 - x0, y1 - y0) or 1e-6
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        a, b = w0 / 2, w1 / 2
        self._note("limb", colour, x0 - uy * a, y0 + ux * a, x0 - ux * a * 0.8, y0 - uy * a * 0.8,
                   x0 + uy * a, y0 - ux * a, x1 + uy * b, y1 - ux * b,
                   x1 + ux * b * 0.8, y1 + uy * b * 0.8, x1 - uy * b, y1 + ux * b)

    def line(self, colour, width, points, smooth=False) -> None:
        points = np.array(points, np.float32)
        points = _spline(len(points), False) @ points if smooth else points
        self.shapes.append(["line", points, colour, width])

    def ring(self, colour, x, y, r, width, ry=None) -> None:
        points = CIRCLE[np.arange(len(CIRCLE) + 1) % len(CIRCLE)] * np.float32((r, ry or r))
        points += (x, y)
        self.shapes.append(["line", points, colour, width])

    def rotate(self, angle: float, scale: float = 1.0) -> None:
        """Turn all that is drawn so far, clockwise on the screen, and scale it."""
        self._settle()
        c, s = cos(angle) * scale, sin(angle) * scale
        turn = np.array(((c, s), (-s, c)), np.float32)
        for shape in self.shapes:
            shape[1] = shape[1] @ turn
            shape[3] *= scale

    def done(self) -> list[Part]:
        """The parts, in the unit square on y = 1: a little stretched and leaning, half of them mirrored."""
        self._settle()
        points = np.concatenate([shape[1] for shape in self.shapes])
        across = points[:, 0]
        across += points[:, 1] * self.between(-self.lean, self.lean)
        across *= self.between(1 - self.stretch, 1 + self.stretch) * self.choose(0.5, 1, -1)
        (left, top), = reduce(points, 0, REDUCE_MIN).tolist()   # an eighth of NumPy's time
        (right, bottom), = reduce(points, 0, REDUCE_MAX).tolist()
        scale = min(1.0, 1 / (right - left), 1 / (bottom - top))
        points -= ((left + right) / 2, bottom)
        points *= scale
        points += FOOT
        parts, start = [], 0
        for kind, shape, colour, width in self.shapes:
            stop = start + len(shape)
            parts.append(Part(kind, points[start:stop], colour, width * scale))
            start = stop
        return parts


def joint(x, y, angle, length) -> tuple[float, float]:
    """The end of a limb that hangs from (x, y), `angle` radians from straight down; positive is right."""
    return x + sin(angle) * length, y + cos(angle) * length


def around(x, y, r, turns) -> list[tuple[float, float]]:
    """Points on a circle, at `turns` radians from the right, clockwise on the screen."""
    return [(x + cos(turn) * r, y + sin(turn) * r) for turn in turns]
