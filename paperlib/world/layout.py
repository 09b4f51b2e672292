"""Placing: from a scene and the dials to a list of drawings with their positions, far ones first."""
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from paperlib.world.catalogue import CATEGORIES
from paperlib.world.exact import exp
from paperlib.world.pen import Pen
from paperlib.world.scenes import SCENES, Scene, Zone
from paperlib.world.shapes.outlines import Notes

INDEX = {category.name: k for k, category in enumerate(CATEGORIES)}


@dataclass
class Placed:
    """One drawing on its way into the image.

    Units: x is the middle and y the foot, in px; side is that of the drawing's unit frame; depth grows to the
            viewer.
    """
    category: int | None                            # index into CATEGORIES; None: clutter
    notes: Notes
    x: float
    y: float
    side: float
    depth: float
    wide: float
    high: float
    box: tuple[float, float, float, float] = ()     # xyxy px, by the category's usual shape

    def __post_init__(self):
        self.box = self.x - self.wide / 2, self.y - self.high, self.x + self.wide / 2, self.y

    def move(self, x: float, y: float) -> None:
        self.x, self.y = x, y
        self.__post_init__()


def choose_scene(rng, names: frozenset[str], category: int | None) -> Scene:
    """A scene with things among `names`; or one where `category` is at home, by how common it is there."""
    if category is None:
        weights = [scene.weight * (not names.isdisjoint(scene.things)) for scene in SCENES]
    else:
        name = CATEGORIES[category].name
        weights = [scene.weight * scene.things.get(name, (0,))[0] for scene in SCENES]
    return SCENES[pick(rng, weights)]


def pick(rng, weights) -> int:
    """An index drawn in proportion to `weights`."""
    total = list(accumulate(weights))
    return bisect_right(total, rng.random() * total[-1])


@dataclass(frozen=True)
class Entry:
    """What to draw: how many of a category, in which zone; the near subject, or a far flock."""
    category: int
    zone: str
    number: int
    near: bool = False
    flock: bool = False


def plan(world, scene: Scene, rng) -> list[Entry]:
    """What is in the picture. No two entries share a category."""
    if rng.random() < world.empty:
        return []
    names = [n for n in scene.things if INDEX[n] < world.categories]
    weights = [scene.things[n][0] for n in names]
    kinds = 1 if rng.random() < world.single else 2 + rng.poisson(world.kinds - 2)
    out, flock, subject = {}, rng.random() < world.crowding, rng.random() < world.subject
    for _ in range(kinds):
        if rng.random() < world.context and any(weights):
            k = pick(rng, weights)
            name, (_, zone, sociable) = names[k], scene.things[names[k]]
            weights[k] = 0
        else:
            name = CATEGORIES[rng.integers(world.categories)].name
            zone, sociable = list(scene.zones)[rng.integers(len(scene.zones))], 0.8
        if INDEX[name] in out:
            continue
        number = rng.lognormal(np.log(world.per_kind * sociable ** world.herd) - 0.3, 0.75)
        many, flock = flock and sociable >= 1.1, flock and sociable < 1.1
        if many:
            number = rng.uniform(18, 44)
        elif subject:
            number = min(number, 2)
        out[INDEX[name]] = Entry(INDEX[name], zone, max(1, round(number)), subject and not many, many)
        subject = subject and many
    return list(out.values())


def _scale(world, zone: Zone, span: float, zoom: float, rng, near=False, flock=False) -> float:
    """px per metre, within the zone's range and `size_range`; how near, on a log scale, `depth` decides."""
    if near:
        return world.size * rng.uniform(*world.subject_size) / span
    low, high = (zone.far * zoom, zone.near * zoom)
    least, most = (size * world.size / 128 / span for size in world.size_range)
    low, high = min(max(low, least), most), max(min(high, most), least)
    nearness = rng.random() * 0.4 if flock else rng.beta(*world.depth)
    return low * (max(high, low) / low) ** nearness


def _foot(world, zone: Zone, scale: float, high: float, zoom: float, rng) -> float:
    """The row (px) of the feet of a thing at this scale: by perspective, or anywhere if the zone floats."""
    if zone.floats:
        return rng.uniform(zone.top, zone.bottom) * world.size + high / 2
    near = (scale / zoom - zone.far) / max(zone.near - zone.far, 1e-6)
    return (zone.top + (zone.bottom - zone.top) * min(max(near, 0), 1)) * world.size


def _put(k: int | None, notes, side, aspect, x, y, depth) -> Placed:
    return Placed(k, notes, x, y, side, depth, side * min(1, aspect), side * min(1, 1 / aspect))


def _covered(x: float, y: float, w: float, h: float, others: list[Placed], most: float) -> float:
    """The largest part that a thing, or another, shares with the other; any part if one exceeds `most`."""
    (x0, y0, x1, y1), area, worst = (x - w / 2, y - h, x + w / 2, y), w * h, 0.0
    for other in others:                             # plain numbers: arrays cost more for a dozen boxes
        u0, v0, u1, v1 = other.box
        if u0 < x1 and x0 < u1 and v0 < y1 and y0 < v1:
            wide = (x1 if x1 < u1 else u1) - (x0 if x0 > u0 else u0)    # in half of the time of min and max
            high = (y1 if y1 < v1 else v1) - (y0 if y0 > v0 else v0)
            others_area = other.wide * other.high
            share = wide * high / (area if area < others_area else others_area)
            worst = share if share > worst else worst
            if worst > most:
                break
    return worst


