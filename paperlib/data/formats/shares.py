"""Dividing a set into parts by share, so that each has its share of every class."""
from collections.abc import Mapping, Sequence

import numpy as np

from paperlib.data.detection_set import DetectionSet


def by_share(dataset: DetectionSet, shares: Mapping[str, float], seed: int = 0,
             groups: Sequence[int] | None = None) -> dict[str, list[int]]:
    """Part -> the places of its images: shares of the images, and as nearly as can be of each class's images.

    Images of one group, by its number in `groups`, stay together.

    Source: iterative stratification (Sechidis et al. 2011): the class that the fewest undecided images show
            goes first; each of its images goes to the part that still lacks most of that class.
    Errors: ValueError for shares that do not add up to 1, and for fewer images, or groups, than parts.
    """
    parts, fractions = list(shares), np.array(list(shares.values()), float)
    if len(parts) < 2 or not (fractions > 0).all() or abs(fractions.sum() - 1) > 1e-6:
        raise ValueError(f"shares {dict(shares)}: expected two or more above 0 that add up to 1, "
                         "as train=0.8 val=0.2")
    if len(dataset) < len(parts):
        raise ValueError(f"{dataset.name}: found {len(dataset)} images; "
                         f"expected one or more for each of {parts}")
    together = _members(groups, len(dataset))
    shows = _classes_shown(dataset)
    order = np.random.default_rng(seed).permutation(len(dataset))
    room = _counts(fractions, len(dataset))
    lacks = fractions[:, None] * shows.sum(0)              # (parts, classes): images that are still due
    chosen = np.full(len(dataset), -1)
    undecided = order
    while len(undecided):
        remaining = shows[undecided].sum(0)
        if not remaining.any():
            break
        rare = np.where(remaining > 0, remaining, np.inf).argmin()
        for i in undecided[shows[undecided, rare]]:
            if chosen[i] < 0:
                part = _neediest(lacks[:, rare], room, len(together[i]))
                chosen[together[i]] = part
                room[part] -= len(together[i])
                lacks[part] -= shows[together[i]].sum(0)
        undecided = undecided[chosen[undecided] < 0]
    for i in undecided:                                    # without an object
        if chosen[i] < 0:
            chosen[together[i]] = room.argmax()
            room[room.argmax()] -= len(together[i])
    _none_empty(dataset, parts, chosen)
    return {part: np.flatnonzero(chosen == k).tolist() for k, part in enumerate(parts)}


def _members(groups: Sequence[int] | None, num: int) -> list[np.ndarray]:
    """For each image the places of its group's; without groups itself alone."""
    if groups is None:
        groups = range(num)
    numbers = np.asarray(groups)
    members = {number: np.flatnonzero(numbers == number) for number in np.unique(numbers).tolist()}
    return [members[number] for number in numbers.tolist()]


def _none_empty(dataset: DetectionSet, parts: list[str], chosen: np.ndarray) -> None:
    """Errors: ValueError for a part that groups have left without an image."""
    for k, part in enumerate(parts):
        if not (chosen == k).any():
            raise ValueError(f"{dataset.name}: found no picture for {part!r}, as pictures that look the same "
                             "stay in one part; expected more that differ (or --look-alikes apart)")


def _classes_shown(dataset: DetectionSet) -> np.ndarray:
    """Which classes each image shows, crowds counted too: (images, classes) bool."""
    shows = np.zeros((len(dataset), len(dataset.classes)), bool)
    places = {category["id"]: k for k, category in enumerate(dataset.categories)}
    for i, image in enumerate(dataset.images):
        for ann in dataset.annotations[image["id"]]:
            shows[i, places[ann["category_id"]]] = True
    return shows


def _counts(fractions: np.ndarray, num: int) -> np.ndarray:
    """Whole numbers of images, in all `num`, one at least a part; the largest remainders are rounded up."""
    counts = np.floor(fractions * num).astype(int)
    remainders = fractions * num - counts
    counts[np.argsort(-remainders, kind="stable")[:num - counts.sum()]] += 1
    for k in np.flatnonzero(counts == 0):
        counts[counts.argmax()] -= 1
        counts[k] = 1
    return counts


def _neediest(lacks: np.ndarray, room: np.ndarray, size: int) -> int:
    """The part with room for `size` images, or with most, that lacks most of a class.

    Of equals it is the one with most room.
    """
    able = np.flatnonzero(room >= min(size, room.max()))
    return int(able[np.lexsort((-room[able], -lacks[able]))[0]])
