"""COCO's annotation pipeline with simulated workers: naming categories, spotting objects, judging segments.

Source: COCO, Sec. 2.4 and App. A of the thesis (001). The workers are a model, stated in `Workers`; the
objects are those of a real or drawn set. Segments are drawn in `outlines`; `pipeline` runs all of it.
Axes: I images, C categories, W workers, G objects. Sizes: octaves above the border of small and medium.
"""
import math
from dataclasses import dataclass

import numpy as np

from paperlib.data.detection_set import DetectionSet

MOST_CROSSES = 10              # of one category in one image, by one worker


@dataclass(frozen=True)
class Workers:
    """What a group of workers is like: assumptions, none of them measured on people.

    Units: logits of probabilities; an odds of e^1 for each unit.
    """
    skill: tuple[float, float] = (1.0, 0.8)     # naming an object of the border's size: mean, spread
    octave: float = 0.8                         # gained when the object's side doubles
    doubt: float = 1.2                          # spread that all workers share: some are hard for everybody
    slip: tuple[float, float] = (-4.8, 0.7)     # naming what is absent, in an opened group: mean, spread
    skipped: float = 0.04                       # probability of not opening a group that is present
    strayed: float = 0.03                       # probability of opening a group that is absent


WORKERS = Workers()
EXPERTS = Workers(skill=(2.0, 0.3), slip=(-5.8, 0.3), skipped=0.01, strayed=0.01)


@dataclass(frozen=True)
class Crew:
    """Some workers: logits of their skill (W,) and of their slips (W,)."""
    skill: np.ndarray
    slip: np.ndarray


@dataclass(frozen=True)
class Presence:
    """Which categories are where."""
    there: np.ndarray      # (I, C) bool
    octaves: np.ndarray    # (I, C) size of the largest object
    group: np.ndarray      # (C,) index of the super-category


@dataclass(frozen=True)
class Spotted:
    """A set's objects in order, and who put a cross on each."""
    image: np.ndarray      # (G,)
    label: np.ndarray      # (G,)
    octaves: np.ndarray    # (G,) size
    by: np.ndarray         # (G, W) bool


def hire(model: Workers, count: int, rng: np.random.Generator) -> Crew:
    """`count` workers drawn from a model."""
    skill, spread = model.skill
    slip, slip_spread = model.slip
    return Crew(skill + spread * rng.standard_normal(count), slip + slip_spread * rng.standard_normal(count))


def groups(dataset: DetectionSet) -> list[str]:
    """The super-categories in order of first use; a category without one is its own."""
    return list(dict.fromkeys(_groups_of_categories(dataset)))


def _groups_of_categories(dataset: DetectionSet) -> list[str]:
    """The super-category of each category, or its own name."""
    return [category.get("supercategory") or category["name"] for category in dataset.categories]


def presence(dataset: DetectionSet) -> Presence:
    """Which categories each image shows, and how large; crowd regions do not count."""
    names, index = groups(dataset), {c["id"]: k for k, c in enumerate(dataset.categories)}
    present = np.zeros((len(dataset), len(index)), bool)
    octaves = np.full(present.shape, -np.inf)
    for i, image in enumerate(dataset.images):
        for ann in dataset.annotations.get(image["id"], []):
            if not ann["iscrowd"]:
                k = index[ann["category_id"]]
                present[i, k], octaves[i, k] = True, max(octaves[i, k], _octaves(dataset, ann))
    group = np.array([names.index(name) for name in _groups_of_categories(dataset)])
    return Presence(present, octaves, group)


def _octaves(dataset: DetectionSet, ann: dict) -> float:
    return math.log2(max(ann["area"], 1) / dataset.area_ranges["small"][1]) / 2


def name_categories(
    present: Presence, model: Workers, crew: Crew, rng, doubt: np.ndarray | None = None
) -> np.ndarray:
    """Each worker opens groups (super-categories) and names categories in them; (I, C, W) bool.

    `doubt` (I, C) is what all share; give the same to workers and experts who look at the same pictures.
    """
    (images, kinds), workers = present.there.shape, len(crew.skill)
    if doubt is None:
        doubt = shared_doubt(present, rng)
    member = np.eye(present.group.max() + 1, dtype=bool)[present.group]                       # (C, groups)
    occupied = (present.there[:, :, None] & member).any(1)[:, :, None]                     # (I, groups, 1)
    chance = np.where(occupied, 1 - model.skipped, model.strayed)
    opened = rng.random((images, member.shape[1], workers)) < chance
    lean = model.doubt * doubt[:, :, None]
    sight = crew.skill + model.octave * np.maximum(present.octaves, -9)[:, :, None] + lean
    chance = _sigmoid(np.where(present.there[:, :, None], sight, crew.slip + lean))
    return (rng.random((images, kinds, workers)) < chance) & opened[:, present.group]


