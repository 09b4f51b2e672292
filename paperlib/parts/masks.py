"""Masks as COCO stores them: polygons for things, run lengths for crowds."""
import cv2
import numpy as np
from pycocotools import mask as rle_tools

DIGITS = 7                     # characters of 5 bits that a run length may have: no image has 2**35 pixels


def polygons(mask: np.ndarray) -> list[list[float]]:
    """The outline of a mask as COCO polygons, one a piece; a cut of no width joins a hole to its piece.

    It runs a quarter of a pixel inside the pixels' outer edges; so pycocotools fills the same mask again.
    Shapes: mask (H, W) bool -> lists [x1, y1, x2, y2, ...].
    Units:  px; (0, 0) is the outer corner of the first pixel.
    """
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    double = np.zeros((2 * h + 2, 2 * w + 2), np.uint8)  # two cells a pixel, and a border of one cell
    cut = mask[y:y + h, x:x + w].view(np.uint8)
    if cut.size:
        cv2.resize(cut, (2 * w, 2 * h), double[1:-1, 1:-1], interpolation=cv2.INTER_NEAREST)
    rings, tree = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(2 * x, 2 * y))
    if not rings:
        return []
    rings = [cv2.approxPolyDP(ring, 0.5, True)[:, 0] for ring in rings]
    out, tree = [], tree[0].tolist()                # of each ring: next, previous, first child, parent; or -1
    for ring, (_, _, child, parent) in zip(rings, tree):
        if parent >= 0:
            continue
        while child >= 0:
            ring, child = _cut_to(ring, rings[child]), tree[child][0]
        out.append((ring * 0.5 - 0.25).ravel().tolist())
    return out


def _cut_to(ring: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One closed line: along `ring`, across to `hole` where they are nearest, around it and back."""
    across, down = ring[:, None, 0] - hole[:, 0], ring[:, None, 1] - hole[:, 1]
    gaps = across * across + down * down
    a, b = np.unravel_index(gaps.argmin(), gaps.shape)
    return np.concatenate([ring[:a + 1], hole[b:], hole[:b + 1], ring[a:]])


def run_lengths(mask: np.ndarray) -> dict:
    """A crowd region's mask as COCO stores it: {"size": [h, w], "counts": [zeros, ones, ...]}."""
    turns = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False))  # zeros come first, perhaps none
    edges = np.concatenate([[0], turns, [mask.size]])
    return {"size": list(mask.shape), "counts": np.diff(edges).tolist()}


def compress(segmentation: list | dict, size: tuple[int, int]) -> dict:
    """Pycocotools' compressed RLE of polygons, or of an RLE with counts in a list, in text or in bytes.

    Units: size (height, width) px. What comes out of a stranger's file must be checked first.
    """
    if isinstance(segmentation, list):
        return rle_tools.merge(rle_tools.frPyObjects(segmentation, *size))
    counts, size = segmentation["counts"], [int(side) for side in size]
    if isinstance(counts, list):
        return rle_tools.frPyObjects({"size": size, "counts": counts}, *size)
    return {"size": size, "counts": counts.encode() if isinstance(counts, str) else counts}


def unpack(text: str | bytes) -> np.ndarray:
    """Run lengths (n,) from COCO's string form, of 5 bits a character, low first.

    From the fourth run on it holds the difference to the last run but one.
    Errors: ValueError for what is no such string.
    """
    raw = text.encode("ascii") if isinstance(text, str) else text
    chars = np.frombuffer(raw, np.uint8).astype(np.int64) - 48
    if not len(chars):
        return chars
    last = np.flatnonzero((chars & 32) == 0)               # a character without bit 5 ends its number
    if ((chars < 0) | (chars > 63)).any() or chars[-1] & 32:
        raise ValueError("a character outside the alphabet, or an end inside a number")
    first = np.concatenate([[0], last[:-1] + 1])
    if (last - first >= DIGITS).any():
        raise ValueError("a run longer than any image")
    place = np.arange(len(chars)) - np.repeat(first, last - first + 1)
    runs = np.add.reduceat((chars & 31) << 5 * place, first)
    runs -= ((chars[last] & 16) > 0) * (32 << 5 * place[last])  # bit 4 of the last character is the sign
    runs[1::2], runs[2::2] = runs[1::2].cumsum(), runs[2::2].cumsum()
    return runs


def filled(segmentation: list | dict, height: int, width: int) -> np.ndarray:
    """The mask (H, W) bool of COCO polygons, or of an RLE."""
    return rle_tools.decode(compress(segmentation, (height, width))).astype(bool)
