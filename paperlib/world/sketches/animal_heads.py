"""An animal's build, which all its parts follow, and both its ends: head with ears and horns, and tail."""
from dataclasses import dataclass
from math import cos, sin

from paperlib.world.pen import Pen, tint


@dataclass(frozen=True)
class Build:
    """Proportions of a four-legged animal, facing right; lengths in parts of its own standing size."""
    length: float
    depth: float
    leg: float
    thick: float
    neck: float
    lift: float             # angle of the neck above the horizontal, radians
    nape: float             # width of the neck where it leaves the body
    skull: float            # radius of the head
    snout: float            # from the middle of the skull to the nose
    drop: float             # angle of the snout below the horizontal, radians
    ears: str
    tail: str
    extras: tuple[str, ...] = ()
    coats: tuple[str, ...] = ("plain", "plain", "belly", "patches", "bands")


def _ear(pen: Pen, b: Build, x, y, colour, side=-1) -> None:
    """One ear of a head at (x, y); side -1 is the back of a profile, or the left of a front view."""
    r, inner = b.skull, tint(colour, 0.75)
    if b.ears == "pointed":
        pen.poly(colour if side < 0 else inner,
                 ((x + side * r * 0.9, y - r * 0.3), (x + side * r * 0.85, y - r * 1.6),
                  (x + side * r * 0.05, y - r * 0.85)))
    elif b.ears == "flop":
        pen.dot(inner, x + side * r * 0.7, y + r * 0.2, r * 0.4, r * 0.9, -side * 0.25)
    elif b.ears == "small":
        pen.poly(inner, ((x + side * r * 0.8, y - r * 0.4), (x + side * r * 0.7, y - r * 1.8),
                         (x, y - r * 0.7)))
    elif b.ears == "side":
        pen.dot(inner, x + side * r * 1.1, y - r * 0.15, r * 0.65, r * 0.34, -side * pen.between(-0.2, 0.5))
    else:
        pen.dot(inner, x + side * r * 0.85, y + r * 0.1, r * 0.8, r * pen.between(1.0, 1.3), -side * 0.2)


def _horns(pen: Pen, b: Build, x, y, colour, frontal: bool) -> None:
    r = b.skull
    if "horns" in b.extras:
        bone = tint(pen.light, 0.9)
        for side in (-1, 1) if frontal else (-1,):
            pen.blob(bone, ((x + side * r * 0.3, y - r * 0.7), (x + side * r * 0.95, y - r * 1.2),
                            (x + side * r * 0.9, y - r * 2.0), (x + side * r * 0.6, y - r * 1.4),
                            (x - side * r * 0.2, y - r * 0.8)))
    if "knobs" in b.extras:
        for dx in (-0.45, 0.45):
            pen.limb(tint(colour, 0.7), x + r * dx, y - r * 0.6, x + r * dx * 1.3, y - r * 1.9, r * 0.3,
                     r * 0.45)


def face(pen: Pen, b: Build, x, y, colour) -> None:
    """A head seen from the front."""
    r, long = b.skull, b.snout * 0.45
    for side in (-1, 1):
        _ear(pen, b, x, y, colour, side)
    _horns(pen, b, x, y, colour, True)
    pen.dot(colour, x, y, r * 1.05, r * 0.95)
    if "trunk" in b.extras:
        low, curl = pen.between(0.4, 0.65), pen.between(-0.12, 0.12)
        pen.limb(tint(colour, 0.92), x, y + r * 0.3, x + curl * 0.5, y + low * 0.7, r * 0.75, r * 0.5)
        pen.limb(tint(colour, 0.92), x + curl * 0.5, y + low * 0.7, x + curl, y + low, r * 0.5, r * 0.4)
    else:
        muzzle = pen.light if pen.chance(0.4) else tint(colour, pen.pick((0.75, 1.25)))
        pen.limb(colour, x, y, x, y + long, r * 1.7, r * 1.2)
        pen.dot(muzzle, x, y + long + r * 0.42, r * 0.55, r * 0.4)
        pen.dot(pen.dark, x, y + long + r * 0.3, r * 0.18, r * 0.12)
    for side in (-1, 1):
        pen.dot(pen.dark, x + side * r * 0.45, y - r * 0.08, r * 0.17, r * 0.22)
        if "whiskers" in b.extras:
            high = pen.between(0.2, 0.6)
            pen.line(tint(colour, 0.55), 0.01,
                     ((x + side * r * 0.4, y + r * 0.4), (x + side * r * 1.5, y + r * high)))


def head(pen: Pen, b: Build, x, y, drop, colour) -> None:
    """A head in profile, its snout `drop` radians below the horizontal; a cat always looks at you."""
    if "whiskers" in b.extras or pen.chance(0.1):
        return face(pen, b, x, y, colour)
    r = b.skull
    nx, ny = x + cos(drop) * b.snout, y + sin(drop) * b.snout
    _horns(pen, b, x, y, colour, False)
    if "trunk" in b.extras:
        low, curl = pen.between(0.25, 0.7), pen.between(-0.2, 0.3)
        pen.blob(colour, ((x, y - r * 0.6), (x + r, y + r * 0.1), (x + r * 1.2, y + low * 0.5),
                          (x + r * 1.25 + curl, y + low), (x + r * 0.95 + curl, y + low * 1.02),
                          (x + r * 0.75, y + low * 0.55), (x - r * 0.2, y + r * 0.7)))
        if pen.chance(0.7):
            pen.poly(pen.light, ((x + r * 0.6, y + r * 0.55), (x + r * 0.9, y + r * 0.45),
                                 (x + r * 1.9, y + r * 0.75)))
    pen.limb(colour, x, y, nx, ny, r * 1.9, r * 1.15)
    pen.dot(colour, x, y, r)
    if pen.chance(0.6) and "trunk" not in b.extras:
        pen.dot(pen.choose(0.5, pen.light, tint(colour, 0.7)), nx, ny, r * 0.6, r * 0.55, drop)
    if b.ears in ("flop", "pointed"):
        pen.dot(pen.dark, nx + r * 0.45, ny - r * 0.15, r * 0.25)
    _ear(pen, b, x, y, colour)
    pen.dot(pen.dark, x + r * 0.3, y - r * 0.25, r * 0.2)


def tail(pen: Pen, b: Build, x, y, colour) -> None:
    if b.tail == "long":
        up = pen.between(-0.1, 0.35)
        tip = x - pen.between(0.12, 0.22)
        pen.limb(colour, x, y, x - 0.14, y - up * 0.3, 0.07)
        pen.limb(colour, x - 0.14, y - up * 0.3, x - 0.2, y - up, 0.06)
        pen.limb(colour, x - 0.2, y - up, tip, y - up - 0.1, 0.05)
    elif b.tail == "up":
        pen.limb(colour, x, y, x - 0.13, y - pen.between(-0.05, 0.18), 0.07, 0.04)
    elif b.tail == "bush":
        pen.blob(pen.second, ((x + 0.03, y), (x - 0.07, y + 0.02), (x - pen.between(0.1, 0.22), y + 0.34),
                              (x - 0.03, y + 0.26)))
    elif b.tail == "tuft":
        fx, fy = x - pen.between(0.02, 0.09), y + b.depth * 0.9
        pen.limb(colour, x, y, fx, fy, 0.035, 0.025)
        pen.dot(pen.dark, fx, fy, 0.035, 0.06)
