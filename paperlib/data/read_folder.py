"""Classification sets in the folder-per-class layout (MiniNet; ImageNet works too) as arrays in memory."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.datasets import ImageFolder

from paperlib.data import named_sets


@dataclass(frozen=True)
class Crops:
    """`images` (n, 3, S, S) uint8 RGB, `labels` (n,) int64 0..K-1 into `classes`, `version`: their hash."""

    images: np.ndarray
    labels: np.ndarray
    classes: list[str]
    version: str


def load_classification(name: str | Path, split: str, size: int = 64, limit: int | None = None) -> Crops:
    """Read <folder>/<split>/<class>/<image>: "mininet" (drawn on first use) or a path.

    Images are resized to `size` px.
    `limit` keeps the first n images after an even shuffle over the classes.
    Errors: FileNotFoundError for a missing folder; ValueError naming an image that cannot be read.
    """
    folder = named_sets.ensure(name) / split if name == "mininet" else Path(name) / split
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; expected one folder a class in it")
    listed = ImageFolder(folder)
    order = np.random.default_rng(0).permutation(len(listed))[:limit]
    images = np.empty((len(order), 3, size, size), np.uint8)
    digest = hashlib.sha256()
    for i, index in enumerate(order):
        path = Path(listed.samples[index][0])
        images[i] = _read(path, size)
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}".encode())
    return Crops(images, np.array(listed.targets)[order], listed.classes, digest.hexdigest()[:12])


def _read(path: Path, size: int) -> np.ndarray:
    try:
        with Image.open(path) as image:
            image = image.convert("RGB")
            if image.size != (size, size):
                image = image.resize((size, size), Image.Resampling.BILINEAR)
            return np.asarray(image).transpose(2, 0, 1)
    except OSError as error:
        raise ValueError(f"{path}: not a readable image ({error})") from None
