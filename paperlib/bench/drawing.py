"""How many scenes a second are drawn."""
import os
import time

import cv2
import joblib

from paperlib.bench.timing import Race
from paperlib.world.drawn_sets import WORLDS, seed_of
from paperlib.world.world import compose


def draw(numbers) -> None:
    """Draw these pictures of MiniCOCO's training split, on one thread as `world.build` does."""
    cv2.setNumThreads(1)
    for k in numbers:
        compose(WORLDS["minicoco"], seed_of("minicoco", "train", k))


def world(device, shrink) -> Race:
    """Drawing on one core."""
    number = 64 // shrink
    return Race({"images": lambda: draw(range(number))}, lambda s: number / s["images"],
                f"Images of MiniCOCO a core-second; {number} drawn.")


def world_on_all_cores(device, shrink) -> Race:
    """Drawing on every core of the machine."""
    cores, number = os.cpu_count() or 1, 128 // shrink
    work = [joblib.delayed(draw)(range(i, number, cores)) for i in range(cores)]
    return Race({"images": lambda: joblib.Parallel(n_jobs=cores)(work)}, lambda s: number / s["images"],
                f"Images of MiniCOCO a second, on {cores} processes beside whatever else ran.", clock=time.perf_counter)
