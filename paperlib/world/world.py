"""The drawn world: a scene with its things, from a number. What the embedded data sets are photographs of.

`draw_scene(World(), seed)` always gives the same picture. Each property that makes COCO hard is a dial of
`World`.
"""
from dataclasses import dataclass
from functools import cache

import numpy as np
from cv2 import GaussianBlur

from paperlib.world.catalogue import CATEGORIES
from paperlib.world.exact import exp
from paperlib.world.instances import instances_of, twin, with_crowds
from paperlib.world.layout import Entry, Placed, arrange, choose_scene, plan, portrait
from paperlib.world.painting.backdrop import backdrop_of
from paperlib.world.painting.prints import print_on
from paperlib.world.painting.things import paint
from paperlib.world.scenes import Scene
from paperlib.world.shapes.strokes import strokes_of

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
    home = None if category is None else category - 1
    scene = choose_scene(rng, _first_names(world.categories), home)
    backdrop, prints, air = backdrop_of(world, scene, rng)
    entries, hero = plan(world, scene, rng), []
    if iconic and (entries or home is not None):
        hero, entries = _portrayed(world, entries, home, rng)
    placed = arrange(world, scene, rng, entries) + hero
    strokes, marks = strokes_of(world.size, prints + placed), []
    for item in prints:
        marks += print_on(world, backdrop, item, strokes.pop(0), air)
    while True:
        image = backdrop.copy()
        owner, full = paint(world, image, placed, strokes, air)
        records = instances_of(world, placed, owner, full)
        hidden = twin(records)
        if hidden is None:
            break
        del placed[hidden], strokes[hidden]
    in_view = [m for m in marks if not owner[m[1]:m[1] + m[3], m[0]:m[0] + m[2]].any()]
    picture = _photograph(world, image, rng)
    instances = with_crowds(world, [record for record in records if record], rng)
    return Drawing(picture, instances, scene, np.array(in_view, int).reshape(-1, 4))


@cache
def _first_names(categories: int) -> frozenset[str]:
    return frozenset(category.name for category in CATEGORIES[:categories])


def _portrayed(world: World, entries: list[Entry], home: int | None, rng) -> tuple[list[Placed], list[Entry]]:
    """The portrait of an iconic picture, and what else is in it."""
    if home is not None:
        return [portrait(world, home, rng)], []
    hero = portrait(world, entries[0].category, rng)
    return [hero], [] if rng.random() < 0.6 else entries[1:2]


@cache
def _sensor(size: int) -> np.ndarray:
    """A sheet of normal noise, twice the image's size; each picture takes another corner of it."""
    return np.random.default_rng(VERSION).standard_normal((2 * size, 2 * size, 3)).astype(np.float32)


@cache
def _left_to_right(size: int) -> np.ndarray:
    return np.linspace(-1, 1, size)


def _photograph(world: World, image: np.ndarray, rng) -> np.ndarray:
    """Exposure, tint and side light; lens blur; sensor noise."""
    exposure = np.clip(rng.normal(0, world.light) + rng.normal(0, world.tint, 3), -0.4, 0.2)
    gain = np.array([exp(stop) for stop in exposure.tolist()])
    side = _left_to_right(world.size) * rng.normal(0, world.light)
    if (sigma := rng.uniform(*world.blur)) > 0.2:
        image = GaussianBlur(image, (0, 0), sigma)
    light = (gain * (1 + side[:, None])).astype(np.float32)                # (W, 3)
    u, v = rng.integers(0, world.size, 2)
    speckle = _sensor(world.size)[v:v + world.size, u:u + world.size] * np.float32(rng.random() * world.noise)
    speckle += image * light
    return np.clip(speckle, 0, 255, out=speckle).astype(np.uint8)
