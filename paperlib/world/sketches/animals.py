"""The animals, of one kit of body, legs, neck, head and tail: proportions and arrangement tell them apart."""
from math import cos, pi, sin

from paperlib.world.pen import Pen, joint, tint
from paperlib.world.sketches.animal_heads import Build, face, head, tail

CAT = Build(0.58, 0.22, 0.2, 0.085, 0.1, 0.7, 0.17, 0.145, 0.02, 0.0, "pointed", "long", ("whiskers",))
DOG = Build(0.6, 0.23, 0.28, 0.09, 0.16, 0.75, 0.17, 0.115, 0.2, 0.15, "flop", "up")
HORSE = Build(0.64, 0.27, 0.42, 0.085, 0.34, 0.95, 0.19, 0.085, 0.24, 0.75, "small", "bush",
              ("mane", "hooves"))
COW = Build(0.78, 0.36, 0.26, 0.1, 0.1, 0.35, 0.24, 0.12, 0.18, 0.6, "side", "tuft",
            ("horns", "udder", "hooves"), ("patches", "patches", "plain", "belly"))
SHEEP = Build(0.6, 0.36, 0.2, 0.07, 0.1, 0.45, 0.17, 0.095, 0.13, 0.6, "side", "none", ("wool",), ("plain",))
ELEPHANT = Build(0.78, 0.5, 0.34, 0.17, 0.06, 0.5, 0.3, 0.19, 0.1, 0.6, "fan", "tuft", ("trunk",),
                 ("plain", "belly"))
GIRAFFE = Build(0.46, 0.24, 0.5, 0.075, 0.62, 1.15, 0.15, 0.07, 0.16, 0.35, "small", "tuft",
                ("knobs", "hooves"), ("spots", "spots", "patches", "plain"))


def _varied(pen: Pen, value: float, spread=0.14) -> float:
    return value * pen.between(1 - spread, 1 + spread)


def _leg(pen: Pen, colour, b: Build, x, y, length, swing, bend) -> None:
    kx, ky = joint(x, y, swing, length * 0.5)
    fx, fy = joint(kx, ky, swing + bend, length * 0.5)
    pen.limb(colour, x, y, kx, ky, b.thick * 1.35, b.thick)
    pen.limb(colour, kx, ky, fx, fy, b.thick, b.thick * 0.8)
    if "hooves" in b.extras:
        pen.limb(pen.dark, fx, fy, fx + 0.015, fy, b.thick * 0.9)
    else:
        pen.dot(colour, fx + b.thick * 0.25, fy, b.thick * 0.65, b.thick * 0.4)


def _legs(pen: Pen, b: Build, near: bool, colour, stride: float, length: float, leg: float) -> None:
    offset, sign = (0.0, 1) if near else (b.thick * 0.55, -1)
    hip, chest = b.thick * 0.9 + offset, length - b.thick * 0.9 + offset
    top = -leg - b.depth * 0.25
    _leg(pen, colour, b, hip, top, leg + b.depth * 0.25, sign * stride, -0.25 * (stride != 0) - 0.05)
    _leg(pen, colour, b, chest, top, leg + b.depth * 0.25, -sign * stride * 0.9, -0.2 * (stride > 0.4))


