"""Collecting images: a search by one or two categories, and near-duplicates by a perceptual hash."""
from dataclasses import dataclass

import cv2
import numpy as np

from paperlib.data.detection_set import DetectionSet


@dataclass(frozen=True)
class Hit:
    """One image that a search found: which set, which image, and how prominent the query is in it (0..1)."""
    dataset: DetectionSet
    index: int
    score: float


def prominence(dataset: DetectionSet, i: int) -> dict[str, float]:
    """{category: share of image i that its largest object's box covers}; crowds do not count."""
    image, names = dataset.images[i], {c["id"]: c["name"] for c in dataset.categories}
    shares: dict[str, float] = {}
    for ann in dataset.annotations.get(image["id"], []):
        if not ann["iscrowd"]:
            share = min(1.0, ann["bbox"][2] * ann["bbox"][3] / (image["width"] * image["height"]))
            name = names[ann["category_id"]]
            shares[name] = max(shares.get(name, 0.0), share)
    return shares


def search(pool: list[DetectionSet], names: list[str], most: int = 50) -> list[Hit]:
    """The images that a photo site would show first for these categories: all in view, most prominent first.

    A stated assumption: rank is the geometric mean of the share of the image that each named category covers.
    """
    hits = []
    for dataset in pool:
        for i in range(len(dataset)):
            shares = prominence(dataset, i)
            if shares.keys() >= set(names):
                score = float(np.prod([shares[name] for name in names]) ** (1 / len(names)))
                hits.append(Hit(dataset, i, score))
    return sorted(hits, key=lambda hit: -hit.score)[:most]


def iconic(dataset: DetectionSet, i: int, alone: bool = True) -> bool:
    """Of one category, with its largest box in the middle half and on a fifth of the image: our definition.

    Without `alone` other categories may be there too, and the largest box of all counts.
    """
    image = dataset.images[i]
    anns = dataset.annotations.get(image["id"], [])
    if not anns or (alone and len({a["category_id"] for a in anns}) > 1):
        return False
    x, y, w, h = max(anns, key=lambda a: a["bbox"][2] * a["bbox"][3])["bbox"]
    across, down = (x + w / 2) / image["width"], (y + h / 2) / image["height"]
    in_the_middle = 0.25 <= across <= 0.75 and 0.25 <= down <= 0.75
    return in_the_middle and w * h >= 0.2 * image["width"] * image["height"]


def perceptual_hash(image) -> np.ndarray:
    """64 bits that survive rescaling, re-encoding and other light: signs of the 8 x 8 lowest frequencies.

    Shapes: image uint8 (3, H, W) -> bool (64,). Each frequency is compared with the median of all.
    Differs: the authors used another global descriptor; the idea, few numbers per image, is the same.
    """
    rgb = np.ascontiguousarray(np.asarray(image).transpose(1, 2, 0))
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (32, 32), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey.astype(np.float32))[:8, :8].ravel()
    return low > np.median(low)


def hash_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How many of the 64 bits differ: (n, 64), (m, 64) -> (n, m)."""
    a, b = np.atleast_2d(a).astype(np.float32), np.atleast_2d(b).astype(np.float32)
    return np.rint(a @ (1 - b).T + (1 - a) @ b.T).astype(int)


def split_by_group(groups: list, shares: dict[str, float], rng: np.random.Generator) -> dict[str, list[int]]:
    """Images dealt to splits so that no group (a photographer's day, near-duplicates) is in two of them."""
    names, left = list(shares), np.array(list(shares.values())) / sum(shares.values()) * len(groups)
    out: dict[str, list[int]] = {name: [] for name in names}
    members_of: dict = {}
    for i, group in enumerate(groups):
        members_of.setdefault(group, []).append(i)
    together = list(members_of.values())
    for k in rng.permutation(len(together)):
        members = together[k]
        chosen = int(left.argmax())
        out[names[chosen]] += members
        left[chosen] -= len(members)
    return out
