"""Furniture: seats, legs, backs and arms in other arrangements; and plants in pots."""
from math import cos, sin

from paperlib.data.drawings_kit import Pen, joint, tint


def _back(pen: Pen, x0, x1, top, low, style) -> None:
    """The back of a chair or bench: full, slats, rails or a ring."""
    if style == 0:
        pen.box(pen.main, x0, top, x1, low, 0.06)
        return
    rail = 0.055
    for x in (x0 + rail / 2, x1 - rail / 2):
        pen.limb(pen.main, x, top + 0.02, x, low, rail)
    if style == 1:
        for k in range(3):
            x = x0 + (x1 - x0) * (k + 1) / 4
            pen.limb(pen.main, x, top + 0.03, x, low, 0.03)
        pen.box(pen.main, x0, top, x1, top + 0.09, 0.03)
    else:
        for k in range(3):
            y = top + (low - top) * k / 3
            pen.box(pen.main, x0, y, x1, y + 0.075, 0.02)


def chair(pen: Pen, pose: str) -> None:
    seat, top, style = pen.between(0.54, 0.6), pen.between(0.0, 0.12), pen.below(3)
    wood, far = pen.main, tint(pen.main, 0.7)
    cushion = pen.second if pen.chance(0.6) else tint(wood, 1.2)
    if pose == "front":
        splay = pen.between(0, 0.03)
        for x, s in ((0.3, 0), (0.7, 0)):
            pen.limb(far, x, seat, x + s, 0.94, 0.045)
        _back(pen, 0.23, 0.77, top, seat, style)
        for x, s in ((0.22, -splay), (0.78, splay)):
            pen.limb(wood, x, seat, x + s, 0.985, 0.06)
        pen.poly(cushion, ((0.24, seat - 0.05), (0.76, seat - 0.05), (0.84, seat + 0.06), (0.16, seat + 0.06)))
        return
    tilt = pen.between(0.0, 0.1)
    if pen.chance(0.25):        # on wheels
        pen.limb(pen.dark, 0.5, seat, 0.5, 0.88, 0.07)
        for x in (0.24, 0.5, 0.76):
            pen.limb(pen.dark, 0.5, 0.87, x, 0.93, 0.045)
            pen.dot(pen.dark, x, 0.965, 0.035)
    else:
        for x in (0.34, 0.68):
            pen.limb(far, x, seat, x + 0.02, 0.95, 0.05)
        for x, lean in ((0.25, -tilt * 0.5), (0.77, 0.03)):
            pen.limb(wood, x, seat, x + lean, 0.98, 0.06)
    pen.limb(wood, 0.25 - tilt, top + 0.03, 0.25, seat, 0.07 + 0.05 * (style == 0), 0.07)
    if pen.chance(0.35):
        pen.limb(wood, 0.25, seat - 0.19, 0.68, seat - 0.19, 0.045)
        pen.limb(wood, 0.66, seat - 0.18, 0.66, seat, 0.045)
    pen.limb(cushion, 0.24, seat, 0.79, seat, 0.1, 0.09)


def sofa(pen: Pen, pose: str) -> None:
    seats, top, arm = 2 + pen.below(2), pen.between(0.46, 0.54), pen.between(0.6, 0.68)
    body, cushion = pen.main, pen.second if pen.chance(0.4) else tint(pen.main, 1.18)
    for x in (0.1, 0.86):
        pen.box(pen.dark, x, 0.92, x + 0.05, 1.0)
    pen.box(tint(body, 0.85), 0.06, top, 0.94, 0.9, 0.07)
    width = 0.74 / seats
    for k in range(seats):
        x = 0.13 + k * width
        pen.box(body, x + 0.005, top + 0.04, x + width - 0.005, 0.74, 0.04)
        pen.box(cushion, x + 0.005, 0.71, x + width - 0.005, 0.82, 0.03)
    pen.box(tint(body, 0.9), 0.08, 0.81, 0.92, 0.94)
    for x in (0.0, 0.86):
        pen.box(body, x, arm, x + 0.14, 0.95, 0.06)
    if pen.chance(0.5):
        x = pen.between(0.2, 0.65)
        pen.poly(pen.accent, ((x, 0.72), (x + 0.03, 0.57), (x + 0.18, 0.57), (x + 0.16, 0.72)))


