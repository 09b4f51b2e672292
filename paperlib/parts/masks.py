"""Masks as COCO stores them: polygons for things, run lengths for crowds."""
import cv2
import numpy as np
from pycocotools import mask as rle_tools


def polygons(mask: np.ndarray) -> list[list[float]]:
    """The outline of a mask as COCO polygons, one a piece; a hole is joined to its piece by a cut of no width.

    It runs a quarter of a pixel inside the pixels' outer edges, so that pycocotools fills exactly the mask again.
    Shapes: mask (H, W) bool -> lists [x1, y1, x2, y2, ...].
    Units:  px; (0, 0) is the outer corner of the first pixel.
    """
    x, y, w, h = cv2.boundingRect(mask.view(np.uint8))
    double = np.zeros((2 * h + 2, 2 * w + 2), np.uint8)     # two cells a pixel; corners of cells are quarter pixels
    double[1:-1, 1:-1] = mask[y:y + h, x:x + w].repeat(2, 0).repeat(2, 1)
    rings, tree = cv2.findContours(double, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [cv2.approxPolyDP(ring, 0.5, True)[:, 0] for ring in rings]
    out = []
    for k, (_, _, child, parent) in enumerate(tree[0].tolist() if len(rings) else ()):
        if parent >= 0:
            continue
        ring = rings[k]
        while child >= 0:
            ring, child = _cut_to(ring, rings[child]), tree[0][child][0]
        out.append(((ring - 0.5) / 2 + (x, y)).ravel().tolist())
    return out


def _cut_to(ring: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One closed line: along `ring`, across to `hole` where they are nearest, around it and back."""
    gaps = ((ring[:, None] - hole[None]) ** 2).sum(-1)
    a, b = np.unravel_index(gaps.argmin(), gaps.shape)
    return np.concatenate([ring[:a + 1], hole[b:], hole[:b + 1], ring[a:]])


def run_lengths(mask: np.ndarray) -> dict:
    """COCO's uncompressed RLE, as its crowd regions are stored: {"size": [h, w], "counts": [zeros, ones, ...]}."""
    turns = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False))        # starts with zeros, perhaps none
    edges = np.concatenate([[0], turns, [mask.size]])
    return {"size": list(mask.shape), "counts": np.diff(edges).tolist()}


def filled(segmentation, height: int, width: int) -> np.ndarray:
    """The mask (H, W) bool of COCO polygons, or of an RLE."""
    if isinstance(segmentation, dict):
        rle = rle_tools.frPyObjects(segmentation, height, width)
    else:
        rle = rle_tools.merge(rle_tools.frPyObjects(segmentation, height, width))
    return rle_tools.decode(rle).astype(bool)
