"""A detector on pictures of anybody's: drawn pictures, a contact sheet, and COCO's files of what it found.

Legend: N pictures, D detections of one picture.
"""
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from paperlib.data.detection_set import DetectionSet
from paperlib.report.detected_files import LIST, RESULTS, SHEET, places, save_drawing
from paperlib.report.drawing import DrawnBox, contact_sheet, draw_boxes, thumbnail
from paperlib.report.picture_set import picture_set
from paperlib.report.torchvision_detectors import PREFIX, published
from paperlib.scoring.detect import detect_all, detect_each
from paperlib.training.trained import sides_of, tells_classes, trained
from paperlib.training.weights import load_weights

THRESHOLD = 0.5                # score from which a detection is drawn
BATCH = 4                      # photographs at a time


def load_detector(name: str | Path) -> nn.Module:
    """A detector by the path of weights that `paperlib train` wrote, or as "torchvision:<model>".

    Errors: FileNotFoundError or ValueError in one line.
    """
    if is_published(name):
        return published(str(name).removeprefix(PREFIX))
    return load_weights(Path(name))


def is_published(name: str | Path) -> bool:
    """Whether a detector's name is one of torchvision's, not a path."""
    return str(name).startswith(PREFIX)


def class_names(system: nn.Module) -> list[str]:
    """The names of the labels 1..K, of any kind of system; numbers where the weights name none."""
    if not tells_classes(system):
        return ["object"]
    known = list(trained(system).classes)
    return known or [f"class {label}" for label in range(1, system.cfg.num_classes + 1)]


@dataclass(frozen=True)
class Detected:
    """What a detector found on pictures."""

    pictures: DetectionSet     # N, without objects
    classes: list[str]         # of labels 1..K, which are the category ids
    results: list[dict]        # COCO's records, best first within a picture
    unreadable: list[str]      # a line for each file that is no picture

    def by_picture(self) -> dict[int, list[dict]]:
        """{image id: its records}"""
        records: dict[int, list[dict]] = {image["id"]: [] for image in self.pictures.images}
        for record in self.results:
            records[record["image_id"]].append(record)
        return records


@dataclass(frozen=True)
class Drawing:
    """A picture that is done."""

    records: list[dict]        # COCO's, best first
    small: Image.Image         # a thumbnail
    caption: str


def detect_files(system: nn.Module, files: Sequence[Path], device: torch.device,
                 size: tuple[int, ...] | None = None, batch: int = BATCH) -> Detected:
    """Run a detector over picture files, at `size` (as in Recipe) or the size that it was trained at.

    Errors: ValueError if none of the files can be read.
    """
    classes = class_names(system)
    pictures, unreadable = picture_set(files, classes)
    results = detect_all(system, pictures, device, batch, **sides_of(size))
    return Detected(pictures, classes, results, unreadable)


def boxes_of(records: Sequence[dict], classes: Sequence[str], threshold: float) -> list[DrawnBox]:
    """The records of one picture from `threshold` on as they are drawn: the best last, on top."""
    chosen = [record for record in records if record["score"] >= threshold]
    drawn = []
    for record in sorted(chosen, key=lambda record: record["score"]):
        x, y, width, height = record["bbox"]
        label = record["category_id"]
        drawn.append(DrawnBox((x, y, x + width, y + height), label,
                              f"{classes[label - 1]} {record['score']:.2f}"))
    return drawn


def picture_of(detected: Detected, place: int, records: Sequence[dict],
               threshold: float = THRESHOLD) -> Image.Image:
    """The picture number `place`, from 0, with its `records` of `threshold` or more."""
    pixels = detected.pictures.image(place).permute(1, 2, 0).numpy()
    return draw_boxes(Image.fromarray(pixels), boxes_of(records, detected.classes, threshold))


def detect_into(out: Path, system: nn.Module, files: Sequence[Path], device: torch.device,
                size: tuple[int, ...] | None = None, threshold: float = THRESHOLD,
                batch: int = BATCH) -> Detected:
    """`detect_files`, whose result is written into the folder `out`, each drawn picture when it is done.

    Then come contact_sheet.jpg, results.json (COCO's records, of every score) and images.json (COCO's list of
    the pictures and categories that the results speak of).
    Errors: as `detect_files`; before the detector runs, as `places`; OSError where nothing can be written.
            KeyboardInterrupt that says how many pictures are done: all is written of these.
    """
    out.mkdir(parents=True, exist_ok=True)
    classes = class_names(system)
    pictures, unreadable = picture_set(files, classes)
    paths = places(out, pictures.files)
    whole = Detected(pictures, classes, [], unreadable)
    done: dict[int, Drawing] = {}
    try:
        for place, records in detect_each(system, pictures, device, batch, **sides_of(size)):
            done[place] = _drawing(whole, place, records, threshold, paths[place])
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_kept(out, whole, done)) from None
    return _write(out, whole, done)


def _drawing(whole: Detected, place: int, records: list[dict], threshold: float, path: Path) -> Drawing:
    """Draw what was found on a picture, and write that."""
    drawn = picture_of(whole, place, records, threshold)
    save_drawing(drawn, path)
    num = len(boxes_of(records, whole.classes, threshold))
    return Drawing(records, thumbnail(drawn), f"{path.name}: {num}")


def _kept(out: Path, whole: Detected, done: dict[int, Drawing]) -> str:
    """Write what is done of an interrupted run; how much that is, in words."""
    if not done:
        return "nothing new was kept"
    _write(out, whole, done)
    return f"{len(done)} of {len(whole.pictures)} pictures are in {out}"


def _write(out: Path, whole: Detected, done: dict[int, Drawing]) -> Detected:
    """Write the list, the results and the sheet of the pictures that are done, {place: its drawing}."""
    drawings = [done[place] for place in sorted(done)]
    results = list(chain.from_iterable(drawing.records for drawing in drawings))
    pictures = whole.pictures.subset(sorted(done))
    texts = {LIST: json.dumps(pictures.coco_dict()), RESULTS: json.dumps(results)}
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    sheet = contact_sheet([drawing.small for drawing in drawings], [drawing.caption for drawing in drawings])
    save_drawing(sheet, out / SHEET)
    return replace(whole, pictures=pictures, results=results)


def summary(detected: Detected, threshold: float) -> str:
    """One line: pictures, detections from `threshold` on by class; or the best one, if none reaches it."""
    num = len(detected.pictures)
    line = f"{num} picture{'s' * (num != 1)}"
    counts: Counter[str] = Counter()
    for record in detected.results:
        if record["score"] >= threshold:
            counts[detected.classes[record["category_id"] - 1]] += 1
    if counts:
        most = ", ".join(f"{count} {name}" for name, count in counts.most_common(8))
        total = counts.total()
        return f"{line}, {total} detection{'s' * (total != 1)} of score {threshold:g} or more: {most}"
    if not detected.results:
        return f"{line}, nothing found at any score"
    best = max(detected.results, key=lambda record: record["score"])
    name = detected.classes[best["category_id"] - 1]
    return (f"{line}, nothing of score {threshold:g} or more; the best of {len(detected.results)} detections "
            f"is {name} {best['score']:.2f}: try a lower --threshold")
