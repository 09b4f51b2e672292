"""The catalogue of things the embedded world is made of, and how a drawing becomes pixels and a mask."""
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from paperlib.world.pen import Pen
from paperlib.world.shapes.outlines import Notes, Part, parts_of
from paperlib.world.shapes.strokes import fill_in, windows_of
from paperlib.world.sketches import air_and_water as craft
from paperlib.world.sketches import animals, people, vehicles
from paperlib.world.sketches import appliances as machines
from paperlib.world.sketches import furniture as indoor
from paperlib.world.sketches import kitchen_and_food as kitchen
from paperlib.world.sketches import outdoors as things

SUPERCATEGORIES = ("person", "vehicle", "outdoor", "animal", "accessory", "sports", "kitchen", "food",
                   "furniture", "electronic", "appliance", "indoor")


@dataclass(frozen=True)
class Category:
    """A kind of thing: its name, its size in the world and the way it is drawn.

    Units: height is that of a typical specimen in metres, aspect its width / height.
    """
    name: str
    supercategory: str
    height: float
    aspect: float
    sketch: Callable[[Pen, str], None]
    poses: tuple[str, ...] = ("",)

    @property
    def span(self) -> float:
        """Metres along a side of the unit frame: a wide thing fills its width, a tall one its height."""
        return self.height * max(1.0, self.aspect)

    def note(self, rng: np.random.Generator, pose: str | None = None) -> Notes:
        """A random specimen; `pose` is one of `poses`, or None for any of them.

        Errors: ValueError if the category has no such pose.
        """
        pen = Pen(rng)
        if pose is not None and pose not in self.poses:
            raise ValueError(f"{self.name} has no pose {pose!r}; it has {self.poses}")
        self.sketch(pen, pen.pick(self.poses) if pose is None else pose)
        return pen.done()

    def draw(self, rng: np.random.Generator, pose: str | None = None) -> list[Part]:
        """`note` as a list of parts, back to front."""
        return parts_of(self.note(rng, pose))


_CATTLE = ("standing", "walking", "grazing", "grazing", "lying", "front")
_PET = ("standing", "walking", "running", "sitting", "sitting", "lying", "front")
_WILD = ("standing", "walking", "running", "grazing", "front")
_cat, _cow, _dog, _horse, _sheep, _elephant, _giraffe = (partial(animals.beast, build=build) for build in (
    animals.CAT, animals.COW, animals.DOG, animals.HORSE, animals.SHEEP, animals.ELEPHANT, animals.GIRAFFE))
CATEGORIES = (
    Category("aeroplane", "vehicle", 10.0, 1.9, craft.aeroplane),
    Category("bicycle", "vehicle", 1.1, 1.6, vehicles.bicycle),
    Category("bird", "animal", 0.3, 1.4, animals.bird, ("standing", "standing", "flying", "front")),
    Category("boat", "vehicle", 3.5, 1.4, craft.boat),
    Category("bottle", "kitchen", 0.3, 0.45, kitchen.bottle),
    Category("bus", "vehicle", 3.0, 2.1, vehicles.bus, ("side", "side", "front")),
    Category("car", "vehicle", 1.5, 2.0, vehicles.car, ("side", "side", "front")),
    Category("cat", "animal", 0.4, 1.2, _cat, _PET),
    Category("chair", "furniture", 0.95, 0.65, indoor.chair,
             ("front", "front", "side", "side", "armchair", "stool")),
    Category("cow", "animal", 1.5, 1.6, _cow, _CATTLE),
    Category("diningtable", "furniture", 0.8, 1.8, indoor.diningtable),
    Category("dog", "animal", 0.6, 1.3, _dog, _PET),
    Category("horse", "animal", 1.9, 1.1, _horse, _WILD),
    Category("motorbike", "vehicle", 1.2, 1.7, vehicles.motorbike),
    Category("person", "person", 1.7, 0.4, people.person, people.POSES),
    Category("pottedplant", "furniture", 0.7, 0.8, indoor.pottedplant),
    Category("sheep", "animal", 0.9, 1.3, _sheep, _CATTLE),
    Category("sofa", "furniture", 0.95, 1.9, indoor.sofa),
    Category("train", "vehicle", 4.0, 2.3, vehicles.train, ("side", "side", "front")),
    Category("tvmonitor", "electronic", 0.6, 1.4, machines.tvmonitor),
    Category("traffic light", "outdoor", 3.2, 0.3, things.traffic_light),
    Category("bench", "outdoor", 0.9, 1.8, indoor.bench),
    Category("elephant", "animal", 3.0, 1.3, _elephant, ("standing", "walking", "walking", "front")),
    Category("giraffe", "animal", 4.5, 0.7, _giraffe, _WILD),
    Category("backpack", "accessory", 0.5, 0.8, things.backpack),
    Category("umbrella", "accessory", 1.0, 1.0, craft.umbrella),
    Category("sports ball", "sports", 0.25, 1.0, things.sports_ball),
    Category("kite", "sports", 1.5, 0.6, craft.kite),
    Category("cup", "kitchen", 0.12, 1.2, kitchen.cup),
    Category("apple", "food", 0.1, 0.95, kitchen.apple),
    Category("pizza", "food", 0.35, 1.0, kitchen.pizza),
    Category("laptop", "electronic", 0.3, 1.5, machines.laptop),
    Category("microwave", "appliance", 0.35, 1.8, machines.microwave),
    Category("refrigerator", "appliance", 1.8, 0.5, machines.refrigerator),
    Category("clock", "indoor", 0.35, 1.0, things.clock),
    Category("vase", "indoor", 0.4, 0.6, kitchen.vase),
)


