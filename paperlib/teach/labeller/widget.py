"""The labeller on the screen: a picture with boxes to draw, move and name, by mouse or by keyboard."""
from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import torch
import traitlets
from PIL import Image
from torch import nn

from paperlib.report.detecting import detect_files
from paperlib.report.drawing import data_url
from paperlib.teach.boxes.front import script, styles
from paperlib.teach.labeller.labelling import Labelling

LARGEST = 1400  # px of the longer side that is sent to the browser


class Labeller(anywidget.AnyWidget):
    """Shows a `Labelling`; what is drawn goes into it, and so into its file."""

    _esm = script(Path(__file__).with_name("labeller.js"))
    _css = styles(Path(__file__).with_name("labeller.css"))
    picture = traitlets.Unicode().tag(sync=True)     # data URL
    size = traitlets.List([1, 1]).tag(sync=True)     # width, height px of the whole picture
    boxes = traitlets.List().tag(sync=True)          # [x, y, width, height, label]
    classes = traitlets.List().tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)

    def __init__(self, labelling: Labelling):
        super().__init__()
        self.labelling, self.place = labelling, labelling.next_unlabelled() or 0
        self._busy = False
        self.observe(self._changed, names="boxes")
        self.on_msg(self._asked)
        self.show(self.place)

    def __repr__(self) -> str:
        return f"the labeller of {len(self.labelling)} pictures; it needs a running kernel"

    def show(self, i: int) -> None:
        """Turn to picture i."""
        self.place, picture = i, Image.fromarray(self.labelling.pixels(i))
        self.size, self.classes = list(picture.size), list(self.labelling.classes)
        picture.thumbnail((LARGEST, LARGEST))
        self.picture = data_url(picture, "jpeg", quality=90)
        self._show_boxes()
        self._tell()

    def _show_boxes(self) -> None:
        self._busy = True  # what is shown is not a change
        self.boxes = self.labelling.boxes(self.place)
        self._busy = False

    def _changed(self, change: dict) -> None:
        if not self._busy:
            try:
                self.labelling.change(self.place, change["new"])
            except ValueError as error:
                self.said = str(error)
                return
            self._tell()

    def _asked(self, _, content: dict, __) -> None:
        """A key or a button: next, previous, undo, or a new class."""
        move = {"next": self._next, "back": self._back, "undo": self._undo}.get(content.get("do"))
        if move:
            move()
        elif content.get("do") == "class" and str(content.get("name", "")).strip():
            self.labelling.add_class(str(content["name"]).strip())
            self.classes = list(self.labelling.classes)

    def _next(self) -> None:
        self.labelling.accept(self.place)
        following = self.labelling.next_unlabelled(self.place)
        if following is None:
            following = (self.place + 1) % len(self.labelling)
        self.show(following)

    def _back(self) -> None:
        self.show((self.place - 1) % len(self.labelling))

    def _undo(self) -> None:
        place = self.labelling.undo()
        if place is not None:
            self.show(place)

    def _tell(self) -> None:
        done, name = len(self.labelling.labelled), self.labelling.pictures[self.place].name
        self.title = f"{name}, picture {self.place + 1} of {len(self.labelling)}"
        self.said = f"{done} of {len(self.labelling)} labelled, saved in {self.labelling.file.name}"


def suggestions(system: nn.Module, threshold: float = 0.4, device: str = "cpu") -> Callable[[Path], list]:
    """What a detector finds on a picture, as `Labelling` takes it: boxes to correct rather than to draw."""
    def suggest(picture: Path) -> list:
        detected = detect_files(system, [picture], torch.device(device))
        boxes = []
        for record in detected.results:
            if record["score"] >= threshold:
                boxes.append((*record["bbox"], detected.classes[record["category_id"] - 1]))
        return boxes

    return suggest


def label(folder: str | Path, classes: Sequence[str] = (), file: str | Path | None = None,
          system: nn.Module | None = None, threshold: float = 0.4) -> Labeller:
    """The labeller of a folder of pictures, as the last expression of a cell; `system` suggests boxes.

    Errors: as `Labelling`.
    """
    suggest = suggestions(system, threshold) if system is not None else None
    return Labeller(Labelling(folder, classes, file, suggest))
