"""What lies behind a scene's things: layers, and prints on them."""
import numpy as np
from cv2 import sumElems

from paperlib.world import backgrounds
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.exact import exp
from paperlib.world.layout import INDEX, pick
from paperlib.world.painting.distance import air_and_lens
from paperlib.world.scenes import Scene


def backdrop_of(world, scene: Scene, rng) -> tuple[np.ndarray, list, np.ndarray]:
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
        fog, sigma = air_and_lens(world, size)
        before = image.copy()
        note, width = CATEGORIES[INDEX[name]].note, rng.uniform(17, 22) * unit
        marks += backgrounds.prints(image, rng, note, box, size, width, fog, air)
        region = box[0], box[1], box[2] - box[0], box[3] - box[1]
        backgrounds.soften(image, before, region, sigma)
    return image, marks, air
