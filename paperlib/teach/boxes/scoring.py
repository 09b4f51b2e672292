"""Boards and pictures of scoring: the IoU of two boxes, and five detections matched with three objects.

Each teller serves the board (live) and the picture `picture(ax, **state)` of its static twin.
"""
import numpy as np
import torch

from paperlib.parts.boxes import iou
from paperlib.teach.boxes.board import ERROR, HIT, OBJECT, Answer, Board
from paperlib.teach.scoring_pictures import FOUND, OBJECTS, SCORES, ranked_hits, toy_scene

THRESHOLDS = (0.1, 0.5, 0.75, 0.95)
PAIR = np.array([[20, 20, 60, 60], [32, 28, 72, 68.0]])  # an object and a box, xyxy px


def iou_answer(boxes: np.ndarray) -> Answer:
    """The IoU of an object and a box, (2, 4) xyxy px, with the areas that it is made of."""
    overlap = float(iou(torch.as_tensor(boxes[:1]), torch.as_tensor(boxes[1:])))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    both = overlap * areas.sum() / (1 + overlap)
    passed = [f"{threshold:g}" for threshold in THRESHOLDS if overlap >= threshold]
    reached = ", ".join(passed) or "none of .1, .5, .75, .95"
    said = (f"IoU {overlap:.2f} = {both:.0f} / ({areas[0]:.0f} + {areas[1]:.0f} - {both:.0f}) px²; "
            f"it reaches {reached}.")
    colour = HIT if overlap >= 0.5 else ERROR
    return Answer(said, ("the object", f"your box {overlap:.2f}"), (OBJECT, colour))


def iou_board() -> Board:
    """An object, and a box to drag over it."""
    return Board(PAIR, (False, True), iou_answer, "An object and a box to move over it", size=(100, 120))


def matching_answer(boxes: np.ndarray, threshold: float = 0.5) -> Answer:
    """Which of detections A to E are hits; boxes (3 + 5, 4) xyxy px, the objects first."""
    detections = boxes[len(OBJECTS):]
    hits = ranked_hits(detections, SCORES, threshold)
    texts, colours = [f"object {n + 1}" for n in range(len(OBJECTS))], [OBJECT] * len(OBJECTS)
    for name, score, hit in zip("ABCDE", SCORES, hits):
        sign = "✓" if hit else "✗"
        texts.append(f"{name} {score:.2f} {sign}")
        colours.append(HIT if hit else ERROR)
    overlaps = iou(torch.as_tensor(detections), torch.as_tensor(OBJECTS)).numpy().max(1)
    listed = ", ".join(f"{name} {overlap:.2f}" for name, overlap in zip("ABCDE", overlaps))
    names = [name for name, hit in zip("ABCDE", hits) if hit]
    said = (f"Hits: {', '.join(names) or 'none'}. Precision {hits.sum()} of {len(hits)}, "
            f"recall {hits.sum()} of {len(OBJECTS)}.\n"
            f"Largest IoU with an object: {listed}.")
    return Answer(said, texts, colours)


def matching_board() -> Board:
    """Three objects, and five detections to drag; a box is a hit from an IoU of one half on."""
    boxes = np.concatenate([OBJECTS, FOUND])
    movable = [False] * len(OBJECTS) + [True] * len(FOUND)
    label = "Three objects and five detections, A to E, to move"
    return Board(boxes, movable, matching_answer, label, size=(108, 128),
                 places=["above"] * len(OBJECTS) + ["inside"] + ["below"] * 4)


def matching_picture(ax, box: str = "A", right: float = 0.0, down: float = 0.0) -> None:
    """The static twin: one of the detections A to E moved by so many px."""
    moved = FOUND.copy()
    moved["ABCDE".index(box)] += (right, down, right, down)
    hits = ranked_hits(moved, SCORES, 0.5)
    toy_scene(ax, moved, SCORES, hits)
    said = matching_answer(np.concatenate([OBJECTS, moved])).said
    ax.text(0.5, -0.02, said.partition(".")[0], transform=ax.transAxes, fontsize=9, ha="center", va="top")
