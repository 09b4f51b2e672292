"""What the drawn world asks of a network, measured: context, objectness, depth, colour."""
from collections.abc import Callable, Iterable

import cv2
import numpy as np

from paperlib.clock import busy
from paperlib.config import digest
from paperlib.device import pick_device
from paperlib.paths import weights_folder
from paperlib.progress import progress
from paperlib.studies import coco_margins, pool5_units, proposals
from paperlib.studies.linear_probes import levels, linear
from paperlib.studies.naming import as_images, learn
from paperlib.tables import records
from paperlib.world import drawn_sets
from paperlib.world.world import Drawing, World, compose

TABLE, BUDGET = "world", "bench"
REVISION, REVISED = 2, {"objectness": 1}  # raise one when all probes, or one, change what they measure
GREY = 116  # of what a network is not shown
OTHERS = (proposals, pool5_units)  # modules of further probes, whose records have tables of their own
FIRST = {"train": 50_000_000, "val": 60_000_000}  # seeds of scenes that no set holds
SCENES, PORTRAITS = {"train": 20_000, "val": 1250}, {"train": 5000, "val": 2500}
STEPS = 6000  # of a Namer's training


def scenes(world: World, split: str, share: float) -> Iterable[Drawing]:
    """Fresh scenes of `world`, drawn as they are asked for; `share` of SCENES."""
    for k in progress(range(round(share * SCENES[split])), desc=split):
        yield compose(world, FIRST[split] + k)


def window(image: np.ndarray, box, side: float, out: int) -> np.ndarray:
    """The square of `side` px around the middle of `box` (xywh px), as `out` px; grey outside the image."""
    x, y, w, h = box
    scale = out / side
    shift_x = scale * (side / 2 - (x + w / 2) + 0.5) - 0.5
    shift_y = scale * (side / 2 - (y + h / 2) + 0.5) - 0.5
    matrix = np.array([[scale, 0, shift_x], [0, scale, shift_y]], np.float32)
    return cv2.warpAffine(image, matrix, (out, out), flags=cv2.INTER_LINEAR, borderValue=(GREY,) * 3)


def only(crop: np.ndarray, wide: float, high: float) -> np.ndarray:
    """The middle of a crop, `wide` x `high` px; grey around it."""
    out = np.full_like(crop, GREY)
    rows, columns = _middle(len(crop), high), _middle(len(crop), wide)
    out[rows, columns] = crop[rows, columns]
    return out


def _middle(length: int, part: float) -> slice:
    """The middle `part` of `length`, in whole steps."""
    return slice(round((length - part) / 2), round((length + part) / 2))


def small_in(drawing: Drawing, out: int = 36) -> list[tuple]:
    """(tight crop, the same with three times its side in view, label) of every small thing of a scene."""
    crops = []
    for instance in drawing.instances:
        if not instance["crowd"] and instance["area"] < drawn_sets.AREA_BOUNDS[0] ** 2:
            w, h = instance["bbox"][2:]
            wide = window(drawing.image, instance["bbox"], 3 * max(w, h), out)
            tight = only(wide, out / 3 * w / max(w, h), out / 3 * h / max(w, h))
            crops.append((tight, wide, instance["category"] - 1))
    return crops


def small_things(world: World, split: str, share: float) -> list[tuple]:
    """What `small_in` finds in fresh scenes."""
    crops = []
    for drawing in scenes(world, split, share):
        crops += small_in(drawing)
    return crops


def things_and_marks(world: World, split: str, share: float, near: int = 24, far: int = 64) -> list[tuple]:
    """(window of `near` px, of `far` px, 1 for an object or 0 for a printed mark): pairs of equal size."""
    objects, marks, rng = {}, [], np.random.default_rng(0)     # objects {size: [(image, box)]}
    for drawing in scenes(world, split, share):
        for instance in drawing.instances:
            if not (instance["crowd"] or instance["truncated"]) and instance["visible"] > 0.9:
                box = instance["bbox"]
                objects.setdefault(max(box[2:]), []).append((drawing.image, box))
        for mark in drawing.marks.tolist():
            marks.append((drawing.image, mark))
    out = []
    for image, mark in marks:
        pool = objects.get(max(mark[2:]))
        if pool:
            picture, box = pool.pop(rng.integers(len(pool)))
            out += [(*_two_views(picture, box, near, far), 1), (*_two_views(image, mark, near, far), 0)]
    return out


def _two_views(image: np.ndarray, box, near: int, far: int) -> tuple[np.ndarray, np.ndarray]:
    """The middle `near` px, and all, of a window of `far` px around a box."""
    wide = window(image, box, far, far)
    return only(wide, near, near), wide


def _pair(find: Callable, names: tuple[str, str], classes: int) -> Callable:
    """A probe: the same network on two views of the same places."""
    def probe(world: World, seeds: int, share: float) -> dict[str, list[float]]:
        (a, b, labels), (u, v, truth) = (list(zip(*find(world, split, share))) for split in ("train", "val"))
        steps = max(2, round(share * STEPS))
        return {name: [learn(x, labels, t, truth, classes, steps, seed) for seed in range(seeds)]
                for name, x, t in zip(names, (a, b), (u, v))}
    return probe


