"""What lies behind a scene's things: layers, and the plan of the prints on them."""
import numpy as np
from cv2 import sumElems

from paperlib.world import backgrounds
from paperlib.world.catalogue import CATEGORIES
from paperlib.world.exact import exp
from paperlib.world.layout import INDEX, pick
from paperlib.world.painting.prints import Print, planned
from paperlib.world.scenes import Scene


def backdrop_of(world, scene: Scene, rng) -> tuple[np.ndarray, list[Print], np.ndarray]:
    """A scene's stuff: its layers as an image, the prints that lie on them, and the air's colour."""
    image = np.full((world.size, world.size, 3), 128, np.uint8)
    for painter, *details in scene.layers:
        getattr(backgrounds, painter)(image, rng, *details)
    above = image[:max(1, world.size // 3)]
    air = np.array(sumElems(above)[:3]) / (above.size // 3)
    unit, prints = world.size / 128, []
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
        note, step = CATEGORIES[INDEX[name]].note, rng.uniform(17, 22) * unit
        prints.append(planned(rng, note, box, size, step))
    return image, prints, air