def _inside(world, x: float, wide: float, rng) -> float:
    """`x` moved so that the thing is whole, or now and then cut by the image's edge."""
    margin = wide / 2
    if rng.random() <= world.truncation:
        margin = wide * rng.uniform(-0.2, 0.2)
    return min(max(x, margin), max(world.size - margin, margin))


def _member(world, k, zone, lead, zoom, done, number, rng) -> Placed:
    """One thing of a group around `lead` (x, px per metre): the first of five tries that hides little."""
    aspect, span, notes = CATEGORIES[k].aspect, CATEGORIES[k].span, CATEGORIES[k].note(rng)
    tolerance, best, hidden = 1.0 if rng.random() < world.occlusion else 0.15, None, np.inf
    least, most = (size * world.size / 128 / span for size in world.size_range)
    across, up, spread_of_size = min(1, aspect), min(1, 1 / aspect), 0.16 if number < 6 else 0.3
    in_widths, in_px = number ** 0.7, 0.12 * world.size * (number > 1)
    for _ in range(5):
        scale = min(max(lead[1] * exp(rng.normal(0, spread_of_size)), least), most)
        high = span * scale * up
        y = _foot(world, zone, scale, high, zoom, rng)
        if high > 1.1 * y:
            scale = scale * 1.1 * y / high
        side = span * scale
        wide, high = side * across, side * up
        x = _inside(world, lead[0] + rng.normal(0, wide * in_widths + in_px), wide, rng)
        covered = _covered(x, y, wide, high, done, max(tolerance, hidden))
        if covered < hidden:
            best, hidden = (side, aspect, x, y, y - 4 * world.size * zone.floats), covered
        if covered <= tolerance:
            break
    return _put(k, notes, *best)


def arrange(world, scene: Scene, rng, entries) -> list[Placed]:
    """Everything in the image, far first: the things planned, and clutter among them."""
    zoom = world.size / 128 * world.zoom[0] * exp(rng.normal(0, world.zoom[1]))
    done, tables = [], []
    for entry in sorted(entries, key=lambda entry: CATEGORIES[entry.category].name != "diningtable"):
        k, zone = entry.category, scene.zones[entry.zone]
        x = rng.random() * world.size
        lead = x, _scale(world, zone, CATEGORIES[k].span, zoom, rng, entry.near, entry.flock)
        for _ in range(entry.number):
            item = _member(world, k, zone, lead, zoom, done, entry.number, rng)
            if tables and not entry.near and entry.zone in ("table", "top") and rng.random() < 0.8:
                _set_on(item, tables[rng.integers(len(tables))], rng)
            done.append(item)
        if CATEGORIES[k].name == "diningtable":
            tables = [item for item in done if item.category == k]
    done += [_clutter(world, scene, zoom, rng) for _ in range(rng.poisson(world.clutter))]
    return sorted(done, key=lambda item: item.depth)


def _set_on(item: Placed, table: Placed, rng) -> None:
    item.move(table.x + rng.uniform(-0.42, 0.42) * table.wide, table.y - table.high * rng.uniform(0.84, 0.98))
    item.depth = table.depth + 0.01 + item.y / 1e3


def _clutter(world, scene: Scene, zoom: float, rng) -> Placed:
    """A thing of no category: a few blobs, bars and boxes in the colours that objects have."""
    pen = Pen(rng)
    for _ in range(rng.integers(2, 6)):
        x, y, r = pen.between(0.2, 0.8), pen.between(0.2, 0.8), pen.between(0.08, 0.3)
        colour = pen.pick((pen.main, pen.second, pen.accent, pen.dark))
        shape = pen.below(3)
        if shape == 0:
            pen.dot(colour, x, y, r, r * pen.between(0.5, 1.2))
        elif shape == 1:
            pen.box(colour, x - r, y - r * 0.6, x + r, y + r)
        else:
            pen.limb(colour, x, y, x + pen.between(-0.4, 0.4), y + pen.between(-0.4, 0.4), 0.12, 0.08)
    zone = list(scene.zones.values())[rng.integers(len(scene.zones))]
    span = exp(rng.uniform(np.log(0.25), np.log(1.4))) * 12 / zone.near ** 0.8 * 2
    scale = min(_scale(world, zone, span, zoom, rng), 0.3 * world.size / span)
    y = _foot(world, zone, scale, span * scale, zoom, rng)
    x, depth = rng.random() * world.size, y - 4 * world.size * zone.floats
    return _put(None, pen.done(), span * scale, 1.0, x, y, depth)


def portrait(world, k: int, rng) -> Placed:
    """One thing, large and in the middle: the iconic view."""
    category = CATEGORIES[k]
    side = world.size * rng.uniform(*world.portrait)
    item = _put(k, category.note(rng), side, category.aspect, 0, 0, 4.0 * world.size)
    x, y = world.size * (0.5 + rng.normal(0, 0.05)), world.size * (0.5 + rng.normal(0, 0.05))
    item.move(x, y + item.high / 2)
    return item