def portraits(split: str, share: float, seed: int = 0) -> Iterable[tuple[Drawing, int]]:
    """Fresh pictures of MiniNet's world, a share of PORTRAITS, and their labels 0..K-1, which take turns."""
    world, first = drawn_sets.WORLDS["mininet"], FIRST[split] + 100_000 * seed
    for k in progress(range(round(share * PORTRAITS[split])), desc=split):
        label = k % world.categories
        yield compose(world, first + k, label + 1), label


def level_features(
    split: str, share: float, seed: int = 0, side: int = 32
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """What `linear_probes.levels` finds in portraits of `side` px, and their labels (n,)."""
    images, labels = [], []
    for drawing, label in portraits(split, share, seed):
        images.append(drawing.image)
        labels.append(label)
    return levels(as_images(images), side), np.array(labels)


def depth(world: World, seeds: int, share: float) -> dict[str, list[float]]:
    """Linear probes of the MiniNet trunk's levels on portraits of 32 px, its smallest: things of 16 to 31 px."""
    return {name.split(",")[0]: values for name, values in examples(world, seeds, share, (1,)).items()}


def examples(world: World, seeds: int, share: float, parts: tuple = (0.125, 0.25, 0.5, 1, 2)) -> dict[str, list[float]]:
    """`depth` from these parts of its portraits: {"stride 4, 1250 portraits": accuracy of each seed}."""
    test, truth = level_features("val", share)
    found: dict[str, list] = {}
    for seed in range(seeds):
        train, labels = level_features("train", share * max(parts), seed)
        for n in (round(share * part * PORTRAITS["train"]) for part in parts):
            for stride, x in train.items():
                value = linear(x[:n], labels[:n], test[stride], truth)
                found.setdefault(f"stride {stride}, {n} portraits", []).append(value)
    return found


def colours(split: str, share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour, spread and histogram (n, 70) of the portrayed things' pixels, and their labels (n,)."""
    rows, labels = [], []
    for drawing, label in portraits(split, share, seed):
        for instance in drawing.instances:
            if instance["category"] != label + 1:
                continue
            pixels = drawing.image[instance["mask"]]    # (pixels, 3)
            bins = np.histogramdd(pixels, (4, 4, 4), ((0, 256),) * 3)[0].ravel() / len(pixels)
            rows.append(np.concatenate([pixels.mean(0) / 255, pixels.std(0) / 255, bins]))
            labels.append(label)
    return np.array(rows), np.array(labels)


def colour(world: World, seeds: int, share: float) -> dict[str, list[float]]:
    """A linear probe of colour alone on portraits, where every category is as frequent; and chance."""
    test = colours("val", share / 2)
    alone = [linear(*colours("train", share / 2, seed), *test) for seed in range(seeds)]
    return {"colour alone": alone, "chance": [1 / world.categories] * seeds}


PROBES = {"context": _pair(small_things, ("tight crop", "three times the side"), World().categories),
          "objectness": _pair(things_and_marks, ("24 px window", "64 px window"), 2), "depth": depth,
          "examples": examples, "colour": colour, **coco_margins.PROBES}


def identity(name: str) -> str:
    """A hash of what a probe measures: the drawings, the probe, and where it has them the trunk's weights."""
    for room in OTHERS:
        if name in room.PROBES:
            return room.identity(name)
    file = (weights_folder() / "tiny.safetensors").read_bytes()
    used: list = []
    if name in ("context", "objectness", "depth", "examples"):
        used = [len(file), digest(list(file[-4096:]))]
    world, numbers = "minicoco", SCENES
    if name in ("depth", "examples", "colour"):
        world, numbers = "mininet", PORTRAITS
    revision = REVISION + REVISED.get(name, 0)
    return digest([name, drawn_sets.version(world), numbers, revision, STEPS, *used])


def bench(names: Iterable[str] | None = None, seeds: int = 3, share: float = 1.0) -> list[dict]:
    """Run the probes, record each; the new records. None is kept with a `share` of the scenes and steps."""
    new, known, device, tables = [], dict(PROBES), pick_device("cpu"), {}
    for room in OTHERS:
        known |= room.PROBES
        tables |= dict.fromkeys(room.PROBES, room.TABLE)
    for name in names or known:
        if name not in known:
            raise KeyError(f"no probe {name!r} of the world; there are {', '.join(known)}")
        start, values = busy(device), known[name](World(), seeds, share=share)
        means = {key: float(np.mean(numbers)) for key, numbers in values.items()}
        new.append({"table": tables.get(name, TABLE), "row": name, "seed": 0, "budget": BUDGET,
                    "hash": identity(name), "status": "ok", "metrics": means, "values": values,
                    "seconds": round(busy(device) - start, 1), "provenance": records.provenance(device)})
        if share == 1:
            records.append(new[-1])
    return new


def measured(table: str = TABLE) -> dict[str, dict]:
    """{probe: its newest record}, with "stale" where the drawings or the probe have changed since."""
    newest = {}
    for record in records.read(table, BUDGET):
        row = record["row"]
        newest[row] = record | {"stale": record["hash"] != identity(row)}
    return newest
