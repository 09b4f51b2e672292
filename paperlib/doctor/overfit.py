"""Can a system learn one batch by heart? A quick test of labels, losses, frozen layers and learning rate."""
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.config import override
from paperlib.data.batches import Batches
from paperlib.data.detection_set import DetectionSet
from paperlib.device import pick_device, seed_all
from paperlib.doctor.missed import PER_OBJECT, missed, share_reached
from paperlib.progress import progress
from paperlib.scoring.coco_metrics import coco_metrics
from paperlib.scoring.detect import detect_all
from paperlib.systems.registry import SYSTEMS
from paperlib.training.loop import fit, to_device
from paperlib.training.own_proposals import with_given_proposals
from paperlib.training.recipes import Recipe
from paperlib.training.trained import tells_classes

PROPOSALS = 300                # an image, of a system that is given them


@dataclass(frozen=True)
class Trial:
    """What happened when a system was trained on one batch again and again."""
    steps: int
    images: int
    first: float               # loss of the first step
    last: float                # and of the last; nan if the training stopped before
    ap50: float                # on the images of the batch; of a proposal method: `share_reached`
    frozen: list[str]          # parameters that may not change
    pretrained: bool           # the trunk started from weights
    silent: list[str]          # parameters that may change, but whose gradient is 0 everywhere
    unread: list[str]          # likewise, of maps of the pyramid that no region of these images is read from
    missed: list[str]          # "2 of 3 dog taken for cat (best anchor IoU 0.2-0.4)"
    error: str = ""            # why the training stopped, if it did
    measure: str = "AP50"      # what `ap50` is


class OneBatch:
    """The same batch at every step, as `fit` wants its batches."""

    def __init__(self, batch: tuple[Tensor, list[dict]]):
        self.batch = batch

    def __getitem__(self, step: int) -> tuple[Tensor, list[dict]]:
        return self.batch


def overfit(dataset: DetectionSet, cfg, size=None, system: str = "retinanet", steps: int = 120,
            device: torch.device | None = None, images: int = 4, lr: float = 0.02) -> Trial:
    """Train a fresh `system` on the first `images` that have objects, without flips, and test it on the same.

    `size` is as in `Batches`. Given proposals are at most PROPOSALS an image, enough to learn from.
    Errors: ValueError when no image has an object.
    """
    device = device or pick_device()
    seed_all(0)
    if reads_proposals(cfg):
        cfg = override(cfg, {"proposals.keep": min(cfg.proposals.keep, PROPOSALS)})
    model = SYSTEMS[system](cfg).to(device)
    few = with_objects(dataset, model, images)
    batch = Batches(few, max(1, len(few)), size=size, flip=False, masks=model.needs_masks)[0]
    pixels, targets = batch[0].to(device), to_device(batch[1], device)
    frozen, without_gradient = unmoved(model, pixels, targets)
    silent, unread = [], []
    for name in without_gradient:
        if name.startswith("pyramid.smooth.") and cfg.pools_rois:
            unread.append(name)
        else:
            silent.append(name)
    recipe = Recipe(steps=steps, batch=len(few), lr=lr, warmup=min(20, steps // 4), drops=(0.8,))
    losses, error = _train(model, batch, recipe, device)
    facts = {"steps": steps, "images": len(few), "first": losses[0], "last": losses[-1], "frozen": frozen,
             "pretrained": bool(cfg.trunk.weights), "silent": silent, "unread": unread}
    if error:
        return Trial(ap50=0.0, missed=[], error=error, **facts)
    if not tells_classes(model):
        measure = f"recall at IoU .5 of {PER_OBJECT} proposals an object"
        return Trial(ap50=share_reached(model, pixels, targets), missed=[], measure=measure, **facts)
    short, long = _sides(size)
    detections = detect_all(model, few, device, len(few), short, long)
    ap50 = coco_metrics(few, detections)["AP50"]
    return Trial(ap50=ap50, missed=missed(model, pixels, targets, few.classes), **facts)


def with_objects(dataset: DetectionSet, model: nn.Module, count: int) -> DetectionSet:
    """The first `count` images that have objects, with proposals if the model reads them."""
    picks = []
    for i, image in enumerate(dataset.images):
        if len(picks) == count:
            break
        if not all(annotation["iscrowd"] for annotation in dataset.annotations[image["id"]]):
            picks.append(i)
    if picks and reads_proposals(model.cfg):
        up_to_last = dataset.subset(picks[-1] + 1)         # the others too: an image's place seeds its search
        dataset = with_given_proposals(up_to_last, model.cfg.proposals)
    return dataset.subset(picks)


def reads_proposals(cfg) -> bool:
    """Whether a system is trained or tested on proposals from outside."""
    return cfg.needs_proposals(training=True) or cfg.needs_proposals()


def unmoved(model: nn.Module, images: Tensor, targets: list[dict]) -> tuple[list[str], list[str]]:
    """Names of the parameters that are frozen, and of those that are not but get no gradient."""
    sum(model.train().losses(images, targets).values()).backward()
    frozen, silent = [], []
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            frozen.append(name)
        elif parameter.grad is None or not parameter.grad.any():
            silent.append(name)
    model.zero_grad(set_to_none=True)
    return frozen, silent


def _train(model: nn.Module, batch: tuple[Tensor, list[dict]], recipe: Recipe,
           device: torch.device) -> tuple[list[float], str]:
    """The loss of every step, and why the training stopped: "" at its end; else the last loss is nan."""
    losses = []
    records = fit(model, OneBatch(batch), recipe, device)
    try:
        for record in progress(records, total=recipe.steps, desc="one batch"):
            losses.append(record["loss"])
    except FloatingPointError as error:
        return [*losses, math.nan], str(error)
    return losses, ""


def _sides(size) -> tuple[int | None, int | None]:
    """Shorter and longer side, px, of a `size` as in `Batches`; None: not bounded."""
    if isinstance(size, int):
        return size, size
    if not size:
        return None, None
    return (*size, None)[:2]
