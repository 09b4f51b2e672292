"""Pictures of scoring that a slider can move: two boxes' IoU, one ranking and its curve, a data set's curves.

Each is a function `picture(ax, **state)` for `widgets.explore` (live) and `widgets.frames` (the static twin).
"""
import numpy as np
import torch
from matplotlib.patches import Rectangle

from paperlib.parts.boxes import iou
from paperlib.scoring.checked_arrays import detections, truth
from paperlib.scoring.coco_curves import IOUS, RECALLS, curves
from paperlib.teach.draw import PALETTE, boxes_on

OBJECTS = np.array([[10, 10, 40, 40], [58, 12, 90, 52], [22, 58, 48, 92.0]])  # xyxy px, three objects
FOUND = np.array([[12, 11, 41, 42], [60, 70, 88, 98], [54, 16, 84, 58], [16, 14, 44, 46], [20, 64, 52, 96.0]])
SCORES = np.array([0.95, 0.85, 0.75, 0.65, 0.45])


def iou_picture(ax, right: float = 12.0, down: float = 8.0, wider: float = 0.0) -> None:
    """A fixed object, a box moved `right` and `down` and made `wider` (px), their overlap, and the IoU."""
    a, b = np.array([20, 20, 60, 60.0]), np.array([20 + right, 20 + down, 60 + right + wider, 60 + down])
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    overlap = float(iou(torch.as_tensor(a[None]), torch.as_tensor(b[None])))
    if overlap:
        ax.add_patch(Rectangle(low, *(high - low), color=PALETTE["yellow"], alpha=0.7, lw=0))
    boxes_on(ax, None, [a], colors=PALETTE["blue"])
    boxes_on(ax, None, [b], colors=PALETTE["vermillion"], linestyle="--")
    passed = [f"{threshold:g}" for threshold in (0.1, 0.5, 0.75, 0.95) if overlap >= threshold]
    passed = ", ".join(passed) or "none of .1 .5 .75 .95"
    ax.text(0.02, -0.02, f"IoU {overlap:.2f}, reaches {passed}", transform=ax.transAxes, fontsize=9, va="top")
    ax.set(xlim=(15, 108), ylim=(88, 15), aspect="equal")
    ax.axis("off")


def toy_scene(ax, boxes=FOUND, scores=SCORES, hits=None) -> None:
    """The hand-made example: objects solid black; detections dashed, and solid blue where `hits` says so."""
    boxes_on(ax, None, OBJECTS, colors=PALETTE["black"])
    for n, (x1, y1, _, y2) in enumerate(boxes):
        edge, line, text = PALETTE["vermillion"], "--", f"{'ABCDE'[n]} {scores[n]:.2f}"
        if hits is not None and hits[n]:
            edge, line = PALETTE["blue"], "-"
        if hits is not None:
            text += " ✓" if hits[n] else " ✗"
        boxes_on(ax, None, boxes[n:n + 1], colors=edge, linestyle=line)
        if n == 0:  # A and D share an object: one label above, one below
            ax.text(x1, y1 - 2, text, fontsize=8, va="bottom")
        else:
            ax.text(x1, y2 + 1, text, fontsize=8, va="top")
    ax.set(xlim=(0, 128), ylim=(108, 0), aspect="equal")
    ax.axis("off")


def ranking_picture(ax, shift: float = 0.0, score: float = 0.75, threshold: float = 0.5) -> None:
    """Three objects and five detections (left), and the precision-recall curve that they make (right).

    Detection C moves right by `shift` px and has this `score`; `threshold` is the IoU that a hit needs.
    """
    boxes, scores = FOUND.copy(), SCORES.copy()
    boxes[2, [0, 2]] += shift
    scores[2] = score
    hits = ranked_hits(boxes, scores, threshold)
    ax.axis("off")
    scene, plot = ax.inset_axes([0, 0.02, 0.48, 0.96]), ax.inset_axes([0.6, 0.2, 0.39, 0.74])
    toy_scene(scene, boxes, scores, hits)
    _stairs(plot, hits[np.argsort(-scores, kind="stable")], len(OBJECTS))


def ranked_hits(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Which detections of the hand-made example are hits: best score first, each object once; (D,) bool."""
    free, hits = np.ones(len(OBJECTS), bool), np.zeros(len(boxes), bool)
    overlaps = iou(torch.as_tensor(boxes), torch.as_tensor(OBJECTS)).numpy()
    for n in np.argsort(-scores, kind="stable"):
        unclaimed = np.where(free, overlaps[n], 0)
        hits[n] = unclaimed.max() >= threshold
        free[unclaimed.argmax()] &= not hits[n]
    return hits


def _stairs(ax, hits: np.ndarray, total: int) -> None:
    """Precision after each detection, the envelope that AP integrates, and its area."""
    recall, precision = np.cumsum(hits) / total, np.cumsum(hits) / np.arange(1, len(hits) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.concatenate([[0], recall])
    ax.fill_between(steps, np.r_[envelope[:1], envelope], step="pre", alpha=0.2, color=PALETTE["blue"], lw=0)
    ax.plot(recall, precision, "o--", ms=4, lw=1, color=PALETTE["black"])
    area = float((np.diff(steps) * envelope).sum())
    ax.set(xlim=(0, 1.04), ylim=(0, 1.08), xlabel="recall", ylabel="precision")
    ax.text(0.04, 0.05, f"AP {area:.3f}", transform=ax.transAxes, fontsize=9)


def curve_explorer(gt, results: list[dict]):
    """A picture of one category's precision-recall curves on a data set, for `explore` and `frames`.

    The returned function takes `category` (a name), `threshold` (one of COCO's ten IoUs) and `score`:
    detections below it are dropped, and the curve ends there.
    """
    columns = truth(gt)
    dt = detections(columns, results)

    def picture(ax, category: str = columns.names[0], threshold: float = 0.5, score: float = 0.0) -> None:
        t, k = int(np.abs(IOUS - threshold).argmin()), columns.names.index(category)
        lines = ((0.0, "--", "black", "all"), (score, "-", "blue", f"score ≥ {score:g}"))
        for lowest, style, colour, name in lines:
            keep = dt.scores >= lowest
            kept = type(dt)(
                dt.image[keep], dt.category[keep], dt.boxes[keep], dt.scores[keep], dt.area[keep], None)
            precision = curves(columns, kept, (100,))[0][t, :, k, 0, 0]
            label = f"{name}: AP {precision.mean():.2f}"
            ax.plot(RECALLS, precision, style, color=PALETTE[colour], label=label)
        ax.set(xlim=(0, 1), ylim=(0, 1.2), xlabel="recall", ylabel=f"precision at IoU {IOUS[t]:.2f}")
        ax.legend(loc="upper right", fontsize=8, frameon=True, facecolor="white", edgecolor="none")

    return picture
