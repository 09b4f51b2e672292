"""The state of a labelling: a folder of pictures, the boxes that somebody gave them, and their COCO file.

A box is [x, y, width, height, label], px of the upright picture, label 1..K. The file holds the pictures that
are labelled and no others, so that a picture nobody has looked at is never taken for an empty one.
"""
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from paperlib.data.layouts.folders import SUFFIXES
from paperlib.data.read_coco import read_coco
from paperlib.paths import written_whole

LEAST = 2.0  # px; a shorter side is a slip of the hand
Boxes = list[list[float]]


class Labelling:
    """What is labelled of a folder, with undo; each change is in the file at once."""

    def __init__(self, folder: str | Path, classes: Sequence[str] = (), file: str | Path | None = None,
                 suggest: Callable[[Path], list] | None = None):
        """Go on with `file` (default: instances.json in the folder) if it is there; `classes` join its own.

        `suggest(picture)` gives boxes to begin with: (x, y, width, height, class name).
        Errors: ValueError for a folder without pictures, for no class at all, for a file about other
                pictures, and for one that `read_coco` refuses.
        """
        self.folder, self.suggest = Path(folder), suggest
        self.file = Path(file) if file else self.folder / "instances.json"
        self.pictures = pictures_in(self.folder)
        self.classes: list[str] = []
        self._boxes: dict[int, Boxes] = {}
        self._undo: list[tuple[int, Boxes | None]] = []
        self._suggested: dict[int, Boxes] = {}
        if self.file.is_file():
            self._read()
        for name in classes:
            self.add_class(name)
        if not self.classes:
            raise ValueError(f"{self.folder}: no class to label; name one or more, "
                             "such as classes=['cat', 'dog']")

    def _read(self) -> None:
        dataset = read_coco(self.file, self.folder, report=None)
        places = {picture.relative_to(self.folder).as_posix(): i for i, picture in enumerate(self.pictures)}
        self.classes = list(dataset.classes)
        for i, record in enumerate(dataset.images):
            if record["file_name"] not in places:
                raise ValueError(f"{self.file}: image {record['id']} is {record['file_name']!r}; "
                                 f"expected a picture in {self.folder}")
            target = dataset.target(i)
            boxes = target["boxes"].double().numpy()
            sides = np.column_stack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2], target["labels"]])
            self._boxes[places[record["file_name"]]] = sides.round(2).tolist()

    def __len__(self) -> int:
        return len(self.pictures)

    def pixels(self, i: int) -> np.ndarray:
        """Picture i, upright, (H, W, 3) uint8. Errors: ValueError naming a file that is no picture."""
        return np.asarray(_opened(self.pictures[i]))

    def boxes(self, i: int) -> Boxes:
        """The boxes of picture i: those given by hand, else what is suggested."""
        if i in self._boxes:
            return [list(box) for box in self._boxes[i]]
        if i not in self._suggested:
            self._suggested[i] = self._suggestions(i)
        return [list(box) for box in self._suggested[i]]

    def _suggestions(self, i: int) -> Boxes:
        boxes = []
        for *sides, name in self.suggest(self.pictures[i]) if self.suggest else ():
            if name in self.classes:
                boxes.append([*map(float, sides), self.classes.index(name) + 1])
        return boxes

    def change(self, i: int, boxes: Sequence[Sequence[float]]) -> None:
        """Give picture i these boxes, cut at its border; tiny ones go. It counts as labelled, and is saved.

        Errors: ValueError for a box that is not five numbers, or of no class.
        """
        width, height = _opened(self.pictures[i]).size
        kept = []
        for box in boxes:
            if len(box) != 5 or not np.isfinite(box).all() or box[4] not in range(1, len(self.classes) + 1):
                raise ValueError(f"{self.pictures[i].name}: box {list(box)}; expected x, y, width, height "
                                 f"and a label from 1 to {len(self.classes)}")
            left, top = np.clip(box[:2], 0, (width, height))
            right, bottom = np.clip(np.add(box[:2], box[2:4]), 0, (width, height))
            if min(right - left, bottom - top) >= LEAST:
                sides = np.round([left, top, right - left, bottom - top], 2).tolist()
                kept.append([*sides, int(box[4])])
        if self._boxes.get(i) != kept:
            self._undo.append((i, self._boxes.get(i)))
            self._boxes[i] = kept
            self.save()

    def accept(self, i: int) -> None:
        """Take picture i as it is, with what is suggested or without a box, as labelled."""
        self.change(i, self.boxes(i))

    def undo(self) -> int | None:
        """Take back the last change; the picture that it was on, or None if there is none."""
        if not self._undo:
            return None
        i, before = self._undo.pop()
        if before is None:
            self._boxes.pop(i)
        else:
            self._boxes[i] = before
        self.save()
        return i

    def add_class(self, name: str) -> None:
        """One more class, at the end. Errors: ValueError for an empty name."""
        if not name.strip():
            raise ValueError(f"a class called {name!r}; expected a name")
        if name not in self.classes:
            self.classes.append(name)
            self._suggested.clear()  # there may be some of the new class

    @property
    def labelled(self) -> list[int]:
        """The pictures that are labelled, in order."""
        return sorted(self._boxes)

    def next_unlabelled(self, after: int = -1) -> int | None:
        """The first unlabelled picture after one, going round; None if all are labelled."""
        for i in [*range(after + 1, len(self)), *range(after + 1)]:
            if i not in self._boxes:
                return i
        return None

    def coco(self) -> dict:
        """The labelled pictures as a COCO dict."""
        images, annotations = [], []
        for i in self.labelled:
            width, height = _opened(self.pictures[i]).size
            name = self.pictures[i].relative_to(self.folder).as_posix()
            images.append({"id": i + 1, "file_name": name, "width": width, "height": height})
            for x, y, w, h, label in self._boxes[i]:
                annotations.append({"id": len(annotations) + 1, "image_id": i + 1, "category_id": label,
                                    "bbox": [x, y, w, h], "area": round(w * h, 2), "iscrowd": 0})
        categories = [{"id": k, "name": name} for k, name in enumerate(self.classes, 1)]
        return {"images": images, "annotations": annotations, "categories": categories}

    def save(self) -> None:
        """Write the file, whole or not at all."""
        with written_whole(self.file) as part:
            part.write_text(json.dumps(self.coco(), indent=1), encoding="utf-8")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder and those under it, in order of their names. Errors: ValueError for none."""
    pictures = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            pictures.append(path)
    if not pictures:
        raise ValueError(f"{folder}: no pictures; expected files such as photo.jpg or photo.png")
    return pictures


def _opened(file: Path) -> Image.Image:
    """A picture, upright, in RGB. Errors: ValueError naming the file."""
    try:
        with Image.open(file) as stored:
            return ImageOps.exif_transpose(stored).convert("RGB")
    except Exception as error:  # Pillow's readers fail on broken files in many ways
        raise ValueError(f"{file}: found no whole image ({type(error).__name__}); "
                         "expected JPEG, PNG, ...") from None
