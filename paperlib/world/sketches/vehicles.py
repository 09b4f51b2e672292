"""Vehicles on the ground: boxes with windows on wheels, and frames between two rings."""
from math import cos, sin

from paperlib.world.pen import Pen, joint, tint


def _wheel(pen: Pen, x, y, r) -> None:
    pen.dot(pen.dark, x, y, r)
    pen.dot(tint(pen.light, 0.85), x, y, r * 0.45)


def _lamps(pen: Pen, left, right, y, r) -> None:
    for x in (left, right):
        pen.dot(tint(pen.light, 1.3), x, y, r)


def _car_front(pen: Pen) -> None:
    body, roof = pen.main, pen.between(0.3, 0.36)
    for x in (0.14, 0.72):
        pen.box(pen.dark, x, 0.84, x + 0.14, 1.0, 0.03)
    pen.poly(body, ((0.24, roof), (0.76, roof), (0.87, 0.6), (0.13, 0.6)))
    pen.poly(pen.light, ((0.28, roof + 0.05), (0.72, roof + 0.05), (0.8, 0.58), (0.2, 0.58)))
    pen.box(body, 0.08, 0.58, 0.92, 0.9, 0.08)
    pen.box(pen.dark, 0.32, 0.69, 0.68, 0.77, 0.02)
    pen.box(tint(body, 0.75), 0.08, 0.82, 0.92, 0.9, 0.03)
    _lamps(pen, 0.2, 0.8, 0.71, 0.06)
    pen.rotate(0, 0.62)         # as tall as from the side


def car(pen: Pen, pose: str) -> None:
    if pose == "front":
        return _car_front(pen)
    body, r = pen.main, pen.between(0.095, 0.12)
    belt, roof = pen.between(0.7, 0.74), pen.between(0.5, 0.57)
    kind = pen.below(4)         # sedan, hatchback, pick-up, van
    front, back = 0.02, 0.98
    r0, r1 = ((0.36, 0.7), (0.34, 0.9), (0.3, 0.52), (0.22, 0.95))[kind]
    a0, a1 = ((0.22, 0.86), (0.2, 0.97), (0.2, 0.56), (0.12, 0.97))[kind]
    roof -= 0.05 * (kind == 3)
    pen.poly(body, ((a0, belt + 0.02), (r0, roof), (r1, roof), (a1, belt + 0.02)))
    mid = (r0 + r1) / 2
    glass = roof + 0.045
    pen.poly(pen.light, ((r0 + 0.02, glass), (mid - 0.015, glass), (mid - 0.015, belt), (a0 + 0.06, belt)))
    pen.poly(pen.light, ((mid + 0.015, glass), (r1 - 0.02, glass), (a1 - 0.06, belt), (mid + 0.015, belt)))
    pen.poly(body, ((front, belt + 0.06), (0.1, belt), (a1, belt), (back, belt + 0.03), (back, 0.9),
                    (front, 0.9)))
    if pen.chance(0.4):
        pen.box(pen.second, front, 0.8, back, 0.84)
    pen.box(tint(body, 0.7), front, 0.87, back, 0.92, 0.02)
    pen.dot(tint(pen.light, 1.3), front + 0.03, belt + 0.09, 0.03, 0.035)
    for x in (0.22, 0.77):
        pen.dot(tint(body, 0.55), x, 0.89, r + 0.02)
        _wheel(pen, x, 1 - r, r)


def _bus_front(pen: Pen, train: bool) -> None:
    top = pen.between(0.02, 0.12)
    if train:
        pen.poly(tint(pen.dark, 1.3), ((0.2, 0.95), (0.8, 0.95), (0.95, 1.0), (0.05, 1.0)))
    else:
        for x in (0.2, 0.68):
            pen.box(pen.dark, x, 0.88, x + 0.12, 1.0, 0.03)
    pen.box(pen.main, 0.16, top, 0.84, 0.95, 0.14 if train else 0.07)
    glass = pen.between(0.5, 0.56)
    if train:
        pen.box(pen.light, 0.22, top + 0.13, 0.48, glass, 0.04)
        pen.box(pen.light, 0.52, top + 0.13, 0.78, glass, 0.04)
        pen.poly(pen.second, ((0.16, 0.62), (0.5, 0.8), (0.84, 0.62), (0.84, 0.74), (0.5, 0.93),
                              (0.16, 0.74)))
        pen.dot(tint(pen.light, 1.3), 0.5, top + 0.07, 0.04)
    else:
        pen.box(pen.light, 0.21, top + 0.14, 0.79, glass, 0.04)
        pen.box(pen.dark, 0.3, top + 0.03, 0.7, top + 0.1)
        pen.box(pen.second, 0.16, 0.63, 0.84, 0.69)
        for x in (0.1, 0.84):
            pen.box(pen.dark, x, 0.24, x + 0.06, 0.38, 0.02)
    _lamps(pen, 0.27, 0.73, 0.8, 0.05)
    pen.rotate(0, 0.5)


