"""A detector on pictures of anybody's: drawn pictures, a contact sheet, and COCO's files of what it found.

Legend: N pictures, D detections of one picture.
"""
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import nn

from paperlib.data.detection_set import DetectionSet
from paperlib.progress import progress
from paperlib.report.drawing import DrawnBox, contact_sheet, draw_boxes, thumbnail
from paperlib.report.picture_set import picture_set
from paperlib.report.torchvision_detectors import PREFIX, published
from paperlib.scoring.detect import detect_all
from paperlib.training.trained import tells_classes, trained
from paperlib.training.weights import load_weights

THRESHOLD = 0.5                # score from which a detection is drawn
QUALITY = 90                   # of the JPEG files
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


def detect_files(system: nn.Module, files: Sequence[Path], device: torch.device,
                 size: tuple[int, ...] | None = None, batch: int = BATCH) -> Detected:
    """Run a detector over picture files, at `size` (as in Recipe) or the size that it was trained at.

    Errors: ValueError if none of the files can be read.
    """
    classes = class_names(system)
    pictures, unreadable = picture_set(files, classes)
    sides = dict(zip(("short", "long"), size or ()))
    results = detect_all(system, pictures, device, batch, **sides)
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


def write_detections(detected: Detected, out: Path, threshold: float = THRESHOLD) -> list[Path]:
    """Write the drawn pictures, contact_sheet.jpg, results.json (COCO's records, of every score) and
    images.json (COCO's list of the pictures and categories that the results speak of); their paths.

    Errors: ValueError if a drawn picture would replace one that was looked at; OSError where nothing can be
            written.
    """
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / name for name in _names(detected.pictures.files)]
    _keep_originals(detected.pictures.files, paths)
    by_picture = detected.by_picture()
    thumbnails, captions = [], []
    for place, path in enumerate(progress(paths, desc="draw", unit="picture")):
        records = by_picture[detected.pictures.images[place]["id"]]
        drawn = picture_of(detected, place, records, threshold)
        drawn.save(path, quality=QUALITY)
        thumbnails.append(thumbnail(drawn))
        captions.append(f"{path.name}: {len(boxes_of(records, detected.classes, threshold))}")
    contact_sheet(thumbnails, captions).save(out / "contact_sheet.jpg", quality=QUALITY)
    pictures = detected.pictures.coco_dict()
    for name, content in (("results.json", detected.results), ("images.json", pictures)):
        (out / name).write_text(json.dumps(content), encoding="utf-8")
    return [*paths, out / "contact_sheet.jpg", out / "results.json", out / "images.json"]


def _keep_originals(files: Sequence[Path], paths: Sequence[Path]) -> None:
    """Errors: ValueError naming a file that one of the `paths` to be written is."""
    originals = {file.resolve() for file in files}
    for path in paths:
        if path.resolve() in originals:
            raise ValueError(f"{path}: the drawn picture would replace the picture itself; "
                             "choose another folder with --out")


def _names(files: Sequence[Path]) -> list[str]:
    """A file name for each drawn picture: its stem, numbered where another has the same."""
    taken: Counter[str] = Counter({"contact_sheet": 1})
    names = []
    for file in files:
        taken[file.stem] += 1
        number = taken[file.stem]
        ending = f"_{number}" if number > 1 else ""
        names.append(f"{file.stem}{ending}.jpg")
    return names


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
