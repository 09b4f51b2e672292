"""Boards of a region: what a network gets of a box that is dragged, as crops of pixels or cells of a map.

`answer` serves the board (live), `picture(ax, **state)` its static twin; both say the same of the same box.
"""
import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.patches import Rectangle
from torch import Tensor

from paperlib.parts.boxes import iou
from paperlib.parts.crops.warp import CropConfig, crops, sources
from paperlib.teach.boxes.board import Answer, Board
from paperlib.teach.draw import PALETTE, as_rgb, boxes_on

SHOWN = 96                     # px, the side of a crop that is looked at
CONTEXT = 16 / 227             # of a crop's side on each side of the region (R-CNN, Sec. 2.1)
CUTS = (("warped, no context", "warp", 0.0), ("warped with context", "warp", CONTEXT),
        ("square with context", "square", CONTEXT))
REGION, READ, CELL = PALETTE["vermillion"], PALETTE["blue"], PALETTE["black"]
EDGES = ("left", "top", "right", "bottom")


def moved(box, right: float, down: float, wider: float) -> np.ndarray:
    """A box (4,) xyxy px moved, and made wider at its right edge: (1, 4)."""
    return np.asarray(box, float)[None] + (right, down, right + wider, down)


@dataclass(frozen=True)
class CropScene:
    """A picture (3, H, W) in 0..1, a region (4,) xyxy px to begin with, the colour (3,) beyond it."""

    image: Tensor
    start: Tensor
    fill: Tensor

    def cut(self, boxes: np.ndarray) -> list[Tensor]:
        """The crops of the one region (1, 4), as CUTS lists them: (3, SHOWN, SHOWN) each."""
        views = []
        for _, kind, context in CUTS:
            cfg = CropConfig(SHOWN, context * SHOWN, kind)
            (view,) = crops(self.image, _as_tensor(boxes), cfg, self.fill)
            views.append(view.clamp(0, 1))
        return views

    def answer(self, boxes: np.ndarray) -> Answer:
        """What the crops of a region show: how much of the picture, and how it is stretched."""
        with_context = sources(_as_tensor(boxes), CropConfig(SHOWN, CONTEXT * SHOWN)).numpy()
        (width, height), (wide, high) = _sides(boxes[0]), _sides(with_context[0])
        said = (f"A region of {width:.0f} by {height:.0f} px. With its context the crop shows {wide:.0f} by "
                f"{high:.0f} px, {self._beyond(with_context[0]):.0%} of it beyond the picture.\n"
                f"The warp stretches {_stretch(width, height)}; a square does not.")
        row = torch.cat([F.pad(view, (2, 2), value=1.0) for view in self.cut(boxes)], 2)
        caption = "From the left: " + "; ".join(name for name, _, _ in CUTS) + "."
        return Answer(said, ("the region", "with context"), (REGION, READ), with_context, row, caption)

    def _beyond(self, box: np.ndarray) -> float:
        """The share of a box that lies outside the picture."""
        height, width = self.image.shape[-2:]
        inside = np.clip(box, 0, (width, height, width, height))
        share = np.prod(_sides(inside)) / np.prod(_sides(box))
        return max(0.0, 1 - float(share))

    def board(self) -> Board:
        """The picture with a region to drag, and its crops below."""
        label = "A scene with a region to move and to resize"
        return Board(self.start[None].numpy(), (True,), self.answer, label, self.image)

    def picture(self, ax, right: float = 0, down: float = 0, wider: float = 0) -> None:
        """The static twin: the region moved and made wider by so many px, and its crops below."""
        boxes = moved(self.start, right, down, wider)
        ax.axis("off")
        scene = ax.inset_axes([0.14, 0.36, 0.72, 0.64])
        boxes_on(scene, self.image, self.answer(boxes).follow, colors=READ, text=False)
        boxes_on(scene, None, boxes, colors=REGION, linestyle="--", text=False)
        for place, view in enumerate(self.cut(boxes)):
            small = ax.inset_axes([0.34 * place, 0, 0.32, 0.32])
            small.imshow(as_rgb(view))
            small.set(xticks=[], yticks=[])


