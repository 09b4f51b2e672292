"""Furniture: seats, legs, backs and arms in other arrangements; and plants in pots."""
from math import cos, pi, sin

from paperlib.world.pen import Pen, joint, tint


def _back(pen: Pen, x0, x1, top, low, style) -> None:
    """The back of a chair: full, upright slats, or rails."""
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
    cushion = pen.choose(0.6, pen.second, tint(wood, 1.2))
    if pose == "armchair":
        _seats(pen, 1, 0.5)
        return pen.rotate(0, 1.6)
    if pose == "stool":
        high = pen.between(0.05, 0.2)
        for x, lean in ((0.4, -0.03), (0.6, 0.03), (0.34, -0.1), (0.66, 0.1)):
            pen.limb(far if abs(lean) < 0.05 else wood, x, high, x + lean, 0.975, 0.055)
        pen.limb(far, 0.32, 0.8, 0.68, 0.8, 0.035)
        return pen.box(cushion, 0.25, high - 0.05, 0.75, high + 0.06, 0.04)
    if pose == "front":
        splay = pen.between(0, 0.03)
        for x in (0.3, 0.7):
            pen.limb(far, x, seat, x, 0.94, 0.045)
        _back(pen, 0.23, 0.77, top, seat, style)
        for x, lean in ((0.22, -splay), (0.78, splay)):
            pen.limb(wood, x, seat, x + lean, 0.985, 0.06)
        pen.poly(cushion, ((0.24, seat - 0.05), (0.76, seat - 0.05), (0.84, seat + 0.06),
                           (0.16, seat + 0.06)))
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


def _seats(pen: Pen, seats: int, width: float) -> None:
    """Upholstered: `seats` cushions between two arms, `width` from arm to arm."""
    x0, x1, top, arm = 0.5 - width / 2, 0.5 + width / 2, pen.between(0.42, 0.56), pen.between(0.58, 0.7)
    body, cushion = pen.main, pen.choose(0.4, pen.second, tint(pen.main, 1.18))
    side = pen.between(0.08, 0.14)
    for x in (x0 + 0.08, x1 - 0.13):
        pen.box(pen.dark, x, 0.9, x + 0.05, 1.0)
    pen.box(tint(body, 0.85), x0 + 0.04, top, x1 - 0.04, 0.9, pen.between(0.03, 0.12))
    each = (width - 2 * side + 0.02) / seats
    for k in range(seats):
        x = x0 + side - 0.01 + k * each
        pen.box(body, x + 0.005, top + 0.04, x + each - 0.005, 0.74, 0.04)
        pen.box(cushion, x + 0.005, 0.71, x + each - 0.005, 0.82, 0.03)
    pen.box(tint(body, 0.9), x0 + 0.06, 0.81, x1 - 0.06, 0.94)
    for x in (x0, x1 - side):
        pen.box(body, x, arm, x + side, 0.95, side * 0.45)
    for _ in range(pen.below(3)):
        x = pen.between(x0 + side, x1 - side - 0.18)
        pen.poly(pen.accent, ((x, 0.72), (x + 0.03, 0.57), (x + 0.18, 0.57), (x + 0.16, 0.72)))


def sofa(pen: Pen, pose: str) -> None:
    _seats(pen, 2 + pen.below(2), pen.between(0.85, 1.0))


def bench(pen: Pen, pose: str) -> None:
    seat, top, wood = pen.between(0.68, 0.74), pen.between(0.42, 0.5), pen.main
    iron = pen.choose(0.6, pen.dark, tint(wood, 0.6))
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
    kind = pen.below(5)         # round on one foot, with a cloth down to the floor, on four legs
    if kind == 0:
        pen.limb(wood, 0.5, top, 0.5, 0.95, 0.1, 0.07)
        pen.poly(wood, ((0.46, 0.88), (0.54, 0.88), (0.76, 1.0), (0.24, 1.0)))
        pen.dot(far, 0.5, top + 0.035, 0.5, 0.1)
        pen.dot(wood, 0.5, top, 0.5, 0.1)
    elif kind == 1:
        low = pen.between(0.8, 1.0)
        for x in (0.1, 0.9):
            pen.limb(far, x, top, x, 0.97, 0.06)
        pen.poly(pen.main, ((0.13, top - 0.1), (0.87, top - 0.1), (1.0, top + 0.06), (0.97, low), (0.03, low),
                            (0.0, top + 0.06)))
        pen.poly(far, ((0.0, top + 0.05), (1.0, top + 0.05), (1.0, top + 0.08), (0.0, top + 0.08)))
        for k in range(6):
            pen.box(pen.second, 0.05 + 0.16 * k, low - 0.1, 0.13 + 0.16 * k, low - 0.03)
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


