"""The README's picture, and the first picture of notebook 00 and of the site."""
from base64 import b64decode
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from paperlib.data.named_sets import load
from paperlib.paths import weights_folder
from paperlib.teach.draw import boxes_on
from paperlib.teach.png import render
from paperlib.teach.shown_detector import clearest
from paperlib.training.weights import load_weights

SURE = 0.4  # the score from which a box is drawn
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
