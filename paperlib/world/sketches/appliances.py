"""Electronics and appliances: rectangles in rectangles, told apart by what sits where."""
from paperlib.world.pen import Pen, tint


def _picture(pen: Pen, x0, y0, x1, y1) -> None:
    """What a screen shows: nothing, a landscape, lines of text, or a gleam."""
    screen = pen.choose(0.5, pen.dark, pen.light)
    pen.box(screen, x0, y0, x1, y1)
    w, h, kind = x1 - x0, y1 - y0, pen.below(4)
    if kind == 1:
        pen.poly(pen.accent, ((x0, y1), (x0, y0 + h * 0.7), (x0 + w * 0.35, y0 + h * 0.4),
                              (x0 + w * 0.6, y0 + h * 0.7),
                              (x0 + w * 0.8, y0 + h * 0.55), (x1, y0 + h * 0.75), (x1, y1)))
    elif kind == 2:
        ink = tint(screen, 1.5 if sum(screen) < 380 else 0.6)
        for k in range(3):
            y = y0 + h * (0.2 + 0.25 * k)
            pen.box(ink, x0 + w * 0.1, y, x0 + w * pen.between(0.4, 0.9), y + h * 0.1)
    elif kind == 3:
        pen.poly(tint(screen, 1.3),
                 ((x0 + w * 0.6, y0), (x0 + w * 0.8, y0), (x0 + w * 0.4, y1), (x0 + w * 0.2, y1)))


def tvmonitor(pen: Pen, pose: str) -> None:
    edge = pen.between(0.035, 0.06)
    if pen.chance(0.25):        # an old one, deep, with knobs and an aerial
        for x in (0.3, 0.7):
            pen.limb(pen.dark, 0.5, 0.34, x, 0.1, 0.02)
        for x in (0.2, 0.72):
            pen.box(pen.dark, x, 0.9, x + 0.08, 1.0)
        pen.box(pen.main, 0.05, 0.32, 0.95, 0.94, 0.06)
        _picture(pen, 0.12, 0.39, 0.72, 0.87)
        for y in (0.47, 0.62):
            pen.dot(pen.light, 0.83, y, 0.045)
        return
    top = pen.between(0.22, 0.38)
    if pen.chance(0.35):        # on the wall
        pen.box(pen.main, 0.0, top, 1.0, 0.88, 0.03)
        return _picture(pen, edge, top + edge, 1 - edge, 0.88 - edge)
    pen.poly(tint(pen.main, 0.8), ((0.46, 0.84), (0.54, 0.84), (0.56, 0.96), (0.44, 0.96)))
    pen.box(tint(pen.main, 0.8), 0.3, 0.95, 0.7, 1.0, 0.02)
    pen.box(pen.main, 0.0, top, 1.0, 0.88, 0.03)
    _picture(pen, edge, top + edge, 1 - edge, 0.88 - edge * pen.between(1, 2))


def laptop(pen: Pen, pose: str) -> None:
    if pen.chance(0.2):         # from behind
        pen.box(tint(pen.main, 0.6), 0.02, 0.94, 0.98, 1.0)
        pen.box(pen.main, 0.1, pen.between(0.3, 0.45), 0.9, 0.94, 0.05)
        return pen.dot(pen.choose(0.5, pen.light, pen.accent), 0.5, 0.66, 0.07)
    if pen.chance(0.2):         # from the side
        x = pen.between(0.72, 0.98)
        pen.limb(pen.main, 0.68, 0.95, x, 0.42, 0.05)
        pen.limb(pen.light, 0.66, 0.9, x - 0.035, 0.45, 0.02)
        pen.poly(tint(pen.main, 0.85), ((0.0, 0.95), (0.72, 0.91), (0.72, 1.0), (0.0, 1.0)))
        return pen.poly(pen.dark, ((0.1, 0.925), (0.6, 0.905), (0.6, 0.93), (0.1, 0.95)))
    top, lean, edge = pen.between(0.3, 0.4), pen.between(-0.06, 0.06), 0.045
    pen.poly(pen.main, ((0.14 + lean, top), (0.86 + lean, top), (0.86, 0.8), (0.14, 0.8)))
    _picture(pen, 0.14 + edge + max(0, lean), top + edge, 0.86 - edge + min(0, lean), 0.78)
    pen.poly(tint(pen.main, 0.85), ((0.14, 0.8), (0.86, 0.8), (1.0, 0.96), (0.0, 0.96)))
    pen.poly(pen.dark, ((0.19, 0.825), (0.81, 0.825), (0.88, 0.89), (0.12, 0.89)))
    pen.poly(pen.light, ((0.41, 0.905), (0.59, 0.905), (0.61, 0.945), (0.39, 0.945)))
    pen.box(tint(pen.main, 0.6), 0.0, 0.96, 1.0, 1.0)


