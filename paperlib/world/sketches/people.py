"""Persons: standing, walking, running, waving, sitting; with hair, hats, dresses and trousers."""
from math import sin

from paperlib.world.pen import Pen, joint, tint

SKIN = ((244, 210, 178), (226, 180, 140), (198, 146, 104), (150, 98, 66), (104, 68, 48))
POSES = ("standing", "walking", "running", "waving", "sitting")


def _arm(pen: Pen, sleeve, skin, x, y, swing, bend, length, width) -> None:
    ex, ey = joint(x, y, swing, length * 0.5)
    hx, hy = joint(ex, ey, swing + bend, length * 0.5)
    pen.limb(sleeve, x, y, ex, ey, width * 1.1, width)
    pen.limb(sleeve, ex, ey, hx, hy, width, width * 0.8)
    pen.dot(skin, hx, hy, width * 0.52)


def _leg(pen: Pen, colour, shoe, x, y, swing, bend, length, width) -> None:
    kx, ky = joint(x, y, swing, length * 0.5)
    fx, fy = joint(kx, ky, swing - bend, length * 0.5)
    pen.limb(colour, x, y, kx, ky, width * 1.15, width)
    pen.limb(colour, kx, ky, fx, fy, width, width * 0.8)
    pen.limb(shoe, fx - 0.01, fy, fx + width * 0.75, fy, width * 0.75, width * 0.6)


def _head(pen: Pen, skin, hair, x, y, r) -> None:
    style = pen.below(5)
    if style == 0:
        pen.blob(hair, ((x - r, y - r * 0.5), (x, y - r * 1.3), (x + r * 0.9, y - r * 0.5),
                        (x + r * 0.4, y + r * 1.6), (x - r * 1.2, y + r * 1.7)))
    elif style == 1:
        pen.dot(hair, x - r * 0.9, y - r * 0.8, r * 0.55)
    pen.limb(skin, x, y + r * 0.6, x, y + r * 1.4, r * 0.8)
    pen.dot(skin, x, y, r * 0.92, r)
    if style < 4:
        pen.blob(hair, ((x - r * 1.02, y + r * 0.35), (x - r * 0.95, y - r * 0.7), (x, y - r * 1.2),
                        (x + r * 0.95, y - r * 0.55), (x + r * 0.3, y - r * 0.5),
                        (x - r * 0.45, y - r * 0.35)))
    else:
        pen.box(hair, x - r * 0.9, y - r * 1.35, x + r * 0.9, y - r * 0.45, r * 0.4)
        pen.limb(hair, x - r * pen.choose(0.5, 1.5, 0.5), y - r * 0.45, x + r * 1.5, y - r * 0.45, r * 0.28)
    for side in (0.1, 0.65):
        pen.dot(pen.dark, x + side * r, y + r * 0.1, r * 0.13, r * 0.17)


def _torso(pen: Pen, x, top, hip, width, dress) -> None:
    if dress:
        flare = width * pen.between(0.9, 1.3)
        pen.poly(pen.main, ((x - width * 0.5, top), (x + width * 0.5, top),
                            (x + width * 0.42, (top + hip) / 2),
                            (x + flare, hip + 0.17), (x - flare, hip + 0.17),
                            (x - width * 0.42, (top + hip) / 2)))
        return
    pen.box(pen.main, x - width * 0.52, top - 0.01, x + width * 0.52, hip + 0.015, 0.04)
    if pen.chance(0.35):
        for k in range(pen.below(3) + 1):
            y = top + 0.07 + 0.07 * k
            pen.box(pen.accent, x - width * 0.52, y, x + width * 0.52, y + 0.03)


def _seated(pen: Pen, skin, hair, trousers) -> None:
    """From the side, as on a chair that is not there."""
    x, hip, r = 0.3, 0.62, 0.095
    far = tint(trousers, 0.75)
    for colour, dx in ((far, 0.05), (trousers, 0.0)):
        knee = x + 0.27 + dx
        foot = knee + pen.between(-0.05, 0.08)
        pen.limb(colour, x, hip, knee, hip + 0.01, 0.125, 0.105)
        pen.limb(colour, knee, hip, foot, 0.95, 0.1, 0.08)
        pen.limb(pen.dark, foot, 0.965, foot + 0.08, 0.965, 0.065)
    pen.limb(pen.main, x + 0.02, 0.3, x, hip - 0.02, 0.19, 0.17)
    _head(pen, skin, hair, x + 0.05, 0.14, r)
    _arm(pen, tint(pen.main, 0.85), skin, x + 0.03, 0.3, pen.between(0.1, 0.7), pen.between(0.5, 1.1), 0.34,
         0.07)


def person(pen: Pen, pose: str) -> None:
    skin, hair = pen.jitter(pen.pick(SKIN)), pen.choose(0.6, pen.dark, tint(pen.accent, 0.75))
    trousers = pen.second
    if pose == "sitting":
        return _seated(pen, skin, hair, trousers)
    child = pen.chance(0.3)
    r = 0.115 if child else pen.between(0.08, 0.095)
    top, hip, width = 2.15 * r, pen.between(0.5, 0.58), pen.between(0.17, 0.25)
    dress = pen.chance(0.25)
    stride = {"walking": pen.between(0.25, 0.45), "running": pen.between(0.6, 0.85)}.get(pose, 0.0)
    near_leg, far_leg = trousers, tint(trousers, 0.75)
    if dress:
        near_leg, far_leg = skin, tint(skin, 0.8)
    sleeve = skin
    if not dress and pen.chance(0.7):
        sleeve = pen.main
    near_sleeve = sleeve
    if sleeve == pen.main:
        near_sleeve = tint(sleeve, 0.9)
    legs, arms = 0.975 - hip, pen.between(0.34, 0.4)
    spread = 0.0 if stride else width * 0.27
    swing = {"waving": pen.between(2.3, 2.9), "running": 0.9}.get(pose, stride * 0.9 + pen.between(0.05, 0.3))
    bend = {"running": 1.3, "walking": 0.4}.get(pose, pen.between(-0.1, 0.4))
    _arm(pen, tint(sleeve, 0.8), tint(skin, 0.85), 0.5 + width * 0.42, top + 0.05, swing, bend, arms, 0.07)
    _leg(pen, far_leg, pen.dark, 0.5 + spread, hip, -stride + 0.03, 1.1 * sin(stride), legs, 0.1)
    _leg(pen, near_leg, pen.dark, 0.5 - spread, hip, stride - 0.03, 0.3 * stride, legs, 0.1)
    _torso(pen, 0.5, top, hip, width, dress)
    _head(pen, skin, hair, 0.5, top - r * 1.05, r)
    if pose == "waving" and not pen.chance(0.5):
        swing = pen.between(0.1, 0.4)
    if pose not in ("running", "walking"):
        bend = -bend
    _arm(pen, near_sleeve, skin, 0.5 - width * 0.42, top + 0.05, -swing, bend, arms, 0.07)
