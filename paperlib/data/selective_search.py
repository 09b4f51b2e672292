"""Selective search, by OpenCV, kept on disk beside the set's pixels; and files of proposals.

It is written image by image, so that an interrupted search goes on.
"""
import hashlib
import json
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import cv2
import joblib
import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from paperlib.data.detection_set import DetectionSet
from paperlib.data.pixels import cache_folder, writable
from paperlib.paths import written_whole
from paperlib.progress import progress
from paperlib.systems.selective_search import FAST, SMALL

# colour spaces, graph segmentations (sigma, k, least px), similarities: colour, size, fill, texture; as FAST
QUALITY = (("HSV", "Lab"), ((0.4, 20, 8), (0.4, 100, 16)), ("csf", "sf"))
CHUNK = 100                    # images between two writes

LACKING = "this OpenCV lacks ximgproc, which selective search needs"
REMEDY = "expected the one with contrib modules: pip install opencv-contrib-python-headless, without others"


def can_search() -> bool:
    """Whether OpenCV has what selective search needs."""
    return hasattr(cv2, "ximgproc")


def selective_search(image: np.ndarray, quality: bool = False, seed: int = 0) -> np.ndarray:
    """Boxes of regions by a hierarchical grouping of the image, likeliest first: (H, W, 3) RGB -> (P, 4) px.

    Source: Uijlings et al. 2013, through OpenCV; Fast R-CNN (arXiv 1504.08083v2) Sec. 4-5 uses both modes.
    Differs: images under 256 px are cut into finer segments, as OpenCV's own settings are made for 500 px.
             Rank is a random number times the place in the order of size:
             OpenCV's own order cannot be repeated.
    """
    if not can_search():
        raise OSError(f"{LACKING}; {REMEDY}")
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(bgr)
    if min(image.shape[:2]) < SMALL:
        _fine(search, bgr, _settings(quality))
    elif quality:
        search.switchToSelectiveSearchQuality()
    else:
        search.switchToSelectiveSearchFast()
    boxes = np.unique(search.process(), axis=0)
    boxes[:, 2:] += boxes[:, :2]
    place = np.argsort(np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(1), kind="stable"))
    rank = (place + 1) * np.random.default_rng(seed).random(len(boxes))
    return boxes[np.argsort(rank)].astype(np.float32)


def _settings(quality: bool) -> tuple:
    """How images of less than SMALL px are searched."""
    return QUALITY if quality else FAST


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
            create = getattr(tools, f"createSelectiveSearchSegmentationStrategy{kinds[letter]}")
            mixed.addStrategy(create(), 1 / len(letters))
        search.addStrategy(mixed)


def searched(dataset: DetectionSet, quality: bool = False, jobs: int | None = None) -> list[Tensor]:
    """Selective search on every image, by all cores, `kept` on disk."""
    method = json.dumps(["selective search 1", quality, _settings(quality), SMALL, cv2.__version__])
    run = joblib.Parallel(jobs or -1, prefer="threads")  # OpenCV lets other threads run meanwhile

    def search(places: list[int]) -> list[np.ndarray]:
        return run(joblib.delayed(_search)(dataset.image(i).numpy(), quality, i) for i in places)

    return kept(dataset, method, search, "selective search")


def kept(dataset: DetectionSet, method: str, find: Callable[[list[int]], list[np.ndarray]],
         title: str) -> list[Tensor]:
    """What `find(places)` makes of the images, (P, 4) px each: read from disk, or found and written there.

    It is written every CHUNK images. `method` says in words all that decides the boxes.
    Where nothing can be written they are found each time.
    """
    key = hashlib.sha256(method.encode()).hexdigest()[:8]
    path = cache_folder(dataset.root) / f".proposals-{dataset.version}-{key}.npz"
    names = [_stamped(dataset.root, image["file_name"]) for image in dataset.images]
    known = _read(path)[0] if path.exists() else {}
    keep = not known.keys() >= set(names) and writable(path.parent)
    with FileLock(f"{path}.lock") if keep else nullcontext():
        if keep and path.exists():
            known = _read(path)[0]                         # another process may have added some
        todo = [i for i, name in enumerate(names) if name not in known]
        with progress(total=len(todo), desc=title, unit="image") as bar:
            for first in range(0, len(todo), CHUNK):
                chunk = todo[first:first + CHUNK]
                for i, boxes in zip(chunk, find(chunk)):
                    known[names[i]] = boxes
                if keep:
                    _write(path, known, {"version": dataset.version, "method": method})
                bar.update(len(chunk))
    return _tensors(known, names)


def _tensors(known: dict[str, np.ndarray], names: list[str]) -> list[Tensor]:
    return [torch.from_numpy(known[name].astype(np.float32)) for name in names]


def _stamped(root: Path, name: str) -> str:
    """A picture's name, bytes and time of last change: a picture that is replaced is searched again."""
    info = (root / name).stat()
    return f"{name} {info.st_size} {info.st_mtime_ns}"


def _search(image: np.ndarray, quality: bool, seed: int) -> np.ndarray:
    return selective_search(image.transpose(1, 2, 0), quality, seed).astype(np.int16)


def save_proposals(path: str | Path, dataset: DetectionSet, boxes: list[Tensor], **about: str) -> Path:
    """Write one (P, 4) px tensor an image of `dataset`, best first, for `ProposalSource(kind=path)`."""
    named = {}
    for image, box in zip(dataset.images, boxes, strict=True):
        named[image["file_name"]] = box.cpu().numpy()
    return _write(Path(path), named, {"version": dataset.version, "data": dataset.name, **about})


def read_proposals(path: str | Path, dataset: DetectionSet) -> list[Tensor]:
    """The proposals of every image.

    Errors: FileNotFoundError; ValueError for a file made for another set or other images.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"proposals.kind {path}: no such file")
    known, about = _read(path)
    names = [image["file_name"] for image in dataset.images]
    lacking = [name for name in names if name not in known]
    if about.get("version") != dataset.version or lacking:
        lack = f" with {lacking[0]} and {len(lacking) - 1} others that lack" if lacking else ""
        raise ValueError(f"{path}: proposals of {about.get('data', 'a set')} version {about.get('version')}, "
                         f"{len(known)} images; expected {dataset.name} version {dataset.version}{lack}")
    return _tensors(known, names)


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    try:
        with np.load(path, allow_pickle=False) as file:
            boxes = np.split(file["boxes"], file["counts"].cumsum()[:-1])
            return dict(zip(file["names"].tolist(), boxes)), json.loads(str(file["about"]))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a file of proposals ({error}); delete it") from None


def _write(path: Path, named: dict[str, np.ndarray], about: dict) -> Path:
    boxes = list(named.values())
    with written_whole(path) as part, part.open("wb") as file:
        np.savez(file, names=np.array(list(named)), counts=np.array(list(map(len, boxes))),
                 boxes=np.concatenate(boxes), about=np.array(json.dumps(about)))
    return path