@dataclass(frozen=True)
class RoIScene:
    """A picture (3, H, W) in 0..1, a box (4,) xyxy px to begin with, and how a map is read.

    `stride` is px between the map's places, `side` cells of the window down and across.
    """

    image: Tensor
    start: Tensor
    stride: int = 8
    side: int = 3

    def answer(self, boxes: np.ndarray) -> Answer:
        """Which places of the map RoI pooling reads for a box, and what its rounding costs."""
        left, top, right, bottom = places(boxes[0], self.stride)
        read = self.stride * np.array([left, top, right + 1, bottom + 1.0])
        cells = bins(boxes[0], self.stride, self.side)
        overlap = float(iou(_as_tensor(boxes), _as_tensor(read[None])))
        moves = [f"{name} {by:+.0f}" for name, by in zip(EDGES, read - boxes[0])]
        across, down = _sides(cells[0]) / self.stride
        said = (f"Columns {left} to {right} and rows {top} to {bottom} of the map are read: "
                f"IoU {overlap:.2f} with the box.\nRounding moves the edges by px: {', '.join(moves)}. "
                f"The first of {self.side} x {self.side} cells takes the largest of "
                f"{across:.0f} x {down:.0f} places.")
        texts = ("the box", f"what is read, {overlap:.2f}", *[""] * len(cells))
        return Answer(said, texts, (REGION, READ, *[CELL] * len(cells)), np.concatenate([read[None], cells]))

    def board(self) -> Board:
        """The picture with the borders of the map's places, and a box to drag."""
        label = "A scene under the places of a map, and a box to move"
        return Board(self.start[None].numpy(), (True,), self.answer, label, self.lined())

    def lined(self) -> Tensor:
        """The picture with a light line at every place of the map."""
        image = self.image.clone()
        image[:, ::self.stride] = 0.7 * image[:, ::self.stride] + 0.3
        image[:, :, ::self.stride] = 0.7 * image[:, :, ::self.stride] + 0.3
        return image

    def picture(self, ax, right: float = 0, down: float = 0, wider: float = 0) -> None:
        """The static twin: the box moved and made wider by so many px."""
        boxes = moved(self.start, right, down, wider)
        answer = self.answer(boxes)
        boxes_on(ax, self.lined(), boxes, colors=REGION, linestyle="--", text=False)
        widths = (2.2, *[0.8] * self.side**2)
        for (x1, y1, x2, y2), colour, width in zip(answer.follow, answer.colours[1:], widths):
            ax.add_patch(Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1, y2 - y1, fill=False, ec=colour, lw=width))
        overlap = answer.said.partition("\n")[0].partition(": ")[2]
        shade = {"facecolor": "black", "alpha": 0.7, "pad": 1, "linewidth": 0}
        ax.text(0.5, 0.02, overlap, transform=ax.transAxes, ha="center", va="bottom", fontsize=8,
                color="white", bbox=shade)


def places(box: np.ndarray, stride: int) -> tuple[int, int, int, int]:
    """First column, first row, last column, last row of a map that RoI pooling reads for a box (4,) px.

    Source: Fast R-CNN's code: each edge is rounded, the last px is part of the box.
    """
    x1, y1, x2, y2 = (math.floor(edge / stride + 0.5) for edge in np.asarray(box) - (0, 0, 1, 1))
    return x1, y1, max(x2, x1), max(y2, y1)


def bins(box: np.ndarray, stride: int, side: int) -> np.ndarray:
    """The px that each cell of RoI pooling's window reads: (side * side, 4) xyxy, row by row."""
    left, top, right, bottom = places(box, stride)
    columns, rows = _spans(left, right, side), _spans(top, bottom, side)
    cells = []
    for up, low in rows:
        for first, last in columns:
            cells.append([first, up, last, low])
    return stride * np.array(cells, float)


def _spans(first: int, last: int, side: int) -> list[tuple[int, int]]:
    """For each of `side` cells its first place and the one after its last; neighbours may share one."""
    each = (last - first + 1) / side
    return [(first + math.floor(i * each), first + math.ceil((i + 1) * each)) for i in range(side)]


def _sides(box: np.ndarray) -> np.ndarray:
    """Width and height of a box (4,) xyxy."""
    return box[2:] - box[:2]


def _stretch(width: float, height: float) -> str:
    """What a warp to a square does to a region, in words."""
    if abs(math.log(width / height)) < 0.05:
        return "it hardly"
    if width > height:
        return f"its height {width / height:.1f} times as much as its width"
    return f"its width {height / width:.1f} times as much as its height"


def _as_tensor(boxes: np.ndarray) -> Tensor:
    return torch.as_tensor(np.asarray(boxes), dtype=torch.float32)