def bus(pen: Pen, pose: str) -> None:
    if pose == "front":
        return _bus_front(pen, False)
    decks = pen.choose(0.25, 2, 1)
    top, body = (0.35 if decks == 2 else pen.between(0.52, 0.58)), pen.main
    pen.box(body, 0.0, top, 1.0, 0.92, 0.05)
    windows, door = 4 + pen.below(3), pen.pick((0.02, 0.42))
    for deck in range(decks):
        y = top + 0.06 + 0.24 * deck
        step = 0.94 / windows
        for k in range(windows):
            pen.box(pen.light, 0.04 + step * k, y, 0.04 + step * (k + 1) - 0.03, y + 0.15)
    pen.box(pen.second, 0.0, 0.78, 1.0, 0.83)
    pen.box(tint(body, 0.6), door, top + 0.06 + 0.24 * (decks - 1), door + 0.13, 0.92)
    pen.box(pen.light, door + 0.02, top + 0.09 + 0.24 * (decks - 1), door + 0.11, 0.84)
    for x in (0.24, 0.78):
        _wheel(pen, x, 0.91, 0.09)


def _steam(pen: Pen) -> None:
    body = pen.main
    pen.box(tint(body, 0.8), 0.66, 0.4, 0.98, 0.85)
    pen.box(pen.light, 0.73, 0.48, 0.91, 0.62)
    pen.box(pen.second, 0.62, 0.35, 1.0, 0.42)
    pen.box(body, 0.1, 0.55, 0.68, 0.82, 0.06)
    for x in (0.3, 0.48):
        pen.box(pen.second, x, 0.55, x + 0.04, 0.82)
    pen.poly(pen.dark, ((0.15, 0.56), (0.17, 0.42), (0.12, 0.34), (0.3, 0.34), (0.25, 0.42), (0.27, 0.56)))
    if pen.chance(0.7):
        for x, y, r in ((0.24, 0.26, 0.07), (0.36, 0.18, 0.09), (0.52, 0.12, 0.07)):
            pen.dot(tint(pen.light, 1.2), x, y, r, r * 0.8)
    pen.poly(pen.dark, ((0.0, 0.97), (0.1, 0.8), (0.98, 0.8), (0.98, 0.88), (0.12, 0.88)))
    for x, r in ((0.2, 0.07), (0.37, 0.07), (0.57, 0.11), (0.82, 0.11)):
        pen.dot(pen.accent, x, 0.99 - r, r)
        pen.dot(pen.dark, x, 0.99 - r, r * 0.4)


def _wagon(pen: Pen) -> None:
    """A goods wagon: planks, a sliding door, wheels close together at both ends."""
    top = pen.between(0.5, 0.62)
    pen.box(pen.dark, 0.0, 0.86, 1.0, 0.92)
    for x in (0.12, 0.27, 0.73, 0.88):
        pen.dot(pen.dark, x, 0.94, 0.06)
        pen.dot(tint(pen.light, 0.8), x, 0.94, 0.022)
    pen.box(pen.main, 0.03, top, 0.97, 0.87)
    for x in (0.13, 0.24, 0.72, 0.83):
        pen.box(tint(pen.main, 0.75), x, top, x + 0.02, 0.87)
    pen.box(pen.second, 0.36, top + 0.03, 0.62, 0.87)
    pen.limb(pen.dark, 0.4, top + 0.07, 0.58, 0.83, 0.025)
    pen.box(tint(pen.main, 0.6), 0.0, top - 0.03, 1.0, top + 0.02)


def train(pen: Pen, pose: str) -> None:
    if pose == "front":
        return _bus_front(pen, True)
    kind = pen.below(5)
    if kind < 2:
        return (_steam, _wagon)[kind](pen)
    top, nose = pen.between(0.58, 0.64), pen.between(0.1, 0.22)
    if pen.chance(0.5):
        pen.line(pen.dark, 0.015, ((0.5, top), (0.44, top - 0.06), (0.52, top - 0.12), (0.42, top - 0.12)))
    pen.box(pen.dark, 0.04, 0.88, 0.97, 0.96)
    for x in (0.1, 0.2, 0.42, 0.6, 0.8, 0.9):
        pen.dot(pen.dark, x, 0.965, 0.035)
    pen.poly(pen.main, ((0.0, 0.86), (nose * 0.6, top + 0.06), (nose, top), (1.0, top), (1.0, 0.92),
                        (0.02, 0.92)))
    pen.poly(pen.light, ((nose * 0.75, top + 0.05), (nose + 0.04, top + 0.05), (nose + 0.04, top + 0.15),
                         (nose * 0.35, top + 0.15)))
    for k in range(7):
        x = nose + 0.09 + k * (0.9 - nose) / 7
        pen.box(pen.light, x, top + 0.05, x + 0.07, top + 0.14)
    pen.box(pen.second, 0.01, 0.8, 1.0, 0.85)
    pen.box(pen.dark, 0.52, top, 0.54, 0.92)


