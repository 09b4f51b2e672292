"""Segments drawn by hand, simulated: outlines of few or many points, unsteady hands, the training task."""
from dataclasses import dataclass

import cv2
import numpy as np

from paperlib.data.detection_set import DetectionSet

PART = 0.1          # parts smaller than this share of the largest are not outlined
FINE = 16           # steps of a pixel that OpenCV fills polygons to
SHIFT = 4           # log2 of FINE


@dataclass(frozen=True)
class Hand:
    """How somebody draws."""
    points: int     # of an outline
    shake: float    # unsteadiness of each point, as a share of the object's size


def hands(count: int, rng: np.random.Generator) -> list[Hand]:
    """Workers as they come: from 4 to 40 points, an unsteadiness around 4% of the size; our assumption."""
    points = np.exp(rng.uniform(np.log(4), np.log(40), count)).round().astype(int)
    shakes = 0.04 * np.exp(0.7 * rng.standard_normal(count))
    return [Hand(number, shake) for number, shake in zip(points.tolist(), shakes.tolist())]


def outline(mask: np.ndarray, points: int) -> list[np.ndarray]:
    """The mask's outline in at most `points` corners a part, largest part first.

    Units: (n, 2) px, (0, 0) is the outer corner of the first pixel.
    Errors: ValueError for an empty mask.
    """
    doubled = np.ascontiguousarray(mask).view(np.uint8).repeat(2, 0).repeat(2, 1)
    rings, _ = cv2.findContours(np.pad(doubled, 1), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not rings:
        raise ValueError("an empty mask has no outline")
    rings = sorted(rings, key=cv2.contourArea, reverse=True)
    kept = []
    for ring in rings:
        if cv2.contourArea(ring) >= PART * cv2.contourArea(rings[0]):
            kept.append((_corners(ring, points) - 0.5) / 2)
    return kept


def _corners(ring: np.ndarray, points: int) -> np.ndarray:
    """The least simplification of a ring that has at most `points` corners; bisection on its tolerance."""
    low, high = 0.5, float(max(np.ptp(ring[:, 0], 0)) + 1)
    best = cv2.approxPolyDP(ring, low, True)
    if len(best) <= points:
        return best[:, 0]
    for _ in range(12):
        middle = (low + high) / 2
        tried = cv2.approxPolyDP(ring, middle, True)
        if len(tried) > points:
            low = middle
        elif len(tried) >= 3:
            best, high = tried, middle
        else:
            high = middle
    if len(best) > points:
        return cv2.boxPoints(cv2.minAreaRect(ring))
    return best[:, 0]


def draw_by_hand(mask: np.ndarray, hand: Hand, rng: np.random.Generator) -> np.ndarray:
    """The segment that this hand draws of the object `mask`; (H, W) bool."""
    spread = hand.shake * np.sqrt(np.count_nonzero(mask))
    rings = [ring + spread * rng.standard_normal(ring.shape) for ring in outline(mask, hand.points)]
    return filled_rings(rings, *mask.shape)


def filled_rings(rings: list[np.ndarray], height: int, width: int) -> np.ndarray:
    """The pixels whose middle lies in one of the polygons (n, 2) px; (H, W) bool."""
    # Quarter pixels, as OpenCV also fills what an edge touches.
    canvas = np.zeros((height * 4, width * 4), np.uint8)
    for ring in rings:
        if len(ring) >= 3:
            corners = np.rint((np.asarray(ring) * 4 - 0.5) * FINE).astype(np.int32)
            cv2.fillPoly(canvas, [corners], 1, cv2.LINE_8, SHIFT)
    return canvas.reshape(height, 4, width, 4).mean((1, 3)) >= 0.5


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks; 0 where both are empty."""
    return float((a & b).sum() / max((a | b).sum(), 1))


def objects(dataset: DetectionSet, count: int, rng: np.random.Generator, least: float = 0.0,
            label: int | None = None) -> list[tuple[int, int, np.ndarray]]:
    """`count` objects of at least `least` px^2 at random, or all if they are fewer: (image, label, mask)."""
    out = []
    for i in rng.permutation(len(dataset)):
        target = dataset.target(int(i), masks=True)
        fits = ~target["crowd"].numpy() & (target["area"].numpy() >= least)
        if label is not None:
            fits &= target["labels"].numpy() == label
        fits &= target["masks"].flatten(1).any(1).numpy()
        if fits.any():
            k = int(rng.choice(np.flatnonzero(fits)))
            out.append((int(i), int(target["labels"][k]), target["masks"][k].numpy()))
        if len(out) == count:
            break
    return out


def training_task(dataset: DetectionSet, workers: int, rng: np.random.Generator, work: int = 8,
                  least: float = 100.0) -> tuple[list[Hand], np.ndarray, np.ndarray]:
    """Workers as they come, the IoU of the test object that each draws (W,), and of `work` others (W, work).

    Whoever stays below a bar in the test would not be let in; the bar is the caller's.
    Errors: ValueError if the set has no object of `least` px^2 with a mask.
    """
    pool = [mask for _, _, mask in objects(dataset, 60, rng, least)]
    if not pool:
        raise ValueError(f"{dataset.name}: no object of {least:g} px^2 or more to draw")
    crew, quality = hands(workers, rng), np.zeros((workers, 1 + work))
    for row, hand in zip(quality, crew):
        for j, k in enumerate(rng.integers(len(pool), size=1 + work)):
            row[j] = mask_iou(pool[k], draw_by_hand(pool[k], hand, rng))
    return crew, quality[:, 0], quality[:, 1:]
