"""The worst and the best pictures, each twice: with its objects, and with what was found on it.

Legend: G objects, D detections, N images.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from paperlib.data.pixels import decode
from paperlib.report.drawing import data_url
from paperlib.report.evidence import Evidence

SHOWN = 6                      # pictures of each kind
SIDE = 640                     # px, the longer side of a picture in the page
QUALITY = 78                   # of its JPEG
MOST = 80                      # detections that a picture shows


@dataclass(frozen=True)
class Box:
    """A box on a picture of the page; px of the picture as stored."""

    x: float
    y: float
    width: float
    height: float
    name: str
    score: float               # of a detection; of an object: of the detection that found it, -1 for none
    right: bool                # of a detection: it found an object


@dataclass(frozen=True)
class Example:
    """One picture of the page."""

    name: str
    width: int                 # px, as stored
    height: int
    picture: str               # address of its pixels: data in base 64; "" where the file is not there
    objects: list[Box]
    detections: list[Box]      # faint ones first
    f1: float
    hits: int                  # objects found, at the report's threshold
    missed: int
    wrong: int                 # detections


@dataclass(frozen=True)
class ByImage:
    """Right and wrong at one threshold, image by image: (N,) each."""

    hits: np.ndarray           # objects found
    missed: np.ndarray
    wrong: np.ndarray

    @property
    def f1(self) -> np.ndarray:
        """(N,); nan for an image with nothing on it on which nothing was found."""
        total = 2 * self.hits + self.missed + self.wrong
        share = np.full(len(total), np.nan)
        np.divide(2 * self.hits, total, out=share, where=total > 0)
        return share


def by_image(evidence: Evidence, threshold: float) -> ByImage:
    """Count what is found, missed and wrong on each image with detections of `threshold` or more."""
    num = len(evidence.gt.sizes)
    taken = evidence.counted & (evidence.dt.scores >= threshold)
    image = evidence.dt.image - 1
    hits = np.bincount(image[taken & evidence.hit], minlength=num)
    objects = np.bincount(evidence.gt.image[evidence.real] - 1, minlength=num)
    return ByImage(hits, objects - hits, np.bincount(image[taken & ~evidence.hit], minlength=num))


def worst_and_best(counts: ByImage, shown: int = SHOWN) -> tuple[list[int], list[int]]:
    """Places of images: the lowest F1 first (of equals, most mistakes), and the highest (most objects).

    Images without an object and a detection are left out; none is in both lists.
    """
    f1 = counts.f1
    telling = np.flatnonzero(~np.isnan(f1))
    shown = min(shown, (len(telling) + 1) // 2)
    mistakes = (counts.missed + counts.wrong)[telling]
    worst = telling[np.lexsort((telling, -mistakes, f1[telling]))][:shown]
    best = telling[np.lexsort((telling, -counts.hits[telling], -f1[telling]))]
    best = best[~np.isin(best, worst)][:shown]
    return worst.tolist(), best.tolist()


def examples(evidence: Evidence, places: Sequence[int], records: Sequence[dict], root: Path | None,
             counts: ByImage) -> list[Example]:
    """The images at these places (of ids in order); `records` are COCO's of all images, in this order.

    `root` is the folder of their files; a file that cannot be read leaves a picture without pixels.
    """
    f1, shown = counts.f1, []
    for place in places:
        record = records[place]
        height, width = evidence.gt.sizes[place]
        picture = ""
        if root is not None and height:
            picture = _address(root / record["file_name"], (height, width))
        objects, detections = _objects(evidence, place), _detections(evidence, place)
        if not height:
            width, height = _extent([*objects, *detections])
        shown.append(Example(Path(str(record.get("file_name") or record["id"])).name, width, height, picture,
                             objects, detections, float(f1[place]), int(counts.hits[place]),
                             int(counts.missed[place]), int(counts.wrong[place])))
    return shown


def _extent(boxes: Sequence[Box]) -> tuple[int, int]:
    """(width, height) px that hold all boxes, for an image whose size nobody has recorded."""
    width, height = 1.0, 1.0
    for box in boxes:
        width, height = max(width, box.x + box.width), max(height, box.y + box.height)
    return round(width), round(height)


def _objects(evidence: Evidence, place: int) -> list[Box]:
    gt, scores, boxes = evidence.gt, evidence.score_of_object(), []
    for row in np.flatnonzero((gt.image == place + 1) & evidence.real).tolist():
        boxes.append(Box(*gt.boxes[row].tolist(), gt.names[gt.category[row] - 1], float(scores[row]), False))
    return boxes


def _detections(evidence: Evidence, place: int) -> list[Box]:
    dt, names, boxes = evidence.dt, evidence.gt.names, []
    chosen = np.flatnonzero((dt.image == place + 1) & evidence.counted)
    best = chosen[np.argsort(-dt.scores[chosen], kind="stable")][:MOST]
    for row in best[::-1].tolist():
        boxes.append(Box(*dt.boxes[row].tolist(), names[dt.category[row] - 1], float(dt.scores[row]),
                         bool(evidence.hit[row])))
    return boxes


def _address(file: Path, size: tuple[int, int]) -> str:
    """A picture as data that a page can hold; "" for a file that cannot be read at its recorded size."""
    try:
        pixels, _ = decode(file, size)
    except (OSError, ValueError):
        return ""
    picture = Image.fromarray(pixels)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return data_url(picture, "jpeg", quality=QUALITY)
