"""Small things: what is carried, played with, eaten, drunk from, and what hangs in the street or on the wall."""
from math import cos, pi, sin

from paperlib.data.drawings_kit import Pen, tint


def _sides(pen: Pen, colour, profile) -> None:
    """A body of revolution seen from the side: `profile` is a list of (half width, y) from top to bottom."""
    pen.poly(colour, [(0.5 + w, y) for w, y in profile] + [(0.5 - w, y) for w, y in reversed(profile)])


def bottle(pen: Pen, pose: str) -> None:
    neck, wide = pen.between(0.05, 0.075), pen.between(0.13, 0.17)
    shoulder, top = pen.between(0.32, 0.46), pen.between(0.02, 0.1)
    glass = pen.main
    _sides(pen, glass, ((neck, top), (neck, shoulder - 0.14), (wide * 0.8, shoulder - 0.05), (wide, shoulder),
                        (wide, 0.97), (wide * 0.85, 1.0)))
    pen.box(pen.accent, 0.49 - neck, top - 0.02, 0.51 + neck, top + 0.07, 0.015)
    if pen.chance(0.75):
        y = pen.between(shoulder + 0.08, 0.6)
        pen.box(pen.light, 0.5 - wide, y, 0.5 + wide, y + 0.24)
        pen.dot(pen.second, 0.5, y + 0.12, 0.06)
    else:
        pen.box(tint(glass, 1.5), 0.53 - wide, shoulder + 0.04, 0.56 - wide, 0.9)


def vase(pen: Pen, pose: str) -> None:
    lip, neck = pen.between(0.12, 0.2), pen.between(0.06, 0.11)
    belly, foot = pen.between(0.2, 0.3), pen.between(0.1, 0.16)
    high = pen.between(0.45, 0.68)
    top = pen.between(0.0, 0.1)
    if pen.chance(0.4):
        top = 0.32
        high = 0.7
        for k in range(3):
            x, y = 0.5 + (k - 1) * pen.between(0.12, 0.22), pen.between(0.06, 0.16)
            pen.limb(tint(pen.second, 0.8), 0.5, 0.4, x, y, 0.025)
            pen.dot(pen.accent, x, y, 0.08)
            pen.dot(pen.light, x, y, 0.03)
    pen.blob(pen.main, ((0.5 - lip, top), (0.5 + lip, top), (0.5 + neck, top + 0.15), (0.5 + belly, high),
                        (0.5 + foot, 0.96), (0.5 - foot, 0.96),
                        (0.5 - belly, high), (0.5 - neck, top + 0.15)))
    pen.box(tint(pen.main, 0.75), 0.48 - foot, 0.95, 0.52 + foot, 1.0)
    for dy in (-0.08, 0.05)[:1 + pen.below(2)]:
        pen.box(pen.second, 0.52 - belly, high + dy, 0.48 + belly, high + dy + 0.05)
    if pen.chance(0.35):
        for side in (-1, 1):
            pen.line(tint(pen.main, 0.8), 0.03, ((0.5 + side * neck, top + 0.12),
                                                 (0.5 + side * (belly + 0.04), top + 0.16),
                                                 (0.5 + side * belly * 0.95, high - 0.06)), True)


def cup(pen: Pen, pose: str) -> None:
    top, wide, foot = pen.between(0.28, 0.42), pen.between(0.27, 0.33), pen.between(0.17, 0.3)
    mid = (top + 0.95) / 2
    pen.ring(tint(pen.main, 0.85), 0.45 + wide, mid - 0.02, 0.14, 0.06, 0.17)
    saucer = pen.chance(0.4)
    if saucer:
        pen.dot(tint(pen.second, 1.2), 0.45, 0.96, 0.44, 0.045)
    pen.poly(pen.main, ((0.45 - wide, top), (0.45 + wide, top), (0.45 + (wide + foot) * 0.53, 0.75),
                        (0.45 + foot, 0.97), (0.45 - foot, 0.97),
                        (0.45 - (wide + foot) * 0.53, 0.75)))
    pen.dot(tint(pen.main, 1.3), 0.45, top, wide, 0.075)
    pen.dot(pen.dark if pen.chance(0.5) else pen.accent, 0.45, top + 0.01, wide * 0.82, 0.05)
    if pen.chance(0.5):
        pen.box(pen.accent, 0.47 - wide, mid, 0.43 + wide, mid + 0.1)
    if pen.chance(0.4):
        for x in (0.35, 0.52):
            pen.line(tint(pen.light, 1.1), 0.03, ((x, top - 0.08), (x + 0.04, top - 0.15), (x - 0.02, top - 0.22),
                                                  (x + 0.03, top - 0.28)), True)


