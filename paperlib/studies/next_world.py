"""Probes of the drawn world's next version beside today's, at a size that a laptop bears.

They ask what `studies.world` asks, and of parts of large things as well. A row names its set, as in
"parts minicoco3".
"""
from collections.abc import Iterable

import numpy as np

from paperlib.clock import busy
from paperlib.config import digest
from paperlib.device import pick_device
from paperlib.paths import weights_folder
from paperlib.progress import progress
from paperlib.studies import lookalikes
from paperlib.studies.linear_probes import levels, linear
from paperlib.studies.world import BUDGET, FIRST
from paperlib.tables import records
from paperlib.world import drawn_sets
from paperlib.world.world import Drawing, compose

TABLE, REVISION = "world3", 2  # of their records; raise the second when a probe changes what it measures
PORTRAITS = {"train": 2880, "val": 1440}


def portraits(name: str, split: str, share: float, seed: int = 0) -> Iterable[tuple[Drawing, int]]:
    """Fresh portraits, a share of PORTRAITS: categories 0..K-1 in turn, other ones for each seed."""
    world = drawn_sets.world_of(name)
    for k in progress(range(round(share * PORTRAITS[split])), desc=f"{name} {split}"):
        label = k % world.categories
        yield compose(world, FIRST[split] + 100_000 * seed + k, label + 1), label


def depth(name: str, seeds: int, share: float) -> dict[str, list[float]]:
    """Linear readers of the levels of the stored MiniNet trunk, on portraits scaled to 32 px."""
    values: dict[str, list[float]] = {}
    test, truth = _levels_of(name, "val", share, 0)
    for seed in range(seeds):
        train, labels = _levels_of(name, "train", share, seed)
        for stride, features in train.items():
            values.setdefault(f"stride {stride}", []).append(linear(features, labels, test[stride], truth))
    return values


def _levels_of(name: str, split: str, share: float, seed: int) -> tuple[dict[int, np.ndarray], np.ndarray]:
    images, labels = [], []
    for drawing, label in portraits(name, split, share, seed):
        images.append(drawing.image)
        labels.append(label)
    return levels(lookalikes.as_images(np.stack(images)), 32), np.array(labels)


def colour(name: str, seeds: int, share: float) -> dict[str, list[float]]:
    """A linear reader of the portrayed things' colours alone; and chance."""
    test, alone = _colours(name, "val", share, 0), []
    for seed in range(seeds):
        alone.append(linear(*_colours(name, "train", share, seed), *test))
    return {"colour alone": alone, "chance": [1 / drawn_sets.world_of(name).categories] * seeds}


def _colours(name: str, split: str, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean, spread and histogram (n, 70) of the portrayed things' pixels, and their labels (n,)."""
    features, labels = [], []
    for drawing, label in portraits(name, split, share, seed):
        for instance in drawing.instances:
            if instance["category"] == label + 1:
                pixels = drawing.image[instance["mask"]]
                bins = np.histogramdd(pixels, (4, 4, 4), ((0, 256),) * 3)[0].ravel() / len(pixels)
                features.append(np.concatenate([pixels.mean(0) / 255, pixels.std(0) / 255, bins]))
                labels.append(label)
    return np.array(features), np.array(labels)


PROBES = {"marks": lookalikes.marks, "parts": lookalikes.parts, "context": lookalikes.context, "depth": depth,
          "colour": colour}
SETS = {"depth": ("mininet", "mininet3"), "colour": ("mininet", "mininet3")}  # of the others: MiniCOCO's


def rows() -> list[str]:
    """The names of all rows: each probe on today's set and on the next."""
    names = []
    for probe in PROBES:
        for name in SETS.get(probe, ("minicoco", "minicoco3")):
            names.append(f"{probe} {name}")
    return names


def identity(row: str) -> str:
    """A hash of what a row measures: the drawings, the probe, the trunk's weights."""
    file = (weights_folder() / "tiny.safetensors").read_bytes()
    sizes = [lookalikes.SCENES, PORTRAITS, lookalikes.STEPS, REVISION]
    return digest([row, drawn_sets.version(row.split()[1]), sizes, len(file), digest(list(file[-4096:]))])


def bench(names: Iterable[str] | None = None, seeds: int = 3, share: float = 1.0) -> list[dict]:
    """Run these rows and record each; the new records. `share` of pictures and steps: below 1 is no record.

    Errors: KeyError for a row that is none.
    """
    new, device = [], pick_device("cpu")
    for row in names or rows():
        if row not in rows():
            raise KeyError(f"no row {row!r}; there are {', '.join(rows())}")
        probe, name = row.split()
        start, values, means = busy(device), PROBES[probe](name, seeds, share), {}
        for key, numbers in values.items():
            means[key] = float(np.mean(numbers))
        record = {"table": TABLE, "row": row, "seed": 0, "budget": BUDGET, "hash": identity(row),
                  "status": "ok", "metrics": means, "values": values,
                  "seconds": round(busy(device) - start, 1),
                  "provenance": records.provenance(device)}
        new.append(record)
        if share == 1:
            records.append(record)
    return new


def measured() -> dict[str, dict]:
    """{row: its newest record}, with "stale" where the drawings or the probe have changed since."""
    newest = {}
    for record in records.read(TABLE, BUDGET):
        newest[record["row"]] = record | {"stale": record["hash"] != identity(record["row"])}
    return newest