def _spokes(pen: Pen, x, y, r, colour) -> None:
    turn = pen.between(0, 1)
    for k in range(3):
        dx, dy = cos(turn + k * 1.05) * r, sin(turn + k * 1.05) * r
        pen.line(colour, 0.008, ((x - dx, y - dy), (x + dx, y + dy)))


def bicycle(pen: Pen, pose: str) -> None:
    r, tube = pen.between(0.2, 0.235), pen.between(0.022, 0.036)
    y, left, right, mid = 1 - r, 0.22, 0.78, 0.46
    seat, bar = y - pen.between(0.26, 0.32), y - pen.between(0.3, 0.38)
    tyre = pen.choose(0.6, pen.dark, tint(pen.second, 0.7))
    for x in (left, right):
        _spokes(pen, x, y, r, pen.choose(0.6, tint(pen.light, 0.75), tyre))
        pen.ring(tyre, x, y, r, 0.034)
    joint_y = seat + 0.08
    for x0, y0, x1, y1 in ((left, y, mid - 0.07, joint_y), (left, y, mid, y + 0.02),
                           (mid, y + 0.02, mid - 0.09, seat),
                           (mid - 0.07, joint_y, 0.69, joint_y), (mid, y + 0.02, 0.69, joint_y + 0.03),
                           (right, y, 0.66, bar)):
        pen.limb(pen.main, x0, y0, x1, y1, tube)
    if pen.chance(0.25):        # a basket
        pen.poly(tint(pen.accent, 0.8),
                 ((0.7, bar + 0.02), (0.92, bar + 0.02), (0.88, bar + 0.16), (0.74, bar + 0.16)))
    pen.limb(pen.accent, mid - 0.17, seat, mid - 0.02, seat - 0.01, 0.06, 0.035)
    pen.limb(pen.dark, 0.62, bar - 0.01, 0.74, bar + pen.between(-0.05, 0.08), 0.035)
    px, py = joint(mid, y + 0.02, pen.between(-1.5, 1.5), 0.1)
    pen.dot(pen.dark, mid, y + 0.02, 0.04)
    pen.limb(pen.dark, mid, y + 0.02, px, py, 0.02)
    pen.limb(pen.dark, px - 0.04, py, px + 0.04, py, 0.025)


def _scooter(pen: Pen, y, left, right, bar) -> None:
    pen.blob(pen.main, ((0.02, y - 0.02), (0.08, y - 0.24), (0.36, y - 0.26), (0.46, y + 0.06),
                        (0.2, y + 0.02)))
    pen.limb(pen.main, 0.4, y + 0.08, 0.64, y + 0.1, 0.08)
    pen.limb(pen.main, 0.64, y + 0.1, 0.72, bar, 0.1, 0.06)
    pen.limb(pen.dark, 0.08, y - 0.27, 0.36, y - 0.28, 0.08)
    pen.dot(pen.main, right, y - 0.05, 0.14, 0.07)


def motorbike(pen: Pen, pose: str) -> None:
    scooter = pen.chance(0.3)
    r, steel = pen.between(0.12, 0.15) if scooter else pen.between(0.16, 0.2), tint(pen.second,
                                                                                    pen.pick((0.7, 1.3)))
    y, left, right = 1 - r, 0.2, 0.81
    for x in (left, right):
        pen.dot(pen.dark, x, y, r)
        pen.dot(steel, x, y, r * 0.62)
        pen.dot(pen.dark, x, y, r * 0.2)
    bar = y - pen.between(0.34, 0.46)
    pen.limb(steel, right, y, 0.68, bar, 0.045)
    pen.limb(pen.dark, 0.68, bar, 0.57, bar - 0.03, 0.04)
    if scooter:
        return _scooter(pen, y, left, right, bar)
    pen.dot(tint(pen.light, 1.2), 0.72, bar + 0.07, 0.055)
    pen.box(tint(pen.main, 0.55), 0.38, y - 0.14, 0.6, y + 0.08, 0.04)
    pen.dot(steel, 0.49, y - 0.02, 0.07)
    pen.limb(steel, 0.48, y + 0.1, 0.1, y + 0.06, 0.05, 0.07)
    pen.blob(pen.main, ((0.34, y - 0.16), (0.42, y - 0.28), (0.6, y - 0.3), (0.66, y - 0.18),
                        (0.5, y - 0.12)))
    pen.blob(pen.accent, ((0.08, y - 0.3), (0.2, y - 0.26), (0.42, y - 0.24), (0.44, y - 0.16),
                          (0.2, y - 0.17)))
    pen.poly(pen.main, ((right - 0.16, y - r * 0.9), (right, y - r * 1.25), (right + 0.17, y - r * 0.8),
                        (right, y - r * 1.02)))
