"""Small things: what is carried, played with, and what hangs in the street or on the wall."""
from math import pi

from paperlib.world.pen import Pen, around, tint


def sports_ball(pen: Pen, pose: str) -> None:
    kind, turn = pen.below(5), pen.between(0, 3)
    pen.stretch, pen.lean = 0.05, 0.0
    if kind == 4:               # for rugby
        pen.blob(pen.main, ((0.0, 0.5), (0.2, 0.29), (0.5, 0.22), (0.8, 0.29), (1.0, 0.5), (0.8, 0.71),
                            (0.5, 0.78), (0.2, 0.71)))
        for x in (0.2, 0.8):
            pen.line(pen.light, 0.05, ((x, 0.3), (x + (0.5 - x) * 0.15, 0.5), (x, 0.7)), True)
        pen.line(pen.dark, 0.03, ((0.34, 0.4), (0.66, 0.4)))
        for k in range(4):
            pen.line(pen.dark, 0.03, ((0.38 + 0.08 * k, 0.35), (0.38 + 0.08 * k, 0.45)))
        return pen.rotate(pen.between(-0.8, 0.8))
    pen.dot(pen.main, 0.5, 0.5, 0.49)
    if kind == 0:               # patches
        turns = [turn + k * 2 * pi / 5 for k in range(5)]
        pen.poly(pen.dark, around(0.5, 0.5, 0.18, turns))
        for a, near, far, edge in zip(turns, *(around(0.5, 0.5, r, turns) for r in (0.18, 0.36, 0.41))):
            pen.line(pen.dark, 0.03, (near, far))
            pen.dot(pen.dark, *edge, 0.12, 0.07, a + pi / 2)
    elif kind == 1:             # seams
        pen.line(pen.dark, 0.035, ((0.02, 0.5), (0.98, 0.5)))
        pen.line(pen.dark, 0.035, ((0.5, 0.02), (0.5, 0.98)))
        for side in (-1, 1):
            pen.line(pen.dark, 0.035, ((0.5 + side * 0.34, 0.14), (0.5 + side * 0.17, 0.5),
                                       (0.5 + side * 0.34, 0.86)),
                     True)
    elif kind == 2:             # beach ball
        for k in range(3):
            panel = around(0.5, 0.5, 0.49, [turn + k * 2 * pi / 3 + j * pi / 12 for j in range(5)])
            pen.poly((pen.second, pen.accent, pen.light)[k], [(0.5, 0.5), *panel])
        pen.dot(pen.light, 0.5, 0.5, 0.08)
    else:                       # tennis
        for side in (-1, 1):
            pen.line(pen.light, 0.06, ((0.5 + side * 0.36, 0.16), (0.5 + side * 0.16, 0.36),
                                       (0.5 + side * 0.16, 0.64), (0.5 + side * 0.36, 0.84)), True)
    pen.dot(tint(pen.main, 1.4), 0.34, 0.24, 0.06, 0.045, -0.6)
    pen.rotate(pen.between(0, 6.28))


def backpack(pen: Pen, pose: str) -> None:
    body, flap = pen.main, pen.choose(0.5, pen.second, tint(pen.main, 0.8))
    wide, top = pen.between(0.26, 0.36), pen.between(0.12, 0.3)
    if pen.chance(0.25):        # from the side: a strap before, a pocket behind
        pen.ring(pen.dark, 0.36, 0.58, 0.14, 0.06, 0.3)
        pen.blob(body, ((0.36, 0.98), (0.36, 0.3), (0.46, top), (0.64, top + 0.02), (0.72, 0.4),
                        (0.72, 0.98)))
        pen.blob(flap, ((0.68, 0.95), (0.68, 0.58), (0.84, 0.62), (0.86, 0.95)))
        return pen.poly(flap, ((0.37, 0.3), (0.46, top + 0.02), (0.66, top + 0.04), (0.73, 0.42)))
    pen.ring(pen.dark, 0.5, top, 0.09, 0.04)
    for side in (-1, 1):
        pen.limb(tint(body, 0.6), 0.5 + side * wide, top + 0.2, 0.5 + side * (wide + 0.05), 0.85, 0.07)
        if pen.chance(0.6):
            pen.box(flap, 0.5 + side * (wide + 0.02) - 0.06, 0.62, 0.5 + side * (wide + 0.02) + 0.06, 0.9,
                    0.03)
    pen.box(body, 0.5 - wide, top, 0.5 + wide, 1.0, pen.between(0.05, 0.2))
    pen.box(flap, 0.5 - wide * 0.95, top + 0.06, 0.5 + wide * 0.95, top + 0.3, 0.1)
    pen.box(tint(body, 1.2), 0.5 - wide * 0.7, 0.6, 0.5 + wide * 0.7, 0.93, 0.06)
    pen.box(pen.dark, 0.5 - wide * 0.7, 0.66, 0.5 + wide * 0.7, 0.685)
    for side in (-1, 1):
        pen.box(pen.light, 0.48 + side * wide * 0.5, top + 0.2, 0.52 + side * wide * 0.5, top + 0.38)