def shared_doubt(present: Presence, rng) -> np.ndarray:
    """How hard each (image, category) is for everybody: standard normal, (I, C)."""
    return rng.standard_normal(present.there.shape)


def majority(named: np.ndarray) -> np.ndarray:
    """What more than half of the workers named, (I, C)."""
    return named.mean(-1) > 0.5


def recall_precision(said: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Of what is true, the share that was said; of what was said, the share that is true."""
    right = (said & truth).sum()
    return float(right / max(truth.sum(), 1)), float(right / max(said.sum(), 1))


def union_curve(named: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Recall and precision of the union of the first 1, 2, ... W workers; (2, W). Figure 2.4a."""
    said = np.logical_or.accumulate(named, axis=-1)
    return np.array([recall_precision(said[..., k], truth) for k in range(named.shape[-1])]).T


def union_study(
    dataset: DetectionSet, model: Workers = WORKERS, most: int = 10, seeds: int = 20
) -> np.ndarray:
    """`union_curve` of `seeds` crews of `most` workers against the set's own annotations; (seeds, 2, most).

    It repeats what the claim coco-union-saturates says of people; it could not contradict it.
    """
    present, curves = presence(dataset), []
    for seed in range(seeds):
        rng = np.random.default_rng((11, seed))
        named = name_categories(present, model, hire(model, most, rng), rng)
        curves.append(union_curve(named, present.there))
    return np.array(curves)


def leave_one_out(present: Presence, model: Workers, pool: int, each: int, rng) -> np.ndarray:
    """Recall, precision, number of images of each worker (pool, 3); truth is what others said. Figure 2.4b.

    Each image goes to `each` of `pool` workers; busy workers are drawn more often, whatever their quality.
    """
    crew, busy = hire(model, pool, rng), np.exp(rng.standard_normal(pool))
    right, said, true, done = np.zeros((4, pool))
    for i in range(len(present.there)):
        who = rng.choice(pool, each, replace=False, p=busy / busy.sum())
        one = Presence(present.there[i:i + 1], present.octaves[i:i + 1], present.group)
        named = name_categories(one, model, Crew(crew.skill[who], crew.slip[who]), rng)[0]   # (C, each)
        others = (named.sum(1, keepdims=True) - named) > 0
        right[who] += (named & others).sum(0)
        said[who] += named.sum(0)
        true[who] += others.sum(0)
        done[who] += 1
    rows = np.stack([right / np.maximum(true, 1), right / np.maximum(said, 1), done], 1)
    return rows[(said > 0) & (true > 0)]


def workers_needed(chance: float, share: float) -> int:
    """How many independent workers find a `share` of objects that each sees with probability `chance`."""
    if not 0 < chance < 1 or not 0 < share < 1:
        raise ValueError(f"chance {chance} and share {share}: expected both between 0 and 1")
    return math.ceil(math.log(1 - share) / math.log(1 - chance))


def spot(dataset: DetectionSet, model: Workers, crew: Crew, rng, limit: int | None = MOST_CROSSES) -> Spotted:
    """Each worker puts a cross on the objects of a category that they see, at most `limit` (None: on all).

    Who sees more than the limit marks the larger ones. Crowd regions are left out.
    """
    index, rows = {c["id"]: k for k, c in enumerate(dataset.categories, 1)}, []
    for i, image in enumerate(dataset.images):
        for ann in dataset.annotations.get(image["id"], []):
            if not ann["iscrowd"]:
                rows.append((i, index[ann["category_id"]], _octaves(dataset, ann)))
    where, label, octaves = np.array(rows, float).reshape(-1, 3).T
    lean = model.doubt * rng.standard_normal((len(rows), 1))
    chance = _sigmoid(crew.skill + model.octave * octaves[:, None] + lean)                      # (G, W)
    by = rng.random(chance.shape) < chance
    if limit is not None:
        for key in np.unique(np.stack([where, label]), axis=1).T:
            same = np.flatnonzero((where == key[0]) & (label == key[1]))
            if len(same) > limit:
                largest = same[np.argsort(-octaves[same], kind="stable")]
                by[largest] &= by[largest].cumsum(0) <= limit
    return Spotted(where.astype(int), label.astype(int), octaves, by)


def verify(
    approval: np.ndarray, rng, first: int = 3, extra: int = 2, needed: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """Judge segments, each approved of with probability `approval` (G,): which stay (G,), votes taken (G,).

    `first` judges look; if any objects, `extra` more do, and `needed` of all must approve (App. A).
    """
    votes = rng.random((len(approval), first + extra)) < np.asarray(approval)[:, None]
    clear = votes[:, :first].all(1)
    return clear | (votes.sum(1) >= needed), np.where(clear, first, first + extra)


def keep_chance(approval):
    """The probability that `verify` keeps a segment: three yes, or one no among three and then two yes."""
    p = np.asarray(approval, float)
    return p**3 + 3 * p**4 * (1 - p)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))
