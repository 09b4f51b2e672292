"""The drawn world: a scene with its things, from a number. What the embedded data sets are photographs of.

`draw_scene(World(), seed)` always gives the same picture. Each property that makes COCO hard is a dial of
`World`.
"""
from dataclasses import dataclass
from functools import cache

import numpy as np
from cv2 import GaussianBlur, boundingRect, sumElems

from paperlib.world import backgrounds
from paperlib.world.catalogue import CATEGORIES, render
from paperlib.world.exact import exp
from paperlib.world.instances import instances_of, twin, with_crowds
from paperlib.world.layout import INDEX, Entry, Placed, arrange, choose_scene, pick, plan, portrait
from paperlib.world.scenes import Scene

VERSION = 2  # raise it whenever the same seed gives another picture or other annotations


@dataclass(frozen=True)
class World:
    """The dials. Defaults are calibrated on COCO's statistics (see data/README.md), not on any claim.

    Units: lengths in px of a 128 px image (scaled with `size`), grey levels 0..255, probabilities and
            fractions 0..1.
    """
    size: int = 128  # px, height and width; 128 gives 12k anchors from stride 4, cheaply
    categories: int = len(CATEGORIES)  # the first n of CATEGORIES may appear; 20 is PASCAL VOC's list
    kinds: float = 4.35  # mean number of categories, in images that have more than one
    per_kind: float = 2.3  # typical number of things of one category that stand together
    herd: float = 1.8  # power of a scene's sociabilities: who comes in groups, who alone
    single: float = 0.06                            # images planned with one category
    empty: float = 0.01                             # images planned with none
    context: float = 0.96  # things that are where they belong; others are anything, anywhere
    iconic: float = 0.05                            # images that are portraits of one thing, others behind it
    portrait: tuple[float, float] = (0.5, 0.95)     # longest side of a portrait, fraction of the image
    size_range: tuple[float, float] = (6, 150)      # px, longest side a thing is drawn at
    # Beta law of nearness (0 far, 1 near, in log size); < 1: both ends
    depth: tuple[float, float] = (0.7, 0.7)
    zoom: tuple[float, float] = (1.0, 0.4)          # the camera's zoom: median, standard deviation of its log
    subject: float = 0.95                           # images taken of something close by
    subject_size: tuple[float, float] = (0.48, 1.0) # longest side of a subject, fraction of the image
    occlusion: float = 0.3                          # things placed without looking whether they hide others
    truncation: float = 0.15                        # things that the image's edge may cut
    crowding: float = 0.17                          # images where one category comes in a flock of 18 to 44
    crowd_after: tuple[int, int] = (10, 15)  # things of a category annotated singly; the rest is one crowd
    stuff: float = 1.0  # mean number of printed regions (rows of one drawing) an image
    clutter: float = 2.0                            # mean number of things of no category an image
    light: float = 0.12                             # spread of exposure and side light
    tint: float = 0.06                              # spread of the light's colour
    haze: float = 0.6                               # how much of the far things' contrast the air takes
    focus: float = 2.0  # px, standard deviation of the blur of far things: they are blobs
    blur: tuple[float, float] = (0.5, 1.2)          # px, standard deviation of the lens blur
    noise: float = 8.0  # grey levels, largest standard deviation of the sensor noise
    min_pixels: int = 16                            # fewer visible pixels: not annotated
    min_visible: float = 0.25                       # less of what lies in the image visible: not annotated


@dataclass
class Drawing:
    """A picture and what is known about it."""
    image: np.ndarray                               # (size, size, 3) uint8 RGB
    instances: list[dict]
    scene: Scene
    marks: np.ndarray                               # (M, 4) xywh px: printed marks in full view (no objects)


def draw_scene(world: World, seed: int, category: int | None = None) -> tuple[np.ndarray, list[dict]]:
    """One picture and its instances; with `category` (label 1..K), a portrait of it where it is at home.

    Shapes: image (size, size, 3) uint8 RGB; each instance {"category" 1..K, "name", "mask" (size, size) bool:
            the visible pixels, "bbox" [x, y, w, h] px, "area" px, "crowd", "truncated", "visible": share not
            hidden}.
    """
    drawing = compose(world, seed, category)
    return drawing.image, drawing.instances


