"""The drawn sets by name: their world, how many images each split has, seeds and ids.

Any dial of the world can be turned in a set's name: "minicoco?stuff=0".
"""
import ast
import dataclasses
import hashlib
import json
import re
from dataclasses import replace
from functools import cache

from paperlib.spelling import did_you_mean
from paperlib.world.set_names import SetName
from paperlib.world.world import VERSION, World

AREA_BOUNDS = (12, 36)  # px, side lengths: 1:3 as COCO's 32 and 96, for 128 px images
WORLDS = {
    "minicoco": World(),
    "minivoc": World(categories=20, single=0.56, kinds=2.7, per_kind=2.0, iconic=0.35, subject=0.7,
                     crowding=0.0, empty=0.0, crowd_after=(99, 99), zoom=(1.5, 0.4), clutter=1.5, stuff=0.5),
    "mininet": World(size=64, portrait=(0.5, 0.98), stuff=0.5, clutter=1.0, blur=(0.0, 0.8), noise=5.0,
                     tint=0.04),
}
COUNTS = {
    "minicoco": {"train": 8000, "val": 1000, "test": 1000},
    "minivoc": {"trainval": 3000, "test": 1000},
    "mininet": {"train": 14400, "val": 1800},       # 400 and 50 a class
}
TURNED = (1500, 400)  # of "minicoco?stuff=0": enough to compare two systems, cheaply


@cache
def world_of(name: str) -> World:
    """The dials of a drawn set, some of which its name may turn: "minicoco", "minicoco?stuff=0&clutter=0".

    Errors: KeyError for an unknown set or dial; ValueError for a dial without a value.
    """
    parts = SetName.parse(name)
    if parts.base not in WORLDS:
        raise KeyError(f"no drawn set {parts.base!r}; there are {', '.join(WORLDS)}")
    dials, changes = dataclasses.asdict(WORLDS[parts.base]), {}
    for setting in parts.dials:
        dial, _, value = setting.partition("=")
        if dial not in dials:
            raise KeyError(f"{name}: no dial {dial!r}; there are {', '.join(dials)}"
                           f"{did_you_mean(dial, dials)}")
        try:
            changes[dial] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ValueError(f"{name}: {setting} is no number, nor a pair of numbers") from None
    return replace(WORLDS[parts.base], **changes)


def counts_of(name: str) -> dict[str, int]:
    """Images a split; a set with a turned dial is a smaller one, of the first two splits."""
    parts = SetName.parse(name)
    return dict(zip(COUNTS[parts.base], TURNED)) if parts.dials else COUNTS[parts.base]


def version(name: str) -> str:
    """What the pictures of a set depend on, as 12 hex digits: the version of the drawings and every dial."""
    text = json.dumps([name, VERSION, dataclasses.asdict(world_of(name)), counts_of(name)])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def folder_of(name: str) -> str:
    """The set's name as a folder's: "minicoco?stuff=0" lies in minicoco-stuff=0."""
    return re.sub(r"[^\w.=]+", "-", name).strip("-")


def seed_of(name: str, split: str, number: int) -> int:
    """The seed of a picture; no two pictures of all sets and splits share one (up to a million a split).

    A set with a turned dial has the seeds of the set that it comes from.
    """
    base = SetName.parse(name).base
    sets, splits = list(COUNTS), list(COUNTS[base])
    return ((sets.index(base) + 1) * 10 + splits.index(split)) * 1_000_000 + number


# MiniCOCO: annotations/*.json and a folder of pictures for each split
@cache
def first_id(name: str, split: str) -> int:
    """The id of a split's first image: ids go on from split to split."""
    splits = list(counts_of(name))
    return 1 + sum(counts_of(name)[earlier] for earlier in splits[:splits.index(split)])
