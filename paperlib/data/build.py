"""Writing the drawn sets to disk in the formats of the real ones: MiniNet (folders), MiniVOC (VOC), MiniCOCO (COCO).

The annotations depend on the version of the drawings and on nothing else: not on the number of processes, not on the
day, not on the processor. Nor do the pictures, but for rounding: without a processor's fast instructions 6 values in 79
million differed, by 1.
"""
import ast
import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from joblib import Parallel, delayed

from paperlib.children import end_with_parent
from paperlib.data.captions import captions
from paperlib.data.drawings import CATEGORIES
from paperlib.data.outlines import polygons, run_lengths
from paperlib.data.voc_writer import write_lists, write_voc
from paperlib.data.world import VERSION, Drawing, World, compose
from paperlib.device import progress

AREA_BOUNDS = (12, 36)                              # px, side lengths: 1:3 as COCO's 32 and 96, for 128 px images
WORLDS = {
    "minicoco": World(),
    "minivoc": World(categories=20, single=0.56, kinds=2.7, per_kind=2.0, iconic=0.35, subject=0.7, crowding=0.0,
                     empty=0.0, crowd_after=(99, 99), zoom=(1.5, 0.4), clutter=1.5, stuff=0.5),
    "mininet": World(size=64, portrait=(0.5, 0.98), stuff=0.5, clutter=1.0, blur=(0.0, 0.8), noise=5.0, tint=0.04),
}
COUNTS = {
    "minicoco": {"train": 8000, "val": 1000, "test": 1000},
    "minivoc": {"trainval": 3000, "test": 1000},
    "mininet": {"train": 14400, "val": 1800},       # 400 and 50 a class
}
TURNED = (1500, 400)                                # of "minicoco?stuff=0": enough to compare two systems, cheaply
CHUNK = 50                                          # images that a process draws at a time
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 95)               # a quarter of PNG's size and a twentieth of its time


@cache
def world_of(name: str) -> World:
    """The dials of a drawn set, some of which its name may turn: "minicoco", "minicoco?stuff=0&clutter=0".

    Errors: KeyError for an unknown set or dial; ValueError for a dial without a value.
    """
    base, _, turned = name.partition("?")
    if base not in WORLDS:
        raise KeyError(f"no drawn set {base!r}; there are {', '.join(WORLDS)}")
    dials, changes = dataclasses.asdict(WORLDS[base]), {}
    for dial, sign, value in (part.partition("=") for part in turned.split("&") if turned):
        if dial not in dials:
            raise KeyError(f"{name}: no dial {dial!r}; there are {', '.join(dials)}")
        try:
            changes[dial] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ValueError(f"{name}: {dial}{sign}{value} is no number, nor a pair of numbers") from None
    return dataclasses.replace(WORLDS[base], **changes)


def counts_of(name: str) -> dict[str, int]:
    """Images a split; a set with a turned dial is a smaller one, of the first two splits."""
    base, turned, _ = name.partition("?")
    return dict(zip(COUNTS[base], TURNED)) if turned else COUNTS[base]


def build(name: str, folder: str | Path, jobs: int | None = None, counts: dict[str, int] | None = None) -> None:
    """Draw the set `name` into `folder`, in `jobs` processes (default: one a core); `counts` images a split.

    Errors: KeyError for an unknown set, dial or split.
    """
    world_of(name)
    counts = counts_of(name) if counts is None else counts
    if unknown := set(counts) - set(counts_of(name)):
        raise KeyError(f"{name} has no split {sorted(unknown)}; it has {', '.join(counts_of(name))}")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    WRITERS[name.partition("?")[0]](name, folder, counts, jobs or os.cpu_count() or 1)
    (folder / "version").write_text(version(name) + "\n")


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
    base = name.partition("?")[0]
    sets, splits = list(COUNTS), list(COUNTS[base])
    return ((sets.index(base) + 1) * 10 + splits.index(split)) * 1_000_000 + number


def _draw(work: Callable, name: str, counts: dict[str, int], jobs: int, *more) -> Iterator[tuple[str, int, object]]:
    """(split, number, what `work` returns for it) in order; `work` draws and stores one picture in some process."""
    todo = [(split, k) for split, n in counts.items() for k in range(n)]
    chunks = [todo[i:i + CHUNK] for i in range(0, len(todo), CHUNK)]
    results = Parallel(n_jobs=min(jobs, len(chunks) or 1), return_as="generator")(
        delayed(_chunk)(work, name, chunk, *more) for chunk in chunks)
    with progress(total=len(todo), desc=f"drawing {name}", unit="image") as bar:
        for chunk, found in zip(chunks, results):
            for (split, k), result in zip(chunk, found):
                yield split, k, result
            bar.update(len(chunk))


