"""The README's pictures, and the first picture of notebook 00 and of the site."""
from base64 import b64decode
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from paperlib.bench import timing
from paperlib.course.bench_section import beside_peers, label, measured
from paperlib.data.named_sets import load
from paperlib.paths import weights_folder
from paperlib.teach.draw import boxes_on, color, style
from paperlib.teach.png import render
from paperlib.teach.shown_detector import clearest
from paperlib.training.weights import load_weights

SURE = 0.4  # the score from which a box is drawn
GROWS = {"images": "o", "anchors": "s", "classes": "D", "proposals": "^"}  # with their marks
FIRST = 120  # images among which the first picture's is chosen


def annotated_scenes(path: Path) -> None:
    """Draw scenes of MiniCOCO with their annotated boxes."""
    dataset = load("minicoco", "val")
    fig, axes = plt.subplots(1, 4, figsize=(11, 2.8), layout="constrained")
    fullest = sorted(range(100), key=lambda i: -len(dataset.target(i)["boxes"]))
    for ax, i in zip(axes, fullest):
        target = dataset.target(i)
        boxes_on(ax, dataset.image(i), target["boxes"], target["labels"], classes=dataset.classes)
    path.write_bytes(b64decode(render(fig, "Scenes with annotations").base64))


@torch.no_grad()
def first_look(path: Path) -> None:
    """Draw one scene on its way through RetinaNet: image, likely anchors, detections, annotations."""
    dataset = load("minicoco", "val")
    detector = load_weights(weights_folder() / "retinanet.safetensors").eval()
    few = [i for i in range(FIRST) if 3 <= len(dataset.target(i)["boxes"]) <= 9]
    image, target = dataset[clearest(detector, dataset, few, SURE)]
    logits, _, anchors = detector.predict(image[None])
    scores, names = logits[0].float().sigmoid().max(1)
    likely, detections = scores > SURE, detector.detect(image[None])[0]
    sure = detections["scores"] > SURE
    fig, axes = plt.subplots(1, 4, figsize=(11, 3.0), layout="constrained")
    boxes_on(axes[0], image)
    boxes_on(axes[1], image, anchors[likely], names[likely] + 1, text=False)
    boxes_on(axes[2], image, detections["boxes"][sure], detections["labels"][sure],
             detections["scores"][sure], dataset.classes)
    boxes_on(axes[3], image, target["boxes"], target["labels"], classes=dataset.classes)
    for ax, words in zip(axes, ("an image", "likely anchors", "what the detector says", "what is there")):
        ax.set_title(words)
    path.write_bytes(b64decode(render(fig, "One scene on its way through a detector").base64))


def speed(path: Path) -> None:
    """Draw how many times as fast as the peers we are, and how a step's time and memory grow."""
    style()
    fig, axes = plt.subplots(1, 3, figsize=(11, 3.0), width_ratios=(1.3, 1, 1), layout="constrained")
    _draw_quotients(axes[0])
    _draw_growth(axes[1:])
    path.write_bytes(b64decode(render(fig, "Speed beside the peers, and growth of time and memory").base64))


def _draw_quotients(ax) -> None:
    """How many times as fast as the peers we are, a row each, with its interval; a colour for each kind."""
    rows, kinds = beside_peers(), {}
    for i, by_kind in zip(range(len(rows))[::-1], rows.values()):  # the first row on top
        for units, record in by_kind.items():
            nth = kinds.setdefault(units, len(kinds))
            quotient, y = timing.interval(record), i + 0.15 - 0.3 * nth
            if quotient.low > 0:  # few repeats bound nothing
                ax.plot([quotient.low, quotient.high], [y, y], color=color(nth), linestyle="-")
            ax.plot(quotient.mean, y, "o", color=color(nth), label=units if i == len(rows) - 1 else None)
    names = [label(row) for row in rows]
    ax.set(xscale="log", yticks=range(len(rows)), yticklabels=names[::-1], title="times as fast as the peers")
    ax.axvline(1, color="black", linewidth=1)
    ax.set_xticks([1, 2, 5, 10, 20], ["1", "2", "5", "10", "20"])
    ax.minorticks_off()
    if kinds:
        ax.legend(fontsize=7)


def _draw_growth(axes) -> None:
    """How seconds (left) and memory (right) grow with images, anchors, classes and proposals."""
    rows = measured()
    for name, marker in GROWS.items():
        if f"growth {name}" not in rows:
            continue
        record = next(iter(rows[f"growth {name}"].values()))  # on the widest units
        for ax, values in zip(axes, (record["parts"], record["megabytes"])):
            first = next(iter(values))
            if values[first]:
                numbers = np.array([int(number) for number in values])
                ax.plot(numbers / int(first), np.array(list(values.values())) / values[first],
                        marker=marker, label=name)
    for ax, title in zip(axes, ("times the seconds", "times the memory")):
        ax.set(xscale="log", yscale="log", xlabel="times as many", title=title)
        ax.set_xticks([1, 2, 4, 8, 16, 64], ["1", "2", "4", "8", "16", "64"])
        ax.set_yticks([1, 2, 4, 8], ["1", "2", "4", "8"])
        ax.minorticks_off()
    if axes[0].lines:
        axes[0].legend(fontsize=8)