def apple(pen: Pen, pose: str) -> None:
    skin = pen.main
    wide, tall = pen.between(0.38, 0.45), pen.between(0.94, 1.0)
    pen.limb(pen.dark, 0.5, 0.34, 0.5 + pen.between(-0.08, 0.12), 0.1, 0.045)
    pen.blob(skin, ((0.5, 0.32), (0.5 - wide * 0.6, 0.24), (0.5 - wide, 0.52), (0.5 - wide * 0.6, tall - 0.04),
                    (0.5 - 0.1, tall), (0.5, tall - 0.03),
                    (0.5 + 0.1, tall), (0.5 + wide * 0.6, tall - 0.04), (0.5 + wide, 0.52), (0.5 + wide * 0.6, 0.24)))
    if pen.chance(0.35):        # a bite
        pen.dot(tint(pen.light, 1.1), 0.5 + wide * 0.78, 0.52, 0.13, 0.17)
    pen.dot(tint(skin, 1.35), 0.5 - wide * 0.5, 0.46, 0.07, 0.11, 0.5)
    if pen.chance(0.8):
        pen.blob(pen.second, ((0.53, 0.22), (0.62, 0.08), (0.82, 0.08), (0.72, 0.22)))


def pizza(pen: Pen, pose: str) -> None:
    crust, sauce = pen.main, pen.second
    toppings = (pen.accent, pen.dark, pen.light)
    if pen.chance(0.4):         # one slice
        pen.poly(sauce, ((0.08, 0.2), (0.92, 0.2), (0.5, 1.0)))
        pen.limb(crust, 0.08, 0.18, 0.92, 0.18, 0.15)
        spots = ((0.35, 0.38), (0.62, 0.35), (0.48, 0.56), (0.53, 0.76))
    else:
        cut, start = pen.pick((0, 1, 2)), pen.below(8)
        ring = [(0.5 + cos(k * pi / 8) * 0.5, 0.5 + sin(k * pi / 8) * 0.5) for k in range(start * 2,
                                                                                          start * 2 + 17 - 2 * cut)]
        inner = [(0.5 + (x - 0.5) * 0.82, 0.5 + (y - 0.5) * 0.82) for x, y in ring]
        pen.poly(crust, [*ring, (0.5, 0.5)])
        pen.poly(sauce, [*inner, (0.5, 0.5)])
        for k in range(0, len(ring), 2):
            pen.line(crust, 0.02, ((0.5, 0.5), ring[k]))
        spots = [(0.5 + (x + nx - 1) * r, 0.5 + (y + ny - 1) * r) for (x, y), (nx, ny), r in
                 zip(ring[:-1:2], ring[2::2], (0.3, 0.32, 0.28, 0.31, 0.3, 0.28, 0.32, 0.3))]
    for k, (x, y) in enumerate(spots):
        pen.dot(toppings[k % (1 + pen.below(3))], x, y, 0.07)


