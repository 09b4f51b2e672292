"""Object proposals that come with the images: selective search, a dense grid, or a file that another system wrote.

What was found is kept on disk beside the set's pixels, image by image, so that an interrupted search goes on.
"""
import dataclasses
import hashlib
import json
import os
import zipfile
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path

import cv2
import joblib
import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from paperlib.data.coco import DetectionSet
from paperlib.data.images import cache_folder, writable
from paperlib.device import progress
from paperlib.parts import boxes
from paperlib.parts.anchors import AnchorConfig, anchors_for, inside
from paperlib.parts.rois import ProposalSource

SMALL = 256                    # px; images with a shorter side below are searched in finer steps
# colour spaces, graph segmentations (sigma, k, least px), similarities: colour, size, fill, texture
FAST = (("HSV", "Lab"), ((0.4, 30, 12),), ("csf", "sf"))
QUALITY = (("HSV", "Lab"), ((0.4, 20, 8), (0.4, 100, 16)), ("csf", "sf"))
GRID = AnchorConfig(levels=(3, 4, 5), size_per_stride=2.0, scales=(1.0, 2**0.5))
RICH = AnchorConfig(levels=(2, 3, 4), size_per_stride=4.0, scales=tuple(2 ** (k / 4) for k in range(4)),
                    ratios=(0.35, 0.5, 0.71, 1.0, 1.41, 2.0, 2.83))
GRIDS = {"dense": GRID, "dense_rich": RICH}
BORDER = 16                    # px by which a grid's box may cross the image's edge before it is cut there
CHUNK = 100                    # images between two writes


def selective_search(image: np.ndarray, quality: bool = False, seed: int = 0) -> np.ndarray:
    """Boxes of regions that a hierarchical grouping of the image finds, likeliest first: (H, W, 3) RGB -> (P, 4) px.

    Source: Uijlings et al. 2013, through OpenCV; Fast R-CNN (arXiv 1504.08083v2) Sec. 4-5 uses both modes.
    Differs: images under 256 px are cut into finer segments, as OpenCV's own settings are made for 500 px. Rank is a
             random number times the place in the order of size: OpenCV's own order cannot be repeated.
    """
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(bgr)
    if min(image.shape[:2]) < SMALL:
        _fine(search, bgr, QUALITY if quality else FAST)
    elif quality:
        search.switchToSelectiveSearchQuality()
    else:
        search.switchToSelectiveSearchFast()
    found = np.unique(search.process(), axis=0)
    found[:, 2:] += found[:, :2]
    place = np.argsort(np.argsort(-(found[:, 2:] - found[:, :2]).prod(1), kind="stable"))
    rank = (place + 1) * np.random.default_rng(seed).random(len(found))
    return found[np.argsort(rank)].astype(np.float32)


def _fine(search, bgr: np.ndarray, settings: tuple) -> None:
    tools, (spaces, graphs, strategies) = cv2.ximgproc.segmentation, settings
    kinds = {"c": "Color", "s": "Size", "f": "Fill", "t": "Texture"}
    for space in spaces:
        search.addImage(cv2.cvtColor(bgr, getattr(cv2, f"COLOR_BGR2{space}")))
    for sigma, k, least in graphs:
        search.addGraphSegmentation(tools.createGraphSegmentation(sigma, k, least))
    for letters in strategies:
        mixed = tools.createSelectiveSearchSegmentationStrategyMultiple()
        for letter in letters:
            mixed.addStrategy(getattr(tools, f"createSelectiveSearchSegmentationStrategy{kinds[letter]}")(),
                              1 / len(letters))
        search.addStrategy(mixed)


