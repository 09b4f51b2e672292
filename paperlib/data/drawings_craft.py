"""What the wind carries: boats, aeroplanes, kites, umbrellas."""
from itertools import pairwise

from paperlib.data.drawings_kit import Pen, tint


def boat(pen: Pen, pose: str) -> None:
    deck = pen.between(0.74, 0.8)
    kind = pen.below(3)         # sailing, motor, fishing
    if kind == 0:
        top = pen.between(0.0, 0.15)
        pen.limb(pen.dark, 0.5, top, 0.5, deck, 0.028)
        pen.poly(pen.second, ((0.53, top + 0.03), (0.53, deck - 0.06), (pen.between(0.82, 0.95), deck - 0.06)))
        if pen.chance(0.8):
            pen.poly(pen.accent if pen.chance(0.5) else pen.light,
                     ((0.47, top + 0.1), (0.47, deck - 0.06), (0.15, deck - 0.06)))
    else:
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
    pen.poly(pen.main, ((0.0, deck - 0.03), (0.12, deck), (0.86, deck), (1.0, deck - 0.06), (0.86, 1.0), (0.16, 1.0)))
    if pen.chance(0.5):
        pen.poly(pen.light, ((0.04, deck + 0.06), (0.95, deck + 0.06), (0.92, deck + 0.11), (0.07, deck + 0.11)))


def aeroplane(pen: Pen, pose: str) -> None:
    body, wing = pen.main, pen.second if pen.chance(0.5) else tint(pen.main, 0.75)
    if pen.chance(0.35):        # seen from below
        pen.poly(wing, ((0.42, 0.5), (0.7, 0.06), (0.78, 0.06), (0.64, 0.5), (0.78, 0.94), (0.7, 0.94)))
        pen.poly(wing, ((0.8, 0.5), (0.92, 0.3), (0.98, 0.3), (0.93, 0.5), (0.98, 0.7), (0.92, 0.7)))
        pen.limb(body, 0.08, 0.5, 0.93, 0.5, 0.13, 0.08)
        for y in (0.28, 0.72):
            pen.limb(pen.dark, 0.52, y, 0.62, y, 0.06)
        pen.dot(pen.light, 0.07, 0.5, 0.035, 0.045)
        return pen.rotate(pen.between(-0.5, 0.9))
    pen.poly(wing, ((0.4, 0.5), (0.56, 0.26), (0.64, 0.26), (0.58, 0.5)))
    pen.poly(pen.accent, ((0.78, 0.48), (0.9, 0.22), (1.0, 0.22), (0.95, 0.5)))
    pen.blob(body, ((0.0, 0.54), (0.12, 0.45), (0.5, 0.43), (0.85, 0.44), (0.99, 0.46), (0.8, 0.58), (0.5, 0.62),
                    (0.12, 0.62)))
    pen.poly(pen.light, ((0.04, 0.51), (0.1, 0.46), (0.16, 0.46), (0.15, 0.52)))
    for k in range(6):
        pen.box(pen.light, 0.24 + k * 0.09, 0.48, 0.28 + k * 0.09, 0.52)
    pen.limb(pen.dark, 0.42, 0.66, 0.53, 0.66, 0.08, 0.06)
    pen.poly(wing, ((0.36, 0.56), (0.58, 0.56), (0.78, 0.8), (0.68, 0.8)))
    pen.poly(wing, ((0.82, 0.5), (0.94, 0.5), (1.0, 0.58), (0.94, 0.58)))
    pen.rotate(pen.between(-0.12, 0.35))


def kite(pen: Pen, pose: str) -> None:
    wide, cross = pen.between(0.22, 0.3), pen.between(0.2, 0.27)
    sway = pen.between(-0.2, 0.2)
    tail = ((0.5, 0.58), (0.5 + sway, 0.7), (0.5 - sway, 0.83), (0.5 + sway * 0.6, 0.99))
    pen.line(pen.dark, 0.018, tail, True)
    for k, (x, y) in enumerate(tail[1:]):
        bow = pen.accent if k % 2 else pen.second
        pen.poly(bow, ((x, y), (x - 0.075, y - 0.045), (x - 0.075, y + 0.045)))
        pen.poly(bow, ((x, y), (x + 0.075, y - 0.045), (x + 0.075, y + 0.045)))
    quarters = (pen.main, pen.second, pen.main, pen.second) if pen.chance(0.5) else (pen.main, tint(pen.main, 0.8),
                                                                                     tint(pen.main, 0.8), pen.main)
    corners = ((0.5, 0.0), (0.5 + wide, cross), (0.5, 0.6), (0.5 - wide, cross))
    for k, colour in enumerate(quarters):
        pen.poly(colour, ((0.5, cross), corners[k], corners[(k + 1) % 4]))
    pen.line(pen.dark, 0.018, (corners[0], corners[2]))
    pen.line(pen.dark, 0.018, (corners[3], corners[1]))
    pen.rotate(pen.between(-0.7, 0.7))


def umbrella(pen: Pen, pose: str) -> None:
    rim, top = pen.between(0.42, 0.5), pen.between(0.06, 0.14)
    side = 0.09
    pen.limb(pen.dark, 0.5, top - 0.05, 0.5, 0.88, 0.03)
    pen.line(pen.dark, 0.035, ((0.5, 0.87), (0.5, 0.95), (0.5 + side, 0.985), (0.5 + 2 * side, 0.95),
                               (0.5 + 2 * side, 0.9)), True)
    ribs = (0.02, 0.26, 0.5, 0.74, 0.98)
    for k, (a, b) in enumerate(pairwise(ribs)):
        colour = pen.main if k % 2 else (pen.second if pen.chances and k == 0 and pen.chance(0.5) else tint(pen.main,
                                                                                                            0.8))
        inner_a, inner_b = 0.5 + (a - 0.5) * 0.8, 0.5 + (b - 0.5) * 0.8
        pen.poly(colour, ((0.5, top), (inner_a, top + (rim - top) * 0.35), (a, rim), ((a + b) / 2, rim - 0.05),
                          (b, rim),
                          (inner_b, top + (rim - top) * 0.35)))
    pen.rotate(pen.between(-0.35, 0.35))
