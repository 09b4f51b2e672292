"""What the wind carries: boats, aeroplanes, kites, umbrellas."""
from itertools import pairwise
from math import pi

from paperlib.world.pen import Pen, around, tint


def boat(pen: Pen, pose: str) -> None:
    deck = pen.between(0.74, 0.8)
    kind = pen.below(5)         # sailing, motor, fishing, cargo, rowing
    if kind == 3:
        for k in range(6):
            pen.box((pen.second, pen.accent, pen.light)[pen.below(3)], 0.1 + 0.11 * (k % 5),
                    deck - 0.14 - 0.13 * (k > 4 or pen.chance(0.3)), 0.2 + 0.11 * (k % 5), deck)
        pen.box(pen.light, 0.7, deck - 0.32, 0.84, deck)
        pen.box(pen.dark, 0.72, deck - 0.28, 0.82, deck - 0.22)
    if kind == 4:
        for side in (-1, 1):
            pen.limb(pen.accent, 0.5 - side * 0.12, deck - 0.2, 0.5 + side * 0.3, deck + 0.06, 0.03)
            pen.poly(pen.second, ((0.5 + side * 0.12, deck), (0.5 + side * 0.2, deck - 0.08),
                                  (0.5 + side * 0.36, deck - 0.08), (0.5 + side * 0.36, deck)))
    if kind == 0:
        top = pen.between(0.0, 0.15)
        pen.limb(pen.dark, 0.5, top, 0.5, deck, 0.028)
        pen.poly(pen.second, ((0.53, top + 0.03), (0.53, deck - 0.06),
                              (pen.between(0.82, 0.95), deck - 0.06)))
        if pen.chance(0.8):
            jib = pen.choose(0.5, pen.accent, pen.light)
            pen.poly(jib, ((0.47, top + 0.1), (0.47, deck - 0.06), (0.15, deck - 0.06)))
    elif kind < 3:
        high = pen.between(0.5, 0.58)
        if kind == 2:
            pen.limb(pen.dark, 0.3, 0.25, 0.3, deck, 0.025)
            pen.poly(pen.accent, ((0.31, 0.26), (0.47, 0.32), (0.31, 0.38)))
            pen.line(pen.dark, 0.01, ((0.3, 0.3), (0.95, deck)))
        else:
            pen.poly(pen.accent, ((0.55, high - 0.16), (0.67, high - 0.16), (0.68, high), (0.54, high)))
        pen.poly(pen.second, ((0.36, deck), (0.4, high), (0.74, high), (0.78, deck)))
        for x in (0.43, 0.54, 0.65):
            pen.box(pen.light, x, high + 0.06, x + 0.07, high + 0.15)
    pen.poly(pen.main, ((0.0, deck - 0.03), (0.12, deck), (0.86, deck), (1.0, deck - 0.06), (0.86, 1.0),
                        (0.16, 1.0)))
    if pen.chance(0.5):
        pen.poly(pen.light, ((0.04, deck + 0.06), (0.95, deck + 0.06), (0.92, deck + 0.11),
                             (0.07, deck + 0.11)))


def _propeller(pen: Pen, body, wing) -> None:
    pen.limb(pen.dark, 0.03, 0.34, 0.03, 0.68, 0.035)
    for x in (0.27, 0.38):
        pen.limb(pen.dark, 0.36, 0.58, x, 0.72, 0.025)
        pen.dot(pen.dark, x, 0.74, 0.05)
    pen.poly(pen.accent, ((0.82, 0.46), (0.9, 0.26), (1.0, 0.26), (0.97, 0.5)))
    pen.blob(body, ((0.05, 0.5), (0.12, 0.41), (0.4, 0.38), (0.7, 0.44), (0.98, 0.45), (0.96, 0.51),
                    (0.6, 0.6), (0.14, 0.6)))
    pen.poly(pen.light, ((0.26, 0.47), (0.32, 0.36), (0.48, 0.36), (0.56, 0.47)))
    pen.limb(wing, 0.2, 0.33 + 0.2 * pen.below(2), 0.58, 0.33, 0.06, 0.05)
    pen.limb(wing, 0.84, 0.48, 0.98, 0.48, 0.035)
    pen.rotate(pen.between(-0.2, 0.3))