def _stems(pen: Pen, leaf, dark_leaf, rim, flowers: bool) -> None:
    for k in range(5):
        turn = (k - 2) * 0.36 + pen.between(-0.1, 0.1)
        x, y = 0.5 + sin(turn) * 0.45, rim - cos(turn) * pen.between(0.35, 0.5)
        pen.limb(dark_leaf, 0.5, rim, x, y, 0.025)
        pen.dot(leaf, (x + 0.5) / 2 + 0.04, (y + rim) / 2, 0.09, 0.05, turn - 0.6)
        if flowers:
            pen.dot(pen.accent, x, y, 0.085)
            pen.dot(pen.light, x, y, 0.035)
        else:
            pen.dot((dark_leaf, leaf)[k % 2], x, y, 0.11, 0.08, turn)


def _cactus(pen: Pen, leaf, dark_leaf, rim) -> None:
    top = pen.between(0.05, 0.2)
    for side in (-1, 1):
        y = rim - pen.between(0.12, 0.25)
        pen.limb(dark_leaf, 0.5, y, 0.5 + side * 0.2, y, 0.09)
        pen.limb(dark_leaf, 0.5 + side * 0.2, y, 0.5 + side * 0.2, y - pen.between(0.08, 0.18), 0.1)
    pen.limb(leaf, 0.5, rim, 0.5, top, 0.18, 0.15)
    for x in (0.45, 0.5, 0.55):
        pen.line(dark_leaf, 0.015, ((x, rim), (x, top)))
    for side in (-1, 1):
        pen.dot(pen.accent, 0.5 + side * 0.06, top - 0.02, 0.06, 0.045, side * 0.6)


def _bush(pen: Pen, leaf, dark_leaf, rim) -> None:
    pen.limb(dark_leaf, 0.5, rim, 0.5, 0.4, 0.05)
    r, y = pen.between(0.2, 0.3), pen.between(0.26, 0.34)
    for k in range(7):
        green = (leaf, dark_leaf)[k % 2]
        pen.dot(green, 0.5 + cos(k * 0.9) * r * 0.75, y + sin(k * 0.9) * r * 0.75, r * 0.5)
    pen.dot(leaf, 0.5, y, r * 0.8)


def pottedplant(pen: Pen, pose: str) -> None:
    rim, leaf, kind = pen.between(0.62, 0.7), pen.second, pen.below(5)
    dark_leaf = tint(leaf, 0.75)
    if kind == 0:               # long leaves
        for k in range(7):
            turn = (k - 3) * 0.36 + pen.between(-0.1, 0.1)
            x, y = joint(0.5, rim, pi - turn, pen.between(0.4, 0.62))
            mx, my = joint(0.5, rim, pi - turn * 0.7, 0.3)
            blade = ((0.48, rim), (mx - 0.04, my), (x, y), (mx + 0.04, my), (0.52, rim))
            pen.blob((dark_leaf, leaf)[k % 2], blade)
    elif kind < 3:
        _stems(pen, leaf, dark_leaf, rim, kind == 2)
    elif kind == 3:
        _cactus(pen, leaf, dark_leaf, rim)
    else:
        _bush(pen, leaf, dark_leaf, rim)
    if kind != 3 and pen.chance(0.25):          # a round pot
        return pen.blob(pen.main, ((0.38, rim), (0.62, rim), (0.74, 0.84), (0.6, 1.0), (0.4, 1.0),
                                   (0.26, 0.84)))
    wide, foot = pen.between(0.19, 0.24), pen.between(0.12, 0.17)
    pen.poly(pen.main, ((0.5 - wide, rim), (0.5 + wide, rim), (0.5 + foot, 1.0), (0.5 - foot, 1.0)))
    pen.box(tint(pen.main, 0.85), 0.48 - wide, rim - 0.04, 0.52 + wide, rim + 0.05)
