"""What lies behind a scene's things: layers, large stuff, prints, frames with pieces of other views."""
from dataclasses import replace

import numpy as np
from cv2 import sumElems

from paperlib.world import backgrounds
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.exact import exp
from paperlib.world.instances import instances_of
from paperlib.world.layout import INDEX, Placed, arrange, choose_scene, pick, plan
from paperlib.world.painting import frames
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.painting.lumps import back, lump
from paperlib.world.painting.things import paint
from paperlib.world.scenes import Scene

# The other view that frames show is far, and less crowded than the scene: it is drawn for a piece of it only
VIEW = {"subject": 0.0, "crowding": 0.0, "iconic": 0.0, "per_kind": 1.5, "clutter": 1.0}
SMALL = (5, 20)  # px of a 128 px image, longest side of what a frame shows


def backdrop_of(world, scene: Scene, rng, plane: float) -> tuple[np.ndarray, list, np.ndarray]:
    """A scene's stuff, layers first and prints last; the prints' marks (xywh px) and the air's colour."""
    image = np.full((world.size, world.size, 3), 128, np.uint8)
    for painter, *details in scene.layers:
        getattr(backgrounds, painter)(image, rng, *details)
    for _ in range(rng.poisson(world.lumps) if world.lumps else 0):
        lump(world, image, rng, scene, plane)
    above = image[:max(1, world.size // 3)]
    air = np.array(sumElems(above)[:3]) / (above.size // 3)
    unit, marks = world.size / 128, []
    names = [name for name in scene.things if INDEX[name] < world.categories]
    weights = [scene.things[name][0] for name in names]
    for _ in range(rng.poisson(world.stuff)):
        name = names[pick(rng, weights)]
        zone = scene.zones[scene.things[name][1]]
        wide, high = rng.uniform(0.7, 1.1) * world.size, rng.uniform(0.35, 0.7) * world.size
        x = rng.uniform(-0.1, 1.1) * (world.size - wide)
        y = (zone.top + rng.uniform(-0.1, 0.5) * (zone.bottom - zone.top)) * world.size - high / 3
        box = tuple(int(min(max(v, 0), world.size)) for v in (x, y, x + wide, y + high))
        size = round(exp(rng.uniform(np.log(6), np.log(12))) * unit)
        fog, sigma = air_and_lens(world, size, plane)
        before = image.copy()
        draw, width = CATEGORIES[INDEX[name]].draw, rng.uniform(*world.apart) * unit
        marks += backgrounds.prints(image, rng, draw, box, size, width, fog, air, 1 - world.broken)
        region = box[0], box[1], box[2] - box[0], box[3] - box[1]
        backgrounds.soften(image, before, region, sigma)
    return image, marks, air


def hang_frames(world, scene: Scene, rng, image: np.ndarray, marks: list, plane: float) -> list:
    """Frames on the backdrop, in place, all with pieces of one other view; the marks then in view."""
    number = rng.poisson(world.frames)
    if not number:
        return marks
    plain = replace(world, frames=0.0, worn=0.0, **VIEW)
    names = frozenset(c.name for c in CATEGORIES[:world.categories])
    view = scene if rng.random() < 0.6 else choose_scene(rng, names, None)
    scenery, _, air = backdrop_of(plain, view, rng, plane)
    placed = arrange(plain, view, rng, plan(plain, view, rng))
    placed.append(frames.motif(plain, view, rng))
    if world.backed:
        back(plain, scenery, rng, view, placed, plane)
    owner, full, _ = paint(plain, scenery, placed, [None] * len(placed), air, plane)
    small = _small_things(plain, placed, owner, full)
    for _ in range(number):
        marks = frames.hang(image, rng, scenery, small, marks)
    return marks


def _small_things(world, placed: list[Placed], owner: np.ndarray, full: list[int]) -> np.ndarray:
    """The things of a painted view that a frame may show: small, whole and in full view; (S, 4) xywh px."""
    least, most = (side * world.size / 128 for side in SMALL)
    boxes = []
    for record in instances_of(world, placed, owner, full):
        if record is None or record["truncated"] or record["visible"] < 0.9:
            continue
        if least <= max(record["bbox"][2:]) <= most:
            boxes.append(record["bbox"])
    return np.array(boxes, int).reshape(-1, 4)
