"""Pictures that look the same: copies after scaling, another name or JPEG, frames of one moment.

Source: difference hashes (Krawetz 2013), here of 16 x 16 cells; pairs are then compared as small grey
        pictures, since smooth scenes have alike hashes.

Legend: N pictures of one split, M of another.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from paperlib.data.detection_set import DetectionSet
from paperlib.progress import progress

CELLS = 16                     # of a hash along each side: 256 bits
NEAR = 12                      # bits in which hashes of one picture differ after scaling or JPEG, at most
ALIKE = 0.97                   # correlation of the small pictures, whatever their brightness and contrast
SIDE = 32                      # px, of the small pictures
FLAT = 4.0                     # grey levels, deviation: a picture without contrast is like any other
ROWS = 512                     # pictures compared at a time
NAMED = 3


@dataclass(frozen=True)
class Prints:
    """What pictures look like: enough to recognise them."""

    places: list[int]          # N, in the data set
    files: list[Path]          # N
    bits: np.ndarray           # (N, CELLS ** 2) float32, -1 or 1
    small: np.ndarray          # (N, 1024) float32 grey, of mean 0 and deviation 1


def prints(dataset: DetectionSet, picks: Sequence[int] | None = None) -> Prints:
    """Look at the pictures of a set, all or those at the places `picks`.

    Unreadable ones are left out, as are those without contrast.
    """
    if picks is None:
        picks = range(len(dataset))
    places, files, bits, small = [], [], [], []
    for i in progress(picks, desc="duplicates", unit="image"):
        file = dataset.files[i]
        try:
            grey = _grey(file)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        if np.asarray(grey).std() < FLAT:
            continue
        cells = np.asarray(grey.resize((CELLS + 1, CELLS), Image.Resampling.BILINEAR), np.int16)
        places.append(i)
        files.append(file)
        bits.append(np.where(cells[:, 1:] > cells[:, :-1], 1.0, -1.0).ravel())
        tones = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
        small.append((tones - tones.mean()).ravel() / max(tones.std(), 1e-6))
    return Prints(places, files, _rows(bits, CELLS * CELLS), _rows(small, SIDE * SIDE))


def _rows(rows: list[np.ndarray], width: int) -> np.ndarray:
    """The rows as one array (N, width) float32, also for none."""
    return np.array(rows, np.float32).reshape(-1, width)


def _grey(file: Path) -> Image.Image:
    """A picture in grey, no larger than need be."""
    with Image.open(file) as stored:
        stored.draft("L", (128, 128))
        return stored.convert("L").resize((64, 64), Image.Resampling.BOX)


def pairs(a: Prints, b: Prints) -> np.ndarray:
    """(P, 2) places in a and b of pictures that look the same; of one set with itself, each pair once."""
    places = []
    for first in range(0, len(a.files), ROWS):
        agree = a.bits[first:first + ROWS] @ b.bits.T        # CELLS ** 2 less twice the bits that differ
        rows, columns = np.nonzero(agree >= CELLS * CELLS - 2 * NEAR)
        rows = rows + first
        if a is b:
            rows, columns = rows[rows < columns], columns[rows < columns]
        alike = (a.small[rows] * b.small[columns]).mean(1) >= ALIKE
        places.append(np.stack([rows[alike], columns[alike]], 1))
    return np.concatenate(places) if places else np.zeros((0, 2), int)


def groups(dataset: DetectionSet) -> np.ndarray:
    """For each picture of a set the number of its group: those that look the same, and theirs in turn."""
    looks = prints(dataset)
    links = np.array(looks.places, int)[pairs(looks, looks)].reshape(-1, 2)
    graph = coo_array((np.ones(len(links)), links.T), shape=(len(dataset), len(dataset)))
    return connected_components(graph, directed=False)[1]


def named(a: Prints, b: Prints, places: np.ndarray) -> str:
    """The first pairs by their files' names."""
    words = []
    for row, column in places[:NAMED].tolist():
        words.append(f"{a.files[row].name} = {b.files[column].name}")
    if len(places) > NAMED:
        words.append("...")
    return ", ".join(words)
