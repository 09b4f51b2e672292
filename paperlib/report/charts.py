"""Geometry of the page's charts: numbers in 0..1 become places in an SVG picture."""
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plot:
    """An area of `width` x `height` px in which a plot of [0, 1] x [0, 1] lies within margins."""

    width: float
    height: float
    left: float = 34
    right: float = 8
    top: float = 24            # above the plot stands what is drawn upwards
    bottom: float = 30

    def x(self, value: float) -> float:
        """Where a value lies from the left, px."""
        return round(self.left + value * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        """Where a value lies from the top, px; 1 is above."""
        return round(self.height - self.bottom - value * (self.height - self.top - self.bottom), 1)

    def line(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        """The path of a line through points, which stops where a value is nan."""
        words, pen_down = [], False
        for x, y in zip(xs, ys):
            if np.isnan(x) or np.isnan(y):
                pen_down = False
                continue
            command = "M"
            if pen_down:
                command = "L"
            words.append(f"{command}{self.x(x):g} {self.y(y):g}")
            pen_down = True
        return "".join(words)

    def area(self, xs: Iterable[float], ys: Iterable[float]) -> str:
        """The path of the area between a line and the axis."""
        points = [(x, y) for x, y in zip(xs, ys) if not np.isnan(y)]
        if not points:
            return ""
        line = self.line(*zip(*points))
        first, last = points[0][0], points[-1][0]
        return f"{line}L{self.x(last):g} {self.y(0):g}L{self.x(first):g} {self.y(0):g}Z"