def _coat(pen: Pen, b: Build, coat: str, length, y, colour) -> None:
    other = pen.second if pen.chance(0.6) else tint(colour, pen.pick((0.7, 1.4)))
    half = b.depth / 2
    if coat == "belly":
        pen.dot(tint(colour, 1.4), length * 0.5, y + half * 0.58, length * 0.38, half * 0.4)
    elif coat == "patches":
        for at in (0.15, 0.5, 0.8):
            if pen.chance(0.8):
                pen.dot(other, length * (at + pen.between(-0.06, 0.06)), y + half * pen.between(-0.35, 0.3),
                        length * pen.between(0.08, 0.13), half * pen.between(0.3, 0.5), pen.between(0, 3))
    elif coat == "bands":
        for k in range(4):
            at = length * (0.2 + 0.2 * k)
            pen.limb(other, at, y - half * 0.8, at - 0.02, y + half * 0.3, 0.045, 0.02)
    elif coat == "spots":
        for k in range(9):
            pen.dot(other, length * (0.14 + 0.18 * (k // 2)),
                    y + half * ((-0.45, 0.35)[k % 2] + pen.between(-0.1, 0.1)), 0.04, 0.035)


def _wool(pen: Pen, length, y, half, colour, x=0.0) -> None:
    curls = 11
    for k in range(curls):
        turn = 2 * pi * k / curls
        pen.dot(colour, x + length / 2 + cos(turn) * length * 0.43, y + sin(turn) * half * 0.75, 0.1, 0.1)
    pen.dot(colour, x + length / 2, y, length * 0.46, half * 0.9)
    if pen.chance(0.6):
        for at in (0.3, 0.55, 0.75):
            pen.ring(tint(colour, 0.82), x + length * at, y + half * pen.between(-0.4, 0.3), 0.05, 0.02)


def _torso(pen: Pen, b: Build, length, y, colour) -> None:
    half = b.depth / 2
    if "wool" in b.extras:
        return _wool(pen, length, y, half, colour)
    pen.blob(colour, ((-0.02, y - half * 0.3), (length * 0.12, y - half), (length * 0.5, y - half * 0.86),
                      (length * 0.88, y - half), (length + 0.03, y - half * 0.1), (length * 0.9, y + half),
                      (length * 0.5, y + half * 0.85), (length * 0.1, y + half * 0.95)))
    _coat(pen, b, pen.pick(b.coats), length, y, colour)
    if "udder" in b.extras and pen.chance(0.8):
        pen.dot(tint(pen.accent, 1.3), length * 0.27, y + half * 1.0, 0.075, 0.06)


def _neck_and_head(pen: Pen, b: Build, x, y, lift, drop, colour) -> None:
    hx, hy = x + cos(lift) * (b.neck + b.skull), y - sin(lift) * (b.neck + b.skull)
    skin = pen.second if "wool" in b.extras else colour
    pen.limb(colour, x - b.nape * 0.3, y, hx, hy, b.nape * 1.1, b.skull * 1.35)
    if "mane" in b.extras:
        nx, ny = -sin(lift) * b.nape * 0.42, -cos(lift) * b.nape * 0.42
        pen.limb(pen.second, x + nx * 1.2, y + ny * 1.2, hx + nx * 0.7, hy + ny * 0.7, 0.07, 0.06)
    if b.coats[0] == "spots" and pen.chance(0.8):
        for t in (0.25, 0.45, 0.65, 0.82):
            pen.dot(tint(colour, 0.7), x + (hx - x) * t + pen.between(-0.015, 0.015), y + (hy - y) * t, 0.028,
                    0.035)
    head(pen, b, hx, hy, drop, skin)


def _frontal(pen: Pen, b: Build, colour, far, limbs) -> None:
    """Seen from the front: the head before the body, the hind legs behind the front legs."""
    wide, thick = max(b.depth * pen.between(0.46, 0.6), b.thick * 1.35), b.thick * 0.85
    leg = _varied(pen, b.leg)
    y, chest = -leg - b.depth * 0.5, tint(colour, 0.86)
    for side in (-1, 1):
        pen.limb(far, side * wide * 0.85, y, side * wide * 0.8, -0.06, thick, thick * 0.9)
    if "wool" in b.extras:
        _wool(pen, wide * 2.2, y, b.depth / 2, colour, -wide * 1.1)
    else:
        pen.dot(chest, 0, y, wide * 1.1, b.depth * 0.55)
        if pen.chance(0.4):
            pen.dot(pen.light, 0, y + b.depth * 0.12, wide * 0.6, b.depth * 0.32)
    for side in (-1, 1):
        foot = side * wide * pen.between(0.5, 0.65)
        pen.limb(tint(limbs, 0.93), side * wide * 0.55, y + b.depth * 0.2, foot, -thick * 0.3, thick * 1.15,
                 thick)
        pen.dot(pen.dark if "hooves" in b.extras else limbs, foot, -thick * 0.3, thick * 0.62, thick * 0.42)
    x, top = pen.between(-0.4, 0.4) * wide, y - b.depth * 0.2 - sin(b.lift) * (b.neck + b.skull * 0.8)
    pen.limb(chest, 0, y - b.depth * 0.1, x, top, b.nape, b.skull * 1.4)
    face(pen, b, x, top, limbs)


def _sitting(pen: Pen, b: Build, colour, far) -> None:
    """On its haunches: the rump on the ground, the chest up, the front legs straight."""
    tall = b.leg + b.depth * 1.15
    tail(pen, b, 0.02, -0.06, colour)
    pen.limb(far, b.depth * 1.5, -tall * 0.65, b.depth * 1.75, -0.02, b.thick * 1.1, b.thick * 0.9)
    pen.limb(colour, b.depth * 0.6, -b.depth * 0.55, b.depth * 1.35, -tall * 0.85, b.depth * 1.15,
             b.depth * 0.85)
    pen.dot(tint(colour, 0.92), b.depth * 0.65, -b.depth * 0.42, b.depth * 0.52, b.depth * 0.42)
    pen.limb(colour, b.depth * 1.45, -tall * 0.6, b.depth * 1.5, -0.02, b.thick * 1.2, b.thick * 0.9)
    pen.dot(colour, b.depth * 0.95, -0.03, b.thick, b.thick * 0.4)
    _neck_and_head(pen, b, b.depth * 1.3, -tall * 0.95, 1.25, b.drop, colour)


def beast(pen: Pen, pose: str, build: Build) -> None:
    """A four-legged animal."""
    b = build
    colour, far = pen.main, tint(pen.main, 0.72)
    if "wool" in b.extras:
        far = tint(pen.second, 0.75)
    near_leg = pen.second if "wool" in b.extras else colour
    if pose == "sitting":
        return _sitting(pen, b, colour, far)
    if pose == "front":
        return _frontal(pen, b, colour, far, near_leg)
    length, leg = _varied(pen, b.length, 0.08), _varied(pen, b.leg)
    stride = {"walking": pen.between(0.2, 0.42), "running": pen.between(0.55, 0.8)}.get(pose,
                                                                                        pen.between(0, 0.08))
    if pose == "running":
        leg *= 0.85
    lift, drop = b.lift + pen.between(-0.18, 0.18), b.drop + pen.between(-0.15, 0.15)
    if pose == "grazing":
        lift, drop = -0.75 + pen.between(-0.1, 0.15), 1.0
    if pose == "lying":
        leg = b.thick * 0.6
    y = -leg - b.depth / 2
    tail(pen, b, 0.01, y - b.depth * 0.3, colour)
    if pose != "lying":
        _legs(pen, b, False, far, stride, length, leg)
    _torso(pen, b, length, y, colour)
    if pose == "lying":
        pen.limb(near_leg, length * 0.8, -b.thick * 0.5, length + b.leg * 0.5, -b.thick * 0.5, b.thick,
                 b.thick * 0.8)
        pen.limb(near_leg, length * 0.1, -b.thick * 0.5, length * 0.1 + b.leg, -b.thick * 0.5, b.thick * 1.1,
                 b.thick * 0.8)
    else:
        _legs(pen, b, True, near_leg, stride, length, leg)
    _neck_and_head(pen, b, length * 0.93, y - b.depth * 0.22, lift, drop, colour)


def bird(pen: Pen, pose: str) -> None:
    if pose == "front":
        return _owl(pen)
    colour, wing, beak = pen.main, pen.choose(0.6, pen.second, tint(pen.main, 0.75)), pen.accent
    fat, long = pen.between(0.8, 1.3), pen.between(0.7, 1.6)
    up = pen.between(-0.35, 0.55)
    if pose == "flying":
        pen.blob(tint(wing, 0.75), ((0.42, 0.5), (0.5, 0.5 - up), (0.62, 0.35 - up), (0.6, 0.48)))
    slope = pen.between(-0.15, 0.15)
    pen.poly(wing, ((0.25, 0.47), (0.02, 0.45 + slope), (0.0, 0.55 + slope), (0.28, 0.6)))
    if pose == "standing":
        legs = pen.between(0.04, 0.35)
        for x in (0.42, 0.52):
            pen.limb(tint(beak, 0.8), x, 0.64, x + 0.02, 0.7 + legs, 0.03)
            pen.limb(tint(beak, 0.8), x - 0.02, 0.7 + legs, x + 0.08, 0.7 + legs, 0.025)
    neck = pen.between(0, 0.05) if pose == "flying" else pen.between(-0.04, 0.2)
    pen.blob(colour, ((0.2, 0.5), (0.42, 0.38), (0.62, 0.36), (0.74, 0.46), (0.64, 0.6 + 0.05 * fat),
                      (0.42, 0.62 + 0.06 * fat)))
    if pen.chance(0.5):
        pen.dot(pen.light, 0.56, 0.56, 0.13, 0.08, -0.5)
    hx, hy = 0.74, 0.36 - neck
    pen.limb(colour, 0.66, 0.46, hx, hy, 0.18, 0.15)
    pen.poly(beak, ((hx + 0.06, hy - 0.06), (hx + 0.09 + 0.14 * long, hy + 0.02), (hx + 0.06, hy + 0.06)))
    pen.dot(colour, hx, hy, 0.105)
    pen.dot(pen.dark, hx + 0.03, hy - 0.02, 0.025)
    if pose == "flying":
        pen.blob(wing, ((0.34, 0.48), (0.2, 0.5 - up * 0.9), (0.12, 0.42 - up), (0.4, 0.4 - up * 0.7),
                        (0.56, 0.46)))
    else:
        pen.blob(wing, ((0.14, 0.52), (0.36, 0.43), (0.54, 0.46), (0.5, 0.58), (0.34, 0.6)))


def _owl(pen: Pen) -> None:
    """A bird that looks at you, an owl or a penguin."""
    wing, tall = pen.choose(0.6, pen.second, tint(pen.main, 0.75)), pen.between(0.35, 0.45)
    y = 0.95 - tall
    for side in (-1, 1):
        pen.dot(tint(pen.accent, 0.85), 0.5 + side * 0.1, 0.96, 0.08, 0.04)
        if pen.chance(0.5):
            pen.poly(pen.main, ((0.5 + side * 0.04, y - tall * 0.85), (0.5 + side * 0.22, y - tall * 1.15),
                                (0.5 + side * 0.24, y - tall * 0.5)))
    pen.dot(pen.main, 0.5, y, 0.29, tall)
    pen.dot(pen.choose(0.6, pen.light, tint(pen.main, 1.3)), 0.5, y + tall * 0.3, 0.19, tall * 0.6)
    lift = pen.between(0, 0.7)
    for side in (-1, 1):
        pen.dot(wing, 0.5 + side * (0.27 + 0.1 * lift), y + tall * 0.15, 0.09, tall * 0.55, -side * lift)
        pen.dot(pen.light, 0.5 + side * 0.11, y - tall * 0.5, 0.095)
        pen.dot(pen.dark, 0.5 + side * 0.1, y - tall * 0.5, 0.045)
    pen.poly(pen.accent, ((0.44, y - tall * 0.36), (0.56, y - tall * 0.36), (0.5, y - tall * 0.12)))