def aeroplane(pen: Pen, pose: str) -> None:
    body, wing = pen.main, pen.choose(0.5, pen.second, tint(pen.main, 0.75))
    if pen.chance(0.35):        # seen from below
        pen.poly(wing, ((0.42, 0.5), (0.7, 0.06), (0.78, 0.06), (0.64, 0.5), (0.78, 0.94), (0.7, 0.94)))
        pen.poly(wing, ((0.8, 0.5), (0.92, 0.3), (0.98, 0.3), (0.93, 0.5), (0.98, 0.7), (0.92, 0.7)))
        pen.limb(body, 0.08, 0.5, 0.93, 0.5, 0.13, 0.08)
        for y in (0.28, 0.72):
            pen.limb(pen.dark, 0.52, y, 0.62, y, 0.06)
        pen.dot(pen.light, 0.07, 0.5, 0.035, 0.045)
        return pen.rotate(pen.between(-0.5, 0.9))
    if pen.chance(0.25):        # a small one with a propeller
        return _propeller(pen, body, wing)
    pen.poly(wing, ((0.4, 0.5), (0.56, 0.26), (0.64, 0.26), (0.58, 0.5)))
    pen.poly(pen.accent, ((0.78, 0.48), (0.9, 0.22), (1.0, 0.22), (0.95, 0.5)))
    pen.blob(body, ((0.0, 0.54), (0.12, 0.45), (0.5, 0.43), (0.85, 0.44), (0.99, 0.46), (0.8, 0.58),
                    (0.5, 0.62), (0.12, 0.62)))
    pen.poly(pen.light, ((0.04, 0.51), (0.1, 0.46), (0.16, 0.46), (0.15, 0.52)))
    for k in range(6):
        pen.box(pen.light, 0.24 + k * 0.09, 0.48, 0.28 + k * 0.09, 0.52)
    pen.limb(pen.dark, 0.42, 0.66, 0.53, 0.66, 0.08, 0.06)
    pen.poly(wing, ((0.36, 0.56), (0.58, 0.56), (0.78, 0.8), (0.68, 0.8)))
    pen.poly(wing, ((0.82, 0.5), (0.94, 0.5), (1.0, 0.58), (0.94, 0.58)))
    pen.rotate(pen.between(-0.12, 0.35))


def kite(pen: Pen, pose: str) -> None:
    # diamond (twice), delta, sled
    wide, cross, kind = pen.between(0.22, 0.34), pen.between(0.18, 0.3), pen.below(4)
    other = pen.choose(0.5, pen.second, tint(pen.main, 0.8))
    sway = pen.between(-0.2, 0.2)
    tail = ((0.5, 0.55), (0.5 + sway, 0.7), (0.5 - sway, 0.83), (0.5 + sway * 0.6, 0.99))
    if pen.chance(0.75):
        pen.line(pen.dark, 0.018, tail, True)
        for k, (x, y) in enumerate(tail[1:]):
            bow = (pen.second, pen.accent)[k % 2]
            pen.poly(bow, ((x, y), (x - 0.075, y - 0.045), (x - 0.075, y + 0.045)))
            pen.poly(bow, ((x, y), (x + 0.075, y - 0.045), (x + 0.075, y + 0.045)))
    middle = (0.5, cross)
    if kind == 2:
        corners = ((0.5, 0.0), (0.5 + wide * 1.6, 0.5), (0.5, 0.58), (0.5 - wide * 1.6, 0.5))
        spars = ((0, 2),)
    elif kind == 3:
        corners = ((0.5 - wide, 0.0), (0.5 + wide, 0.0), (0.5 + wide, 0.56), (0.5 - wide, 0.56))
        spars, middle = ((0, 2), (1, 3)), (0.5, 0.28)
    else:
        corners = ((0.5, 0.0), (0.5 + wide, cross), (0.5, 0.6), (0.5 - wide, cross))
        spars = ((0, 2), (1, 3))
    for k in range(4):
        pen.poly((pen.main, other)[k % 2], (middle, corners[k], corners[(k + 1) % 4]))
    for a, b in spars:
        pen.line(pen.dark, 0.018, (corners[a], corners[b]))
    pen.rotate(pen.between(-0.9, 0.9))


def umbrella(pen: Pen, pose: str) -> None:
    kind, second = pen.below(6), pen.choose(0.4, pen.second, tint(pen.main, 0.8))
    if kind == 0:               # from above
        pen.stretch = 0.05
        for k in range(8):
            a = k * pi / 4
            rim = (*around(0.5, 0.5, 0.5, (a, a + pi / 4)), *around(0.5, 0.5, 0.44, (a + pi / 8,)))
            pen.poly((second, pen.main)[k % 2], ((0.5, 0.5), rim[0], rim[2], rim[1]))
        pen.dot(pen.dark, 0.5, 0.5, 0.045)
        return
    pen.limb(pen.dark, 0.5, 0.03, 0.5, 0.88, 0.03)
    pen.line(pen.dark, 0.035, ((0.5, 0.87), (0.5, 0.95), (0.59, 0.985), (0.68, 0.95), (0.68, 0.9)), True)
    if kind == 1:               # closed
        for x, colour in ((-0.02, pen.main), (0.03, second), (0.0, pen.main)):
            pen.poly(colour, ((0.5, 0.06), (0.56 + x, 0.62), (0.5 + x, 0.72), (0.44 + x, 0.62)))
        pen.limb(second, 0.44, 0.5, 0.56, 0.5, 0.04)
        return pen.rotate(pen.between(-0.7, 0.7))
    rim, top = pen.between(0.4, 0.52), pen.between(0.06, 0.14)
    for k, (a, b) in enumerate(pairwise((0.02, 0.26, 0.5, 0.74, 0.98))):
        inner_a, inner_b = 0.5 + (a - 0.5) * 0.8, 0.5 + (b - 0.5) * 0.8
        fold = top + (rim - top) * 0.35
        outline = ((0.5, top), (inner_a, fold), (a, rim), ((a + b) / 2, rim - 0.05), (b, rim),
                   (inner_b, fold))
        pen.poly((second, pen.main)[k % 2], outline)
    pen.rotate(pen.between(-0.6, 0.6))