def compose(world: World, seed: int, category: int | None = None) -> Drawing:
    """`draw_scene` with the scene's name and wording, which captions need."""
    rng = np.random.default_rng((VERSION, seed))
    iconic = category is not None or rng.random() < world.iconic
    names = frozenset(c.name for c in CATEGORIES[:world.categories])
    home = None if category is None else category - 1
    scene = choose_scene(rng, names, home)
    backdrop, marks, air = _backdrop(world, scene, rng)
    entries, hero = plan(world, scene, rng), []
    if iconic and (entries or home is not None):
        hero, entries = _portrayed(world, entries, home, rng)
    placed = arrange(world, scene, rng, entries) + hero
    while True:
        image = backdrop.copy()
        owner, full = _paint(world, image, placed, air)
        records = instances_of(world, placed, owner, full)
        hidden = twin(records)
        if hidden is None:
            break
        del placed[hidden]
    in_view = [m for m in marks if not owner[m[1]:m[1] + m[3], m[0]:m[0] + m[2]].any()]
    picture = _photograph(world, image, rng)
    instances = with_crowds(world, [record for record in records if record], rng)
    return Drawing(picture, instances, scene, np.array(in_view, int).reshape(-1, 4))


def _portrayed(world: World, entries: list[Entry], home: int | None, rng) -> tuple[list[Placed], list[Entry]]:
    """The portrait of an iconic picture, and what else is in it."""
    if home is not None:
        return [portrait(world, home, rng)], []
    hero = portrait(world, entries[0].category, rng)
    return [hero], [] if rng.random() < 0.6 else entries[1:2]


def _backdrop(world: World, scene: Scene, rng) -> tuple[np.ndarray, list, np.ndarray]:
    """A scene's stuff, layers first and prints last; the prints' marks (xywh px) and the air's colour."""
    image = np.full((world.size, world.size, 3), 128, np.uint8)
    for painter, *details in scene.layers:
        getattr(backgrounds, painter)(image, rng, *details)
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
        far, before = _far(world, size), image.copy()
        fog = world.haze * far
        draw, width = CATEGORIES[INDEX[name]].draw, rng.uniform(17, 22) * unit
        marks += backgrounds.prints(image, rng, draw, box, size, width, fog, air)
        region = box[0], box[1], box[2] - box[0], box[3] - box[1]
        backgrounds.soften(image, before, region, world.focus * far * unit)
    return image, marks, air


def _far(world: World, side: float) -> float:
    """How far away a thing of `side` px is: 1 at the horizon, 0 where the air takes nothing."""
    return max(0.0, 1 - side / (0.3 * world.size))


def _paint(world: World, image: np.ndarray, placed: list[Placed], air) -> tuple[np.ndarray, list[int]]:
    """Draw everything, far first; whose each pixel is (index + 1; 0: nobody's), and how many each covered."""
    owner = np.zeros(image.shape[:2], np.uint16)
    full = []
    for k, item in enumerate(placed, 1):
        far = _far(world, max(item.wide, item.high))
        before = image.copy() if far else image
        mask = render(image, item.parts, item.matrix)
        box = x, y, w, h = boundingRect(mask.view(np.uint8))
        window = slice(y, y + h), slice(x, x + w)
        mask = mask[window]
        if far and w:
            fog, spot = world.haze * far, image[window]
            np.copyto(spot, (spot * (1 - fog) + air * fog).astype(np.uint8), where=mask[..., None])
            backgrounds.soften(image, before, box, world.focus * far * world.size / 128)
        owner[window][mask] = k
        full.append(int(np.count_nonzero(mask)))
    return owner, full


@cache
def _sensor(size: int) -> np.ndarray:
    """A sheet of normal noise, twice the image's size; each picture takes another corner of it."""
    return np.random.default_rng(VERSION).standard_normal((2 * size, 2 * size, 3)).astype(np.float32)


def _photograph(world: World, image: np.ndarray, rng) -> np.ndarray:
    """Exposure, tint and side light; lens blur; sensor noise."""
    exposure = np.clip(rng.normal(0, world.light) + rng.normal(0, world.tint, 3), -0.4, 0.2)
    gain = np.array([exp(stop) for stop in exposure.tolist()])
    side = np.linspace(-1, 1, world.size) * rng.normal(0, world.light)
    if (sigma := rng.uniform(*world.blur)) > 0.2:
        image = GaussianBlur(image, (0, 0), sigma)
    light = (gain * (1 + side[:, None])).astype(np.float32)                # (W, 3)
    u, v = rng.integers(0, world.size, 2)
    speckle = _sensor(world.size)[v:v + world.size, u:u + world.size] * np.float32(rng.random() * world.noise)
    speckle += image * light
    return np.clip(speckle, 0, 255, out=speckle).astype(np.uint8)