def _chunk(work: Callable, name: str, chunk, *more) -> list:
    end_with_parent()
    cv2.setNumThreads(1)
    return [work(name, split, k, *more) for split, k in chunk]


def save(file: Path, image: np.ndarray, options=JPEG) -> None:
    """Write an RGB picture. Errors: OSError if the disk refuses it."""
    ok, data = cv2.imencode(file.suffix, image[..., ::-1], options)
    if not ok:
        raise OSError(f"{file}: OpenCV could not encode the image")
    file.write_bytes(data.tobytes())


# MiniNet: <split>/<class>/<number>.jpg
def _net_one(name: str, split: str, k: int, folder: Path) -> None:
    label = k % world_of(name).categories
    drawing = compose(world_of(name), seed_of(name, split, k), label + 1)
    save(folder / split / CATEGORIES[label].name / f"{k:06d}.jpg", drawing.image)


def _write_net(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    for split in counts:
        for category in CATEGORIES:
            (folder / split / category.name).mkdir(parents=True, exist_ok=True)
    for _ in _draw(_net_one, name, counts, jobs, folder):
        pass


# MiniVOC: see voc_writer
def _voc_one(name: str, split: str, k: int, folder: Path) -> list[dict]:
    drawing = compose(world_of(name), seed_of(name, split, k))
    stem = f"{_first_id(name, split) + k:06d}"
    save(folder / "JPEGImages" / f"{stem}.jpg", drawing.image)
    return stem, write_voc(folder, stem, drawing)


def _write_voc(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    for part in ("JPEGImages", "Annotations", "SegmentationObject", "SegmentationClass"):
        (folder / part).mkdir(exist_ok=True)
    lists: dict[str, list] = {split: [] for split in counts}
    for split, _, (stem, found) in _draw(_voc_one, name, counts, jobs, folder):
        lists[split].append((stem, found))
    write_lists(folder, lists, [c.name for c in CATEGORIES[:world_of(name).categories]])


# MiniCOCO: annotations/*.json and a folder of pictures for each split
def _first_id(name: str, split: str) -> int:
    splits = list(counts_of(name))
    return 1 + sum(counts_of(name)[earlier] for earlier in splits[:splits.index(split)])


def _coco_one(name: str, split: str, k: int, folder: Path) -> tuple[list[dict], list[str]]:
    drawing = compose(world_of(name), seed_of(name, split, k))
    number = _first_id(name, split) + k
    save(folder / split / f"{number:012d}.jpg", drawing.image)
    return _coco_records(drawing, number), captions(drawing, number)


def _coco_records(drawing: Drawing, image_id: int) -> list[dict]:
    return [{"image_id": image_id, "category_id": thing["category"], "bbox": thing["bbox"], "area": thing["area"],
             "iscrowd": int(thing["crowd"]),
             "segmentation": run_lengths(thing["mask"]) if thing["crowd"] else polygons(thing["mask"])}
            for thing in drawing.instances]


def _write_coco(name: str, folder: Path, counts: dict[str, int], jobs: int) -> None:
    for part in ("annotations", *counts):
        (folder / part).mkdir(exist_ok=True)
    size = world_of(name).size
    found: dict[str, tuple[list, list, list]] = {split: ([], [], []) for split in counts}
    next_id = 1
    for split, k, (records, lines) in _draw(_coco_one, name, counts, jobs, folder):
        images, things, sentences = found[split]
        number = _first_id(name, split) + k
        images.append({"id": number, "file_name": f"{number:012d}.jpg", "height": size, "width": size})
        things += [{"id": next_id + j, **record} for j, record in enumerate(records)]
        sentences += [{"id": 5 * number + j, "image_id": number, "caption": line} for j, line in enumerate(lines)]
        next_id += len(records)
    for split, (images, things, sentences) in found.items():
        info = {"description": f"MiniCOCO {split}: drawn scenes", "version": version(name),
                "area_bounds": AREA_BOUNDS}
        there = CATEGORIES[:world_of(name).categories]
        kinds = [{"id": k, "name": c.name, "supercategory": c.supercategory} for k, c in enumerate(there, 1)]
        if split == "test":
            _dump(folder, f"image_info_{split}", {"info": info, "images": images, "categories": kinds})
            continue
        content = {"info": info, "images": images, "annotations": things, "categories": kinds}
        _dump(folder, f"instances_{split}", content)
        _dump(folder, f"captions_{split}", {"info": info, "images": images, "annotations": sentences})


def _dump(folder: Path, name: str, content: dict) -> None:
    (folder / "annotations" / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")))


WRITERS = {"mininet": _write_net, "minivoc": _write_voc, "minicoco": _write_coco}