def traffic_light(pen: Pen, pose: str) -> None:
    top, wide, low = pen.between(0.0, 0.06), pen.between(0.11, 0.15), pen.between(0.5, 0.58)
    on_post = pen.chance(0.7)
    if on_post:
        pen.limb(tint(pen.main, 0.7), 0.5, low, 0.5, 0.97, 0.065)
        pen.box(tint(pen.main, 0.7), 0.4, 0.96, 0.6, 1.0)
    if pen.chance(0.4):
        pen.box(pen.second, 0.47 - wide, top - 0.03, 0.53 + wide, low + 0.03, 0.06)
    pen.box(pen.main, 0.5 - wide, top, 0.5 + wide, low, 0.05)
    lit, step = pen.below(3), (low - top) / 3
    for k in range(3):
        y = top + step * (k + 0.5)
        pen.dot(pen.dark, 0.5, y, wide * 0.68, step * 0.42)
        if k == lit:
            pen.dot(tint(pen.accent, 1.15), 0.5, y, wide * 0.58, step * 0.36)
            pen.dot(tint(pen.accent, 1.7), 0.48, y - 0.01, wide * 0.22)
        pen.poly(tint(pen.main, 0.6), ((0.49 - wide, y - step * 0.4), (0.51 + wide, y - step * 0.4),
                                       (0.5 + wide * 0.6, y - step * 0.22),
                                       (0.5 - wide * 0.6, y - step * 0.22)))
    if on_post:
        return
    x, y = 0.5, top             # under an arm, the lamps below each other or side by side
    if pen.chance(0.4):
        pen.rotate(pi / 2)
        x, y = -0.3, 0.5 - wide
    pen.limb(pen.dark, x, y, x, y - 0.07, 0.04)
    pen.limb(pen.dark, x - 0.6, y - 0.08, x + 0.35, y - 0.08, 0.04)


BARS = ((0, 0, 1, 0), (0, 1, 1, 1), (0, 2, 1, 2),  # of a figure: three level ones
        (0, 0, 0, 1), (0, 1, 0, 2), (1, 0, 1, 1), (1, 1, 1, 2))  # and four upright ones


def _digits(pen: Pen, top, low) -> None:
    """Four figures of bars, a colon between them."""
    high = (low - top) / 2
    for k in range(4):
        x = 0.16 + 0.165 * k + 0.06 * (k > 1)
        for x0, y0, x1, y1 in BARS:
            if pen.chance(0.75):
                pen.limb(pen.accent, x + 0.11 * x0, top + high * y0, x + 0.11 * x1, top + high * y1, 0.04)
    for y in (top + high * 0.5, top + high * 1.5):
        pen.dot(pen.accent, 0.5, y, 0.025)


def clock(pen: Pen, pose: str) -> None:
    r, y, kind = 0.43, 0.5, pen.below(6)        # round (twice), alarm, square, digital, on a long case
    face, ink = pen.choose(0.6, (pen.light, pen.dark), (pen.main, pen.light))
    pen.stretch, pen.lean = 0.06, 0.05
    if kind == 4:
        top = pen.between(0.45, 0.55)
        pen.box(pen.main, 0.0, top, 1.0, 1.0, 0.05)
        pen.box(pen.dark, 0.07, top + 0.07, 0.93, 0.93)
        return _digits(pen, top + 0.15, 0.85)
    if kind == 2:
        for side in (-1, 1):
            pen.limb(pen.dark, 0.5 + side * 0.2, 0.85, 0.5 + side * 0.29, 0.97, 0.06)
            pen.dot(pen.second, 0.5 + side * 0.26, 0.14, 0.13, 0.1, side * 0.7)
        r, y = 0.39, 0.55
    if kind == 5:
        r, y = 0.17, 0.24
        pen.box(pen.second, 0.28, 0.0, 0.72, 1.0, 0.06)
        pen.box(tint(pen.second, 0.6), 0.36, 0.5, 0.64, 0.92)
        x = pen.between(0.42, 0.58)
        pen.limb(pen.light, 0.5, 0.48, x, 0.78, 0.025)
        pen.dot(pen.accent, x, 0.8, 0.06)
    if kind == 3:
        pen.box(pen.second, 0.5 - r, y - r, 0.5 + r, y + r, 0.04)
        pen.box(face, 0.56 - r, y - r + 0.06, 0.44 + r, y + r - 0.06, 0.04)
    else:
        pen.dot(pen.second, 0.5, y, r)
        pen.dot(face, 0.5, y, r * 0.82)
    hours = 12 if pen.chance(0.5) and r > 0.2 else 4
    for at in around(0.5, y, r * 0.66, [k * 2 * pi / hours for k in range(hours)]):
        pen.dot(ink, *at, r * 0.065)
    for length, width in ((0.36, 0.13), (0.58, 0.1)):
        (tip,) = around(0.5, y, r * length, (pen.between(0, 2 * pi),))
        pen.limb(ink, 0.5, y, *tip, width * r)
    pen.dot(pen.accent, 0.5, y, r * 0.1)