def sports_ball(pen: Pen, pose: str) -> None:
    kind, turn = pen.below(4), pen.between(0, 3)
    pen.dot(pen.main, 0.5, 0.5, 0.49)
    if kind == 0:               # patches
        pen.poly(pen.dark, [(0.5 + cos(turn + k * 1.2566) * 0.18,
                             0.5 + sin(turn + k * 1.2566) * 0.18) for k in range(5)])
        for k in range(5):
            c, s = cos(turn + k * 1.2566), sin(turn + k * 1.2566)
            pen.line(pen.dark, 0.03, ((0.5 + c * 0.18, 0.5 + s * 0.18), (0.5 + c * 0.36, 0.5 + s * 0.36)))
            pen.dot(pen.dark, 0.5 + c * 0.41, 0.5 + s * 0.41, 0.12, 0.07, turn + k * 1.2566 + pi / 2)
    elif kind == 1:             # seams
        pen.line(pen.dark, 0.035, ((0.02, 0.5), (0.98, 0.5)))
        pen.line(pen.dark, 0.035, ((0.5, 0.02), (0.5, 0.98)))
        for side in (-1, 1):
            pen.line(pen.dark, 0.035, ((0.5 + side * 0.34, 0.14), (0.5 + side * 0.17, 0.5), (0.5 + side * 0.34, 0.86)),
                     True)
    elif kind == 2:             # beach ball
        for k in range(3):
            a, b = turn + k * 2.0944, turn + k * 2.0944 + 1.0472
            pen.poly((pen.second, pen.accent, pen.light)[k], [(0.5, 0.5)] + [(0.5 + cos(t) * 0.49,
                                                                              0.5 + sin(t) * 0.49) for t in
                                                                          (a, a * 0.75 + b * 0.25, (a + b) / 2,
                                                                           a * 0.25 + b * 0.75, b)])
        pen.dot(pen.light, 0.5, 0.5, 0.08)
    else:                       # tennis
        for side in (-1, 1):
            pen.line(pen.light, 0.06, ((0.5 + side * 0.36, 0.16), (0.5 + side * 0.16, 0.36), (0.5 + side * 0.16, 0.64),
                                       (0.5 + side * 0.36, 0.84)), True)
    pen.dot(tint(pen.main, 1.4), 0.34, 0.24, 0.06, 0.045, -0.6)
    pen.rotate(pen.between(0, 6.28))


def backpack(pen: Pen, pose: str) -> None:
    body, flap = pen.main, pen.second if pen.chance(0.5) else tint(pen.main, 0.8)
    wide, top = pen.between(0.26, 0.33), pen.between(0.12, 0.2)
    pen.ring(pen.dark, 0.5, top, 0.09, 0.04)
    for side in (-1, 1):
        pen.limb(tint(body, 0.6), 0.5 + side * wide, top + 0.2, 0.5 + side * (wide + 0.05), 0.85, 0.07)
        if pen.chance(0.6):
            pen.box(flap, 0.5 + side * (wide + 0.02) - 0.06, 0.62, 0.5 + side * (wide + 0.02) + 0.06, 0.9, 0.03)
    pen.box(body, 0.5 - wide, top, 0.5 + wide, 1.0, 0.14)
    pen.box(flap, 0.5 - wide * 0.95, top + 0.06, 0.5 + wide * 0.95, top + 0.3, 0.1)
    pen.box(tint(body, 1.2), 0.5 - wide * 0.7, 0.6, 0.5 + wide * 0.7, 0.93, 0.06)
    pen.box(pen.dark, 0.5 - wide * 0.7, 0.66, 0.5 + wide * 0.7, 0.685)
    for side in (-1, 1):
        pen.box(pen.light, 0.48 + side * wide * 0.5, top + 0.2, 0.52 + side * wide * 0.5, top + 0.38)


def traffic_light(pen: Pen, pose: str) -> None:
    top, wide, low = pen.between(0.0, 0.06), pen.between(0.11, 0.15), pen.between(0.5, 0.58)
    pen.limb(tint(pen.main, 0.7), 0.5, low, 0.5, 0.97, 0.065)
    pen.box(tint(pen.main, 0.7), 0.4, 0.96, 0.6, 1.0)
    if pen.chance(0.4):
        pen.box(pen.light, 0.47 - wide, top - 0.03, 0.53 + wide, low + 0.03, 0.06)
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


def clock(pen: Pen, pose: str) -> None:
    r, y = 0.43, 0.5
    if pen.chance(0.4):         # an alarm clock
        for side in (-1, 1):
            pen.limb(pen.dark, 0.5 + side * 0.2, 0.85, 0.5 + side * 0.29, 0.97, 0.06)
            pen.dot(pen.second, 0.5 + side * 0.26, 0.14, 0.13, 0.1, side * 0.7)
        r, y = 0.39, 0.55
    pen.dot(pen.main, 0.5, y, r)
    pen.dot(pen.light, 0.5, y, r * 0.8)
    for k in range(12 if pen.chance(0.5) else 4):
        turn = k * pi / (6 if k > 3 else 2)
        pen.dot(pen.dark, 0.5 + sin(turn) * r * 0.66, y - cos(turn) * r * 0.66, 0.028)
    for length, width in ((0.36, 0.055), (0.58, 0.04)):
        turn = pen.between(0, 6.28)
        pen.limb(pen.dark, 0.5, y, 0.5 + sin(turn) * r * length, y - cos(turn) * r * length, width)
    pen.dot(pen.accent, 0.5, y, 0.045)
