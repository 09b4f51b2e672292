"""Is it a thing, a mark, or a part of a larger thing? Asked of a network that sees more or less around it."""
from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.device import seed_all
from paperlib.progress import progress
from paperlib.studies.naming import BATCH, RATE, Namer
from paperlib.studies.world import FIRST, small_in, window
from paperlib.world import drawn_sets
from paperlib.world.painting.pieces import pieces
from paperlib.world.world import Drawing, compose

SCENES = {"train": 2000, "val": 600}
STEPS, NEAR, FAR = 700, 24, 64  # steps of training; px, the two windows
NEIGHBOURS = sorted(product((-1, 0, 1), repeat=2), key=lambda way: np.abs(way).sum())  # of a size, px
Size = tuple[int, int]  # width and height, px
Windows = tuple[Tensor, Tensor]  # images (n, 3, S, S) uint8 and labels (n,)


def scenes(name: str, split: str, share: float) -> Iterable[Drawing]:
    """Fresh scenes of a set's world, a share of SCENES."""
    for k in progress(range(round(share * SCENES[split])), desc=f"{name} {split}"):
        yield compose(drawn_sets.world_of(name), FIRST[split] + k)


@cache
def lookalikes(name: str, split: str, share: float) -> dict[str, Windows]:
    """Windows of FAR px around "marks" and "parts", each with one of an object of the same size.

    Shapes: images (2 n, 3, FAR, FAR); labels (2 n,): 1 for an object, 0 for a decoy, in turn.
    """
    marks, parts, objects = [], [], {}
    for drawing in scenes(name, split, share):
        for instance in drawing.instances:
            if not (instance["crowd"] or instance["truncated"]) and instance["visible"] > 0.9:
                size = tuple(instance["bbox"][2:])
                objects.setdefault(size, []).append((drawing.image, instance["bbox"]))
        marks += [(drawing.image, box) for box in drawing.marks.tolist()]
        parts += [(drawing.image, box) for box in pieces(drawing.placed, drawing.owner).tolist()]
    return {"marks": pairs(marks, objects), "parts": pairs(parts, objects)}


def pairs(decoys: list[tuple], objects: dict[Size, list[tuple]]) -> Windows:
    """Of each decoy, while objects of its size are left: a window of such an object, then the decoy's.

    Sizes differ by a pixel at most, in width and in height: a slim thing is not told by being slim.
    Shapes: decoys (image, xywh px); objects {(width, height): [(image, xywh px)]}.
    """
    rng, images, pools = np.random.default_rng(0), [], {}
    for size, group in objects.items():
        pools[size] = rng.permutation(len(group)).tolist()
    for k in rng.permutation(len(decoys)):
        image, box = decoys[k]
        size = _nearest(pools, tuple(box[2:]))
        if size:
            picture, place = objects[size][pools[size].pop()]
            images += [window(picture, place, FAR, FAR), window(image, box, FAR, FAR)]
    stacked = np.array(images, np.uint8).reshape(-1, FAR, FAR, 3)
    return as_images(stacked), torch.tensor([1, 0] * (len(images) // 2))


def _nearest(pools: dict[Size, list[int]], size: Size) -> Size | None:
    """The size nearest to `size`, at most a pixel from it either way, of which objects are left; or None."""
    for wide, high in NEIGHBOURS:
        near = size[0] + wide, size[1] + high
        if pools.get(near):
            return near
    return None


def as_images(stacked: np.ndarray) -> Tensor:
    """(n, S, S, 3) uint8 as (n, 3, S, S)."""
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()


def middle(images: Tensor, side: int) -> Tensor:
    """The middle of square images, `side` px large."""
    start = (images.shape[-1] - side) // 2
    return images[..., start:start + side, start:start + side].contiguous()


def learn(train: Windows, test: Windows, num_classes: int, steps: int, seed: int) -> float:
    """Accuracy on `test` of a `Namer` trained with bfloat16 products."""
    seed_all(seed)
    (images, labels), rng = train, np.random.default_rng(seed)
    net = Namer(images.shape[-1], num_classes)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for _ in progress(range(steps), desc="naming"):
        chosen = rng.integers(0, len(images), BATCH)
        batch = images[chosen]
        if rng.random() < 0.5:
            batch = batch.flip(3)
        with torch.autocast("cpu", torch.bfloat16):
            logits = net(batch)
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(logits.float(), labels[chosen]).backward()
        optimiser.step()
        plan.step()
    return accuracy(net, test)


@torch.no_grad()
def accuracy(net: Namer, test: Windows) -> float:
    """The share of `test` that a network names rightly."""
    net.eval()
    rightly = []
    for images, labels in zip(test[0].split(256), test[1].split(256)):
        rightly.append(net(images).argmax(1) == labels)
    return float(torch.cat(rightly).float().mean())


def repeated(train: Windows, test: Windows, num_classes: int, seeds: int, share: float) -> list[float]:
    """The accuracy of each seed."""
    steps, values = max(2, round(share * STEPS)), []
    for seed in range(seeds):
        values.append(learn(train, test, num_classes, steps, seed))
    return values


def told_apart(kind: str, name: str, seeds: int, share: float) -> dict[str, list[float]]:
    """Objects told from `kind` ("marks", "parts") in windows of NEAR and of FAR px around the same places."""
    (images, labels), (shown, truth) = (lookalikes(name, split, share)[kind] for split in ("train", "val"))
    values = {}
    for side in (NEAR, FAR):
        train, test = (middle(images, side), labels), (middle(shown, side), truth)
        values[f"{side} px window"] = repeated(train, test, 2, seeds, share)
    return values


marks: Callable = partial(told_apart, "marks")
parts: Callable = partial(told_apart, "parts")


def context(name: str, seeds: int, share: float) -> dict[str, list[float]]:
    """Small objects named in a tight crop, and with three times its side in view."""
    views: dict[tuple[str, str], list] = {}
    labels: dict[str, list[int]] = {"train": [], "val": []}
    for split, numbers in labels.items():
        for drawing in scenes(name, split, share):
            for tight, wide, label in small_in(drawing):
                views.setdefault((split, "tight crop"), []).append(tight)
                views.setdefault((split, "three times the side"), []).append(wide)
                numbers.append(label)
    values, classes = {}, drawn_sets.world_of(name).categories
    for view in ("tight crop", "three times the side"):
        train, test = ((as_images(np.stack(views[split, view])), torch.tensor(labels[split]))
                       for split in ("train", "val"))
        values[view] = repeated(train, test, classes, seeds, share)
    return values