def bench(pen: Pen, pose: str) -> None:
    seat, top, wood = pen.between(0.68, 0.74), pen.between(0.42, 0.5), pen.main
    iron = pen.dark if pen.chance(0.6) else tint(wood, 0.6)
    backed = pen.chance(0.8)
    for x, lean in ((0.14, -0.02), (0.86, 0.02)):
        pen.limb(tint(iron, 0.8), x, seat, x - lean, 0.95, 0.04)
        if backed:
            pen.limb(iron, x, top - 0.02, x, seat, 0.04)
        pen.limb(iron, x, seat, x + lean * 2, 0.98, 0.05)
    for k in range(2 + pen.below(2)) if backed else ():
        y = top + k * 0.085
        pen.box(wood, 0.02, y, 0.98, y + 0.06)
    pen.poly(wood, ((0.04, seat - 0.03), (0.96, seat - 0.03), (1.0, seat + 0.04), (0.0, seat + 0.04)))
    pen.box(tint(wood, 0.75), 0.0, seat + 0.04, 1.0, seat + 0.07)
    if backed and pen.chance(0.5):
        for x in (0.06, 0.94):
            pen.limb(iron, x, seat - 0.13, x, seat, 0.035)
            pen.limb(iron, x - 0.05, seat - 0.13, x + 0.05, seat - 0.13, 0.035)


def diningtable(pen: Pen, pose: str) -> None:
    top, wood, far = pen.between(0.5, 0.58), pen.main, tint(pen.main, 0.7)
    plate = tint(pen.light, 1.1)
    if pen.chance(0.35):        # round, on one foot
        pen.limb(wood, 0.5, top, 0.5, 0.95, 0.1, 0.07)
        pen.poly(wood, ((0.46, 0.88), (0.54, 0.88), (0.76, 1.0), (0.24, 1.0)))
        pen.dot(far, 0.5, top + 0.035, 0.5, 0.1)
        pen.dot(wood, 0.5, top, 0.5, 0.1)
    else:
        for x in (0.2, 0.8):
            pen.limb(far, x, top, x, 0.88, 0.045)
        for x in (0.06, 0.94):
            pen.limb(wood, x, top, x, 0.97, 0.07, 0.05)
        pen.box(far, 0.03, top + 0.05, 0.97, top + 0.13)
        pen.poly(wood, ((0.13, top - 0.1), (0.87, top - 0.1), (1.0, top + 0.06), (0.0, top + 0.06)))
        if pen.chance(0.35):
            pen.poly(pen.second, ((0.36, top - 0.1), (0.64, top - 0.1), (0.68, top + 0.06), (0.66, top + 0.2),
                                  (0.34, top + 0.2), (0.32, top + 0.06)))
    for x in (0.26, 0.72):
        if pen.chance(0.7):
            pen.dot(plate, x, top - 0.02, 0.11, 0.04)
            pen.dot(pen.accent, x, top - 0.025, 0.06, 0.022)


def pottedplant(pen: Pen, pose: str) -> None:
    rim, leaf, kind = pen.between(0.62, 0.7), pen.second, pen.below(3)
    dark_leaf = tint(leaf, 0.75)
    if kind == 0:               # long leaves
        for k in range(7):
            turn = (k - 3) * 0.36 + pen.between(-0.1, 0.1)
            x, y = joint(0.5, rim, 3.14159 - turn, pen.between(0.4, 0.62))
            mx, my = joint(0.5, rim, 3.14159 - turn * 0.7, 0.3)
            pen.blob(leaf if k % 2 else dark_leaf, ((0.48, rim), (mx - 0.04, my), (x, y), (mx + 0.04, my), (0.52, rim)))
    else:                       # stems with round leaves, or with flowers
        for k in range(5):
            turn = (k - 2) * 0.36 + pen.between(-0.1, 0.1)
            x, y = 0.5 + sin(turn) * 0.45, rim - cos(turn) * pen.between(0.35, 0.5)
            pen.limb(dark_leaf, 0.5, rim, x, y, 0.025)
            pen.dot(leaf, (x + 0.5) / 2 + 0.04, (y + rim) / 2, 0.09, 0.05, turn - 0.6)
            if kind == 1:
                pen.dot(leaf if k % 2 else dark_leaf, x, y, 0.11, 0.08, turn)
            else:
                pen.dot(pen.accent, x, y, 0.085)
                pen.dot(pen.light, x, y, 0.035)
    wide, foot = pen.between(0.19, 0.24), pen.between(0.12, 0.17)
    pen.poly(pen.main, ((0.5 - wide, rim), (0.5 + wide, rim), (0.5 + foot, 1.0), (0.5 - foot, 1.0)))
    pen.box(tint(pen.main, 0.85), 0.48 - wide, rim - 0.04, 0.52 + wide, rim + 0.05)
