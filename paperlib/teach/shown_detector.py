"""The trained detectors that the notebooks look into: the course's own, or ones taught a set of one's own."""
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from paperlib.data.detection_set import DetectionSet
from paperlib.data.named_sets import load
from paperlib.device import pick_device
from paperlib.parts import boxes
from paperlib.paths import data_folder, weights_folder
from paperlib.progress import progress
from paperlib.scoring.coco_metrics import evaluate
from paperlib.training.loop import fit
from paperlib.training.recipes import Recipe, budget
from paperlib.training.trainer import prepare
from paperlib.training.weights import save_weights
from paperlib.world.set_names import DRAWN, SetName

SHIPPED = {"retinanet": "retinanet.safetensors", "faster_rcnn": "faster_rcnn_pyramid.safetensors"}
STEPS = {"smoke": 6}  # of a set of one's own; else MOST
MOST = 300


def shown_weights(data: str, test: str = "val", plan: str = "mini", device=None,
                  system: str = "retinanet") -> Path:
    """The weights of a RetinaNet, or a Faster R-CNN on a pyramid, that knows the classes of `data`: a file.

    For MiniCOCO that of the course. For another set, such as a `small_copy` of one's own, one that starts
    from it, but for the class logits, and is trained for 300 steps; it is kept for the next notebook.
    Errors: KeyError for a system of which the course has no detector.
    """
    shipped, name = weights_folder() / SHIPPED[system], SetName.parse(data)
    if name.base == "minicoco":
        return shipped
    steps, folder = STEPS.get(plan, MOST), Path(data)
    if name.base in DRAWN:
        folder = data_folder() / ".copies" / name.top
    path = folder / f"{system}-{steps}.safetensors"
    if not path.is_file():
        recipe = replace(budget("scale").recipe(system), data=data, test=test, steps=steps, batch=8,
                         warmup=min(30, steps))
        _teach(path, system, shipped, recipe, pick_device(device))
    return path


@torch.no_grad()
def clearest(detector, dataset: DetectionSet, places: Iterable[int], sure: float = 0.4) -> int:
    """Of some images the one that shows best what a detector does: most objects found, least said wrongly.

    A detection counts from the score `sure`; it is right if it covers an object of its class by half. Each
    object that is found counts 1, each wrong detection -1/2, and the largest IoU of two objects -2.
    Errors: ValueError without images.
    """
    device = next(detector.parameters()).device
    best, most = None, -float("inf")
    for i in places:
        target, detections = dataset.target(i), detector.detect(dataset.image(i)[None].to(device))[0]
        said = detections["scores"].cpu() >= sure
        same = detections["labels"].cpu()[said, None] == target["labels"]
        right = same & (boxes.iou(detections["boxes"].cpu()[said], target["boxes"]) >= 0.5)  # (D, G)
        value = int(right.any(0).sum()) - int((~right.any(1)).sum()) / 2 - 2 * _closest(target["boxes"])
        if value > most:
            best, most = i, value
    if best is None:
        raise ValueError("no images to choose from: expected one or more")
    return best


def _closest(objects: Tensor) -> float:
    """The largest IoU of two of an image's objects (G, 4) px; 0 of fewer than two."""
    if len(objects) < 2:
        return 0.0
    return float(boxes.iou(objects, objects).fill_diagonal_(0).max())


def _teach(path: Path, name: str, shipped: Path, recipe: Recipe, device: torch.device) -> None:
    system, batches = prepare(name, recipe)
    fitting, wanted = {}, system.state_dict()
    for key, value in load_file(shipped).items():
        if key in wanted and wanted[key].shape == value.shape:
            fitting[key] = value.float()
    system.load_state_dict(fitting, strict=False)
    start = time.process_time()
    with closing(fit(system, batches, recipe, device)) as run:
        history = list(progress(run, total=recipe.steps, desc=f"{name} on your pictures", unit="step"))
    seconds = time.process_time() - start
    scores = evaluate(system.eval(), load(recipe.data, recipe.test, limit=100), device)
    save_weights(path, name, system, steps=str(len(history)), seconds=f"{seconds:.0f}",
                 AP=f"{scores['AP']:.4f}")