@lru_cache(maxsize=64)
def dense_boxes(size: tuple[int, int], rule: AnchorConfig = GRID) -> Tensor:
    """The same boxes for every image of `size` (h, w): over scale, position and aspect ratio, (D, 4) px.

    Source: Fast R-CNN Sec. 5.5, which takes about 45k of 600 x 1000 px.
    Differs: cut at the image's border; 6 shapes of 16 to 90 px at every 8, 16 or 32 px, about 2,000 at 128 x 128 px,
             or by `rule` RICH those of `closest_dense`.
    """
    shapes = {level: tuple(-(-side // 2**level) for side in size) for level in rule.levels}
    grid = anchors_for(rule, shapes)
    return boxes.clip(grid[inside(grid, size, BORDER)], size)


def closest_dense(found: Tensor, size: tuple[int, int]) -> Tensor:
    """The box of a rich grid over an image of `size` (h, w) that overlaps each of `found` most: (P, 4) -> (P, 4) px.

    Source: Fast R-CNN Sec. 5.5: so many boxes (45k) that one lies close to any box. Here 34,000 at 128 x 128 px, 28
            shapes of 16 to 108 px at every 4, 8 or 16 px.
    Of all boxes of one shape that with the nearest centre overlaps most, and of those that the image's edge cuts, that
    with the nearest uncut side: one of each of 84 shapes is tried. Near edges a slightly closer box may be missed.
    """
    shapes = anchors_for(RICH, dict.fromkeys(RICH.levels, (1, 1)))  # (S, 4), each at the first place of its map
    step = torch.tensor(RICH.levels).exp2().repeat_interleave(len(shapes) // len(RICH.levels))[:, None]  # (S, 1)
    edge = torch.tensor(size[::-1], dtype=shapes.dtype)  # w, h
    first = ((-BORDER - shapes[:, :2]) / step).ceil().clamp(min=0)
    last = ((edge + BORDER - shapes[:, 2:]) / step).floor().minimum((edge / step).ceil() - 1)
    low, high = found[:, None, :2], found[:, None, 2:]
    place = ((low + high) / 2 / step).floor().maximum(first).minimum(last)  # (P, S, 2)
    left, right = ((side / step).round() for side in (low - shapes[:, :2], high - shapes[:, 2:]))
    place = torch.where(shapes[:, :2] + place * step < 0, right,
                        torch.where(shapes[:, 2:] + place * step > edge, left, place)).maximum(first).minimum(last)
    near = boxes.clip(shapes + (place * step).repeat(1, 1, 2), size)
    overlap = boxes.iou(found[:, None], near)[:, 0].masked_fill((last < first).any(1), -1)
    return near[torch.arange(len(near)), overlap.argmax(1)]


def with_proposals(dataset: DetectionSet, source: ProposalSource, jobs: int | None = None) -> DetectionSet:
    """The same set, whose targets hold "proposals" (P, 4) px; selective search is run for images that lack it.

    Errors: ValueError for an unknown kind, or a proposal file of other images; FileNotFoundError.
    """
    sizes = [(image["height"], image["width"]) for image in dataset.images]
    if source.kind in GRIDS:
        grids = (dense_boxes(size, GRIDS[source.kind]) for size in sizes)
        found = [_some(grid, source.keep, image["id"]) for grid, image in zip(grids, dataset.images)]
    elif source.kind in ("selective_search", "quality", "nearest_dense", "nearest_rich"):
        found = searched(dataset, source.kind == "quality", jobs)
    elif source.kind.endswith(".npz"):
        found = read_proposals(source.kind, dataset)
    else:
        raise ValueError(f"proposals.kind {source.kind!r}: expected 'selective_search', 'quality', 'dense', "
                         "'dense_rich', 'nearest_dense', 'nearest_rich' or the path of an .npz file")
    found = [b[:source.keep] for b in found]
    if source.kind == "nearest_dense":
        found = [grid[boxes.iou(b, grid).argmax(1)] for b, grid in zip(found, map(dense_boxes, sizes))]
    if source.kind == "nearest_rich":
        found = [closest_dense(b, size) for b, size in zip(found, sizes)]
    if source.dense:
        found = [torch.cat([b, _some(dense_boxes(size), source.dense, image["id"])])
                 for b, size, image in zip(found, sizes, dataset.images)]
    return dataclasses.replace(dataset, proposals=found)


def asks_for_proposals(system, training: bool = False) -> bool:
    """Whether a system is tested (or trained) on proposals that come with the images, not on its own."""
    cfg = getattr(system, "cfg", None)
    wanted = getattr(cfg, "train_on" if training else "test_on", "given")
    return wanted == "given" and isinstance(getattr(cfg, "proposals", None), ProposalSource)


def _some(grid: Tensor, num: int, seed: int) -> Tensor:
    if num >= len(grid):
        return grid
    return grid[torch.randperm(len(grid), generator=torch.Generator().manual_seed(seed))[:num]]


def searched(dataset: DetectionSet, quality: bool = False, jobs: int | None = None) -> list[Tensor]:
    """Selective search on every image: read from disk, or run by all cores and written every hundred images.

    Where nothing can be written it is run each time.
    """
    method = json.dumps(["selective search 1", quality, QUALITY if quality else FAST, SMALL, cv2.__version__])
    key = hashlib.sha256(method.encode()).hexdigest()[:8]
    path = cache_folder(dataset.root) / f".proposals-{dataset.version}-{key}.npz"
    names = [image["file_name"] for image in dataset.images]
    known = _read(path)[0] if path.exists() else {}
    keep = not known.keys() >= set(names) and writable(path.parent)
    with FileLock(f"{path}.lock") if keep else nullcontext():
        known = _read(path)[0] if keep and path.exists() else known  # another process may have added some
        todo = [i for i, name in enumerate(names) if name not in known]
        run = joblib.Parallel(jobs or -1, prefer="threads")  # OpenCV lets other threads run meanwhile
        with progress(total=len(todo), desc="selective search", unit="image") as bar:
            for first in range(0, len(todo), CHUNK):
                chunk = todo[first:first + CHUNK]
                new = run(joblib.delayed(_search)(dataset.image(i).numpy(), quality, i) for i in chunk)
                known |= {names[i]: b for i, b in zip(chunk, new)}
                if keep:
                    _write(path, known, {"version": dataset.version, "method": method})
                bar.update(len(chunk))
    return [torch.from_numpy(known[name].astype(np.float32)) for name in names]


def _search(image: np.ndarray, quality: bool, seed: int) -> np.ndarray:
    return selective_search(image.transpose(1, 2, 0), quality, seed).astype(np.int16)


def save_proposals(path: str | Path, dataset: DetectionSet, found: list[Tensor], **about: str) -> Path:
    """Write one (P, 4) px tensor an image of `dataset`, best first, for `ProposalSource(kind=path)`."""
    named = {image["file_name"]: b.cpu().numpy() for image, b in zip(dataset.images, found, strict=True)}
    return _write(Path(path), named, {"version": dataset.version, "data": dataset.name, **about})


def read_proposals(path: str | Path, dataset: DetectionSet) -> list[Tensor]:
    """The proposals of every image. Errors: FileNotFoundError; ValueError for a file made for another set or images."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"proposals.kind {path}: no such file")
    known, about = _read(path)
    lacking = [image["file_name"] for image in dataset.images if image["file_name"] not in known]
    if about.get("version") != dataset.version or lacking:
        raise ValueError(f"{path}: proposals of {about.get('data', 'a set')} version {about.get('version')}, "
                         f"{len(known)} images; expected {dataset.name} version {dataset.version}"
                         + (f" with {lacking[0]} and {len(lacking) - 1} others that lack" if lacking else ""))
    return [torch.from_numpy(known[image["file_name"]].astype(np.float32)) for image in dataset.images]


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    try:
        with np.load(path, allow_pickle=False) as file:
            ends = file["counts"].cumsum()
            return dict(zip(file["names"].tolist(), np.split(file["boxes"], ends[:-1]))), json.loads(str(file["about"]))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a file of proposals ({error}); delete it") from None


def _write(path: Path, found: dict[str, np.ndarray], about: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("wb") as file:
        np.savez(file, names=np.array(list(found)), counts=np.array([len(b) for b in found.values()]),
                 boxes=np.concatenate(list(found.values())), about=np.array(json.dumps(about)))
    os.replace(part, path)
    return path