def refrigerator(pen: Pen, pose: str) -> None:
    body, split = pen.main, pen.pick((0.3, 0.38, 0.66))
    if pen.chance(0.25):        # two doors
        pen.box(body, 0.18, 0.0, 0.82, 1.0, 0.04)
        middle = pen.between(0.42, 0.5)
        pen.box(tint(body, 0.6), middle - 0.01, 0.02, middle + 0.01, 0.97)
        for x in (middle - 0.06, middle + 0.06):
            pen.limb(pen.dark, x, 0.35, x, 0.68, 0.03)
        if pen.chance(0.6):
            pen.box(pen.dark, 0.24, 0.3, middle - 0.1, 0.5)
            pen.box(pen.light, 0.26, 0.32, middle - 0.12, 0.39)
        return
    for x in (0.3, 0.64):
        pen.box(pen.dark, x, 0.95, x + 0.07, 1.0)
    left, right = 0.5 - pen.between(0.22, 0.28), 0.5 + pen.between(0.22, 0.28)
    pen.box(body, left, 0.0, right, 0.97, 0.04)
    pen.box(tint(body, 0.6), left, split, right, split + 0.02)
    handle = pen.choose(0.5, tint(body, 0.5), pen.dark)
    for y0, y1 in ((max(0.06, split - 0.2), split - 0.04), (split + 0.06, split + 0.26)):
        pen.limb(handle, left + 0.07, y0, left + 0.07, y1, 0.035)
    for _ in range(pen.below(4)):
        x, y = pen.between(left + 0.15, right - 0.1), split + pen.between(-0.22, -0.08)
        pen.box(pen.pick((pen.accent, pen.light, pen.second)), x, y, x + 0.08, y + 0.09)


def microwave(pen: Pen, pose: str) -> None:
    top, door = pen.between(0.32, 0.5), pen.between(0.66, 0.78)
    if pen.chance(0.5):
        for x in (0.08, 0.84):
            pen.box(pen.dark, x, 0.95, x + 0.08, 1.0)
    pen.box(pen.main, 0.0, top, 1.0, 0.97, 0.03)
    pen.box(tint(pen.main, 0.75), 0.05, top + 0.05, door, 0.92, 0.03)
    pen.box(pen.choose(0.6, pen.dark, pen.light), 0.1, top + 0.11, door - 0.1, 0.86, 0.03)
    pen.limb(tint(pen.main, 0.5), door - 0.045, top + 0.1, door - 0.045, 0.87, 0.03)
    middle = (door + 1) / 2
    pen.box(pen.light, middle - 0.09, top + 0.07, middle + 0.09, top + 0.14)
    if pen.chance(0.5):
        for y in (0.68, 0.83):
            pen.dot(pen.second, middle, y, 0.055)
    else:
        for k in range(6):
            x, y = middle - 0.07 + 0.06 * (k % 3), 0.67 + 0.1 * (k // 3)
            pen.box(pen.second, x, y, x + 0.035, y + 0.05)
