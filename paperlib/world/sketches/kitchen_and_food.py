"""What is drunk from, filled with flowers, or eaten."""
from math import pi

from paperlib.world.pen import Pen, around, tint


def _sides(pen: Pen, colour, profile) -> None:
    """A body of revolution seen from the side: `profile` is a list of (half width, y) from top to bottom."""
    pen.poly(colour, [(0.5 + w, y) for w, y in profile] + [(0.5 - w, y) for w, y in reversed(profile)])


def bottle(pen: Pen, pose: str) -> None:
    kind = pen.below(4)         # wine (twice), flask, jar
    neck, wide, shoulder = ((0.062, 0.15, 0.39), (0.062, 0.15, 0.39), (0.06, 0.26, 0.44),
                            (0.18, 0.25, 0.36))[kind]
    neck, wide = neck * pen.between(0.8, 1.2), wide * pen.between(0.87, 1.13)
    shoulder += pen.between(-0.07, 0.07)
    top = pen.between(0.02, 0.1) + 0.12 * (kind > 1)
    glass = pen.main
    _sides(pen, glass, ((neck, top), (neck, max(top, shoulder - 0.14)), (wide * 0.8, shoulder - 0.05),
                        (wide, shoulder), (wide, 0.97), (wide * 0.85, 1.0)))
    pen.box(pen.accent, 0.49 - neck, top - 0.02, 0.51 + neck, top + 0.07, 0.015)
    if pen.chance(0.75):
        y = pen.between(shoulder + 0.06, 0.6)
        pen.box(pen.choose(0.6, pen.light, pen.second), 0.5 - wide, y, 0.5 + wide, y + 0.24)
        pen.dot(pen.accent, 0.5, y + 0.12, 0.06)
    else:
        pen.box(tint(glass, 1.5), 0.53 - wide, shoulder + 0.04, 0.56 - wide, 0.9)
    if pen.chance(0.12):
        pen.rotate(pi / 2)      # it lies


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
    if pen.chance(0.3):         # straight sides
        lip = neck = foot = belly = pen.between(0.17, 0.24)
    pen.blob(pen.main, ((0.5 - lip, top), (0.5 + lip, top), (0.5 + neck, top + 0.15), (0.5 + belly, high),
                        (0.5 + foot, 0.96), (0.5 - foot, 0.96), (0.5 - belly, high),
                        (0.5 - neck, top + 0.15)))
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
    mid, kind = (top + 0.95) / 2, pen.below(4)  # mug (twice), with saucer, beaker
    if kind == 3:
        top, wide, foot = pen.between(0.08, 0.25), pen.between(0.24, 0.3), pen.between(0.17, 0.22)
    else:
        pen.ring(tint(pen.main, 0.85), 0.45 + wide, mid - 0.02, 0.14, 0.06, 0.17)
    if kind == 2:
        pen.dot(tint(pen.second, 1.2), 0.45, 0.96, 0.44, 0.045)
    pen.poly(pen.main, ((0.45 - wide, top), (0.45 + wide, top), (0.45 + (wide + foot) * 0.53, 0.75),
                        (0.45 + foot, 0.97), (0.45 - foot, 0.97), (0.45 - (wide + foot) * 0.53, 0.75)))
    if pen.chance(0.5):
        pen.box(pen.accent, 0.48 - (wide + foot) / 2, mid, 0.42 + (wide + foot) / 2, mid + 0.1)
    if kind == 3 and pen.chance(0.6):
        pen.limb(pen.accent, 0.45, top, 0.45 + pen.between(-0.12, 0.12), top - 0.2, 0.035)
        return pen.box(pen.second, 0.43 - wide, top - 0.03, 0.47 + wide, top + 0.05, 0.02)
    pen.dot(tint(pen.main, 1.3), 0.45, top, wide, 0.075)
    pen.dot(pen.choose(0.5, pen.dark, pen.accent), 0.45, top + 0.01, wide * 0.82, 0.05)
    if pen.chance(0.3):
        for x in (0.35, 0.52):
            pen.line(tint(pen.light, 1.1), 0.03,
                     ((x, top - 0.08), (x + 0.04, top - 0.15), (x - 0.02, top - 0.22),
                      (x + 0.03, top - 0.28)), True)


def apple(pen: Pen, pose: str) -> None:
    skin = pen.main
    wide, tall = pen.between(0.38, 0.45), pen.between(0.94, 1.0)
    pen.limb(pen.dark, 0.5, 0.34, 0.5 + pen.between(-0.08, 0.12), 0.1, 0.045)
    pen.blob(skin, ((0.5, 0.32), (0.5 - wide * 0.6, 0.24), (0.5 - wide, 0.52),
                    (0.5 - wide * 0.6, tall - 0.04),
                    (0.5 - 0.1, tall), (0.5, tall - 0.03), (0.5 + 0.1, tall), (0.5 + wide * 0.6, tall - 0.04),
                    (0.5 + wide, 0.52), (0.5 + wide * 0.6, 0.24)))
    if pen.chance(0.25):        # cut in half
        pen.blob(tint(pen.light, 1.2), ((0.5, 0.38), (0.5 - wide * 0.55, 0.31), (0.5 - wide * 0.85, 0.53),
                                        (0.5 - wide * 0.5, tall - 0.12), (0.5 + wide * 0.5, tall - 0.12),
                                        (0.5 + wide * 0.85, 0.53), (0.5 + wide * 0.55, 0.31)))
        for x in (0.43, 0.57):
            pen.dot(pen.dark, x, 0.62, 0.035, 0.07, (x - 0.5) * 6)
        return
    if pen.chance(0.35):        # a bite
        pen.dot(tint(pen.light, 1.1), 0.5 + wide * 0.78, 0.52, 0.13, 0.17)
    pen.dot(tint(skin, 1.35), 0.5 - wide * 0.5, 0.46, 0.07, 0.11, 0.5)
    if pen.chance(0.8):
        pen.blob(pen.second, ((0.53, 0.22), (0.62, 0.08), (0.82, 0.08), (0.72, 0.22)))


def pizza(pen: Pen, pose: str) -> None:
    crust, sauce = pen.main, pen.second
    pen.stretch, pen.lean = 0.08, 0.05
    toppings = (pen.accent, pen.dark, pen.light)
    if pen.chance(0.4):         # one slice
        pen.poly(sauce, ((0.08, 0.2), (0.92, 0.2), (0.5, 1.0)))
        pen.limb(crust, 0.08, 0.18, 0.92, 0.18, 0.15)
        spots = ((0.35, 0.38), (0.62, 0.35), (0.48, 0.56), (0.53, 0.76))
    else:
        cut, start = pen.pick((0, 0, 1, 2)), pen.below(8)
        turns = [k * pi / 8 for k in range(start * 2, start * 2 + 17 - 2 * cut)]
        pen.poly(crust, [*around(0.5, 0.5, 0.5, turns), (0.5, 0.5)])
        pen.poly(sauce, [*around(0.5, 0.5, 0.41, turns), (0.5, 0.5)])
        for rim in around(0.5, 0.5, 0.5, turns[::2]):
            pen.line(crust, 0.02, ((0.5, 0.5), rim))
        spots = around(0.5, 0.5, pen.between(0.22, 0.3), turns[1::2])
    for k, (x, y) in enumerate(spots):
        pen.dot(toppings[k % (1 + pen.below(3))], x, y, 0.07)
