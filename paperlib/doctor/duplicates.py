"""Pictures that a set, or two of its splits, hold twice: what is trained on must not be scored on.

Source: difference hashes (Krawetz 2013), here of 16 x 16 cells; pairs are then compared as small grey
        pictures, since smooth scenes have alike hashes.

Legend: N pictures of one split, M of another.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from paperlib.data.detection_set import DetectionSet
from paperlib.doctor.finding import Finding
from paperlib.doctor.training_size import even_picks
from paperlib.progress import progress

CELLS = 16                     # of a hash along each side: 256 bits
NEAR = 12                      # bits in which hashes of one picture differ after scaling or JPEG, at most
ALIKE = 0.97                   # correlation of the small pictures, whatever their brightness and contrast
SIDE = 32                      # px, of the small pictures
FLAT = 4.0                     # grey levels, deviation: a picture without contrast is like any other
PICTURES = 3000                # of a split that are looked at
ROWS = 512                     # pictures compared at a time
NAMED = 3


@dataclass(frozen=True)
class Prints:
    """What pictures look like: enough to recognise them."""

    files: list[Path]          # N
    bits: np.ndarray           # (N, CELLS ** 2) float32, -1 or 1
    small: np.ndarray          # (N, 1024) float32 grey, of mean 0 and deviation 1


def prints(dataset: DetectionSet, limit: int = PICTURES) -> Prints:
    """Look at the pictures of a set (of a larger one, `limit` at even distances); unreadable ones are left
    out, as are those without contrast."""
    files, bits, small = [], [], []
    for i in progress(even_picks(dataset, limit), desc="duplicates", unit="image"):
        file = dataset.files[i]
        try:
            grey = _grey(file)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            continue
        if np.asarray(grey).std() < FLAT:
            continue
        cells = np.asarray(grey.resize((CELLS + 1, CELLS), Image.Resampling.BILINEAR), np.int16)
        files.append(file)
        bits.append(np.where(cells[:, 1:] > cells[:, :-1], 1.0, -1.0).ravel())
        tones = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)
        small.append((tones - tones.mean()).ravel() / max(tones.std(), 1e-6))
    return Prints(files, _rows(bits, CELLS * CELLS), _rows(small, SIDE * SIDE))


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


def examine_duplicates(dataset: DetectionSet, others: Sequence[DetectionSet] = ()) -> list[Finding]:
    """Pictures that the set holds twice, and those that another split of it holds too.

    A split that is made of the other one's files (PASCAL's trainval of train and val) is no fault.
    """
    ours = prints(dataset)
    findings, twice = [], pairs(ours, ours)
    others = [other for other in others if not _nested(dataset, other)]
    if len(twice):
        repeated = len(np.unique(twice[:, 1]))
        text = f"{repeated} pictures are in {dataset.name} twice: {_named(ours, ours, twice)}"
        findings.append(Finding("duplicates", "look", text, "they count twice; remove one of each"))
    for other in others:
        others_prints = prints(other)
        shared = pairs(ours, others_prints)
        if len(shared):
            text = (f"{len(np.unique(shared[:, 0]))} of {len(ours.files)} pictures of {dataset.name} are "
                    f"also in {other.name}: {_named(ours, others_prints, shared)}")
            advice = "scores on one after training on the other are too good: remove them from one of the two"
            findings.append(Finding("duplicates", "bad", text, advice))
    if not findings and ours.files:
        against = "".join(f", nor in {other.name}" for other in others)
        findings.append(Finding("duplicates", "ok", f"no picture is in {dataset.name} twice{against}"))
    return findings


def _nested(a: DetectionSet, b: DetectionSet) -> bool:
    """Whether one of two splits holds all files of the other."""
    one, other = set(a.files), set(b.files)
    return one <= other or other <= one


def _named(a: Prints, b: Prints, places: np.ndarray) -> str:
    """The first pairs by their files' names."""
    words = []
    for row, column in places[:NAMED].tolist():
        words.append(f"{a.files[row].name} = {b.files[column].name}")
    if len(places) > NAMED:
        words.append("...")
    return ", ".join(words)