def render(image: np.ndarray, parts: list[Part], matrix: np.ndarray, shade: float = 1.0) -> np.ndarray:
    """Draw `parts` onto `image`, in place, and return where they cover it.

    Shapes: image (H, W, 3) uint8 RGB, matrix (2, 3) -> (H, W) bool.
    Units:  matrix carries the unit frame to pixels, (0, 0) being the corner of the first; shade multiplies
            colours.
    A pixel belongs to the mask if at least half of it is covered; one that is covered less only takes some
    colour.
    """
    mask = np.zeros(image.shape[:2], bool)
    (a, b, c), (d, e, f) = np.asarray(matrix).tolist()
    scale = abs(a * e - b * d) ** 0.5
    lattice = np.array(((16 * a, 16 * d), (16 * b, 16 * e)), np.float32)    # in 1/16 px
    _, outlines, _, widths = zip(*parts)
    points = np.concatenate(outlines) @ lattice + np.array((16 * c - 8, 16 * f - 8))
    points = np.rint(points, out=points).astype(np.int32)
    reach = np.array([int(scale * max(widths) / 2)])
    (x0, y0, x1, y1), = windows_of(image.shape[1::-1], points, [0], [len(points)], reach)
    if x0 < x1 and y0 < y1:
        shapes = []
        for part in parts:
            colour = tuple([channel * shade for channel in part.colour])
            shapes.append((part.kind, len(part.points), colour, part.width))
        mask[y0:y1, x0:x1] = fill_in(image[y0:y1, x0:x1], points, shapes, 1.0, scale)
    return mask


def fitted(parts: list[Part], box: tuple[float, float, float, float]) -> np.ndarray:
    """The (2, 3) matrix that carries `parts` into the middle of `box` (xyxy px), as large as it holds."""
    points = np.concatenate([part.points for part in parts])
    low, high = points.min(0), points.max(0)
    x0, y0, x1, y1 = box
    scale = min((x1 - x0) / (high[0] - low[0]), (y1 - y0) / (high[1] - low[1]))
    x, y = (x0 + x1) / 2 - scale * (low[0] + high[0]) / 2, (y0 + y1) / 2 - scale * (low[1] + high[1]) / 2
    return np.array(((scale, 0, x), (0, scale, y)), np.float32)


def contact_sheet(size: int = 48, per_category: int = 8, seed: int = 0, columns: int = 2) -> np.ndarray:
    """All categories, `per_category` drawings of `size` pixels each.

    Categories run down each of the `columns`.
    Shapes: -> (H, W, 3) uint8 RGB.
    """
    rows, gap = -(-len(CATEGORIES) // columns), max(2, size // 8)
    cell = size + gap
    sheet = np.full((rows * cell, columns * per_category * cell, 3), (236, 234, 228), np.uint8)
    for k, category in enumerate(CATEGORIES):
        rng = np.random.default_rng((seed, k))
        for j in range(per_category):
            x, y = ((k // rows) * per_category + j) * cell + gap / 2, (k % rows) * cell + gap / 2
            parts = category.draw(rng)
            render(sheet, parts, fitted(parts, (x, y, x + size, y + size)))
    return sheet
