"""A picture with boxes to drag, resize and move by keys, and words that follow them."""
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anywidget
import numpy as np
import traitlets
from IPython.display import display
from PIL import Image

from paperlib.report.drawing import data_url
from paperlib.teach.boxes.front import FOLDER, script, styles
from paperlib.teach.draw import PALETTE, as_rgb


@dataclass(frozen=True)
class Answer:
    """What is said of some boxes: a sentence, and the words and colour at each box.

    `follow` (M, 4) xyxy px are boxes that go with those, drawn and not moved: their words and colours come
    last. `beside` is a picture (as `draw.as_rgb` takes it) to look at under the board, `caption` its words.
    """

    said: str
    texts: Sequence[str]
    colours: Sequence[str]
    follow: np.ndarray | None = None
    beside: object = None
    caption: str = ""


Teller = Callable[[np.ndarray], Answer]  # boxes (N, 4) xyxy px -> what is said of them


class Board(anywidget.AnyWidget):
    """Boxes on a picture or on white; `tell` answers every move. Fixed boxes are solid, others dashed."""

    _esm = script(FOLDER / "board.js")
    _css = styles()
    picture = traitlets.Unicode().tag(sync=True)   # data URL; "" is white
    size = traitlets.List([1, 1]).tag(sync=True)   # width, height px
    boxes = traitlets.List().tag(sync=True)        # [x, y, width, height] px
    start = traitlets.List().tag(sync=True)        # the boxes before anybody moved one
    movable = traitlets.List().tag(sync=True)      # one bool a box
    places = traitlets.List().tag(sync=True)       # of the words at each box: "above", "below" or "inside"
    texts = traitlets.List().tag(sync=True)
    colours = traitlets.List().tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    follow = traitlets.List().tag(sync=True)       # [x, y, width, height] px of boxes that go with those
    beside = traitlets.Unicode().tag(sync=True)    # data URL of a picture under the board; "" is none
    caption = traitlets.Unicode().tag(sync=True)   # what it shows
    label = traitlets.Unicode().tag(sync=True)     # what the picture shows, for a screen reader
    moves = traitlets.Int().tag(sync=True)         # counts messages of the front
    answered = traitlets.Int().tag(sync=True)      # counts answers to them

    def __init__(self, boxes: np.ndarray, movable: Sequence[bool], tell: Teller, label: str,
                 image=None, size: tuple[int, int] | None = None,
                 places: Sequence[str] = ()):
        """Boxes (N, 4) xyxy px on a picture (as `draw.as_rgb` takes it), or on white of `size` (h, w) px.

        The words of a box that moves stand below it, of others above, unless `places` says "above", "below"
        or "inside".
        Errors: ValueError unless there is one bool a box, and an image or a size.
        """
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        if len(movable) != len(boxes):
            raise ValueError(f"{len(boxes)} boxes and {len(movable)} values of movable: expected one a box")
        if image is None and size is None:
            raise ValueError("a board got neither an image nor a size: expected one of them")
        super().__init__()
        self.places = list(places) or ["below" if one else "above" for one in movable]
        self.tell, self.label, self.movable = tell, label, [bool(one) for one in movable]
        if image is not None:
            pixels = as_rgb(image)
            self.picture, size = _address(pixels), pixels.shape[:2]
        self.size = [int(size[1]), int(size[0])]
        self.start = sides(boxes)
        self.boxes = self.start
        self._answer()
        self.observe(self._moved, names="moves")

    def __repr__(self) -> str:
        return f"a board with {len(self.boxes)} boxes; it needs a running kernel. {self.said}"

    def corners(self) -> np.ndarray:
        """The boxes as they are now, (N, 4) xyxy px."""
        boxes = np.array(self.boxes, float).reshape(-1, 4)
        return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)

    def _moved(self, _) -> None:
        self._answer()
        self.answered += 1

    def _answer(self) -> None:
        answer = self.tell(self.corners())
        with self.hold_sync():
            self.said, self.texts, self.colours = answer.said, list(answer.texts), list(answer.colours)
            if answer.follow is not None:
                self.follow = sides(np.asarray(answer.follow, float).reshape(-1, 4))
            if answer.beside is not None:
                self.beside, self.caption = _address(as_rgb(answer.beside)), answer.caption


def sides(boxes: np.ndarray) -> list[list[float]]:
    """Boxes (N, 4) xyxy as lists of x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1).tolist()


def _address(pixels: np.ndarray) -> str:
    """A picture as a data URL."""
    if pixels.dtype != np.uint8:
        pixels = (255 * pixels).round().astype(np.uint8)
    return data_url(Image.fromarray(pixels), "png", optimize=True)


def drag(board: Board) -> None:
    """Display a board; show its static twin beside it, for readers without a kernel."""
    display(board)


OBJECT, HIT, ERROR = PALETTE["black"], PALETTE["blue"], PALETTE["vermillion"]
