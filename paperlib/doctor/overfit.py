"""Can a system learn one batch by heart? The quickest test of labels, losses, frozen layers and learning rate."""
from collections import Counter, defaultdict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from paperlib.data.batches import Batches
from paperlib.data.detection_set import DetectionSet
from paperlib.data.given_proposals import with_proposals
from paperlib.device import pick_device, seed_all
from paperlib.parts import boxes as box_parts
from paperlib.progress import progress
from paperlib.scoring.coco_metrics import coco_metrics
from paperlib.scoring.detect import detect_all
from paperlib.systems.registry import SYSTEMS
from paperlib.training.loop import fit, to_device
from paperlib.training.recipes import Recipe
from paperlib.training.trained import tells_classes

MORE = 3                       # proposals an object among which a proposal method should have it


@dataclass(frozen=True)
class Trial:
    """What happened when a system saw one batch again and again."""
    steps: int
    images: int
    first: float               # loss of the first step
    last: float                # and of the last
    ap50: float                # on the images of the batch; of a proposal method: the share of objects found (`found`)
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
    """Train a fresh `system` on the first images that have objects, without flips, and test it on the same images.

    `size` is as in `Batches`. Errors: ValueError when no image has an object.
    """
    device = device or pick_device()
    seed_all(0)
    model = SYSTEMS[system](cfg).to(device)
    few = with_objects(dataset, model, images)
    batches = Batches(few, max(1, len(few)), size=size, flip=False)
    pixels, targets = batches[0][0].to(device), to_device(batches[0][1], device)
    frozen, silent = unmoved(model, pixels, targets)
    unread = [name for name in silent if name.startswith("pyramid.smooth.") and cfg.pools_rois]
    facts = {"steps": steps, "images": len(few), "frozen": frozen, "unread": unread,
             "silent": [name for name in silent if name not in unread],
             "pretrained": bool(cfg.trunk.weights)}
    recipe = Recipe(steps=steps, batch=len(few), lr=lr, warmup=min(20, steps // 4), drops=(0.8,))
    history = []
    try:
        for record in progress(fit(model, OneBatch(batches[0]), recipe, device), total=steps, desc="one batch"):
            history.append(record["loss"])
    except FloatingPointError as error:
        return Trial(first=history[0] if history else float("nan"), last=float("nan"), ap50=0.0, missed=[],
                     error=str(error), **facts)
    if not tells_classes(model):
        return Trial(first=history[0], last=history[-1], ap50=found(model, pixels, targets), missed=[], **facts,
                     measure=f"recall at IoU .5 of {MORE} proposals an object")
    short, long = (*([size] * 2 if isinstance(size, int) else size or ()), None, None)[:2]
    ap50 = coco_metrics(few, detect_all(model, few, device, len(few), short, long))["AP50"]
    return Trial(first=history[0], last=history[-1], ap50=ap50, missed=missed(model, pixels, targets, few.classes),
                 **facts)


def with_objects(dataset: DetectionSet, model: nn.Module, count: int) -> DetectionSet:
    """The first `count` images that have objects, with proposals if the model is trained or tested on given ones."""
    has_objects = (i for i, image in enumerate(dataset.images)
                   if any(not a["iscrowd"] for a in dataset.annotations[image["id"]]))
    picks = [i for i, _ in zip(has_objects, range(count))]
    cfg = model.cfg
    if picks and (cfg.needs_proposals(training=True) or cfg.needs_proposals()):
        dataset = with_proposals(dataset.subset(picks[-1] + 1), cfg.proposals)  # a search is seeded by the place
    return dataset.subset(picks)


def unmoved(model: nn.Module, images: Tensor, targets: list[dict]) -> tuple[list[str], list[str]]:
    """Names of the parameters that are frozen, and of those that are not but get no gradient from the losses."""
    sum(model.train().losses(images, targets).values()).backward()
    named = list(model.named_parameters())
    frozen = [name for name, p in named if not p.requires_grad]
    silent = [name for name, p in named if p.requires_grad and (p.grad is None or not p.grad.any())]
    model.zero_grad(set_to_none=True)
    return frozen, silent


@torch.no_grad()
def missed(model: nn.Module, images: Tensor, targets: list[dict], classes: list[str]) -> list[str]:
    """Per class the objects whose best-scored detection at IoU .5 is of another class or absent."""
    model.eval()
    proposals = [target["proposals"] for target in targets] if model.cfg.needs_proposals() else None
    regions = model.predict(images, proposals)[2]          # anchors (A, 4), or RoIs (R, 5) whose image stands first
    kind = "proposal" if regions.shape[1] == 5 else "anchor"
    detected = model.detect(images, torch.stack([t["size"] for t in targets]), proposals)
    lost, total = defaultdict(list), Counter()
    for i, (target, out) in enumerate(zip(targets, detected)):
        near = box_parts.iou(target["boxes"], out["boxes"]) >= 0.5                 # (G, D), best scores first
        named = torch.cat([out["labels"], out["labels"].new_zeros(1)])             # 0: no detection
        first = torch.cat([near, near.new_ones(len(near), 1)], 1).int().argmax(1)
        own = regions[regions[:, 0] == i, 1:] if kind == "proposal" else regions
        fits = box_parts.iou(target["boxes"], own).amax(1).tolist() if len(own) else [0.0] * len(near)
        for label, seen, fit_, crowd in zip(target["labels"].tolist(), named[first].tolist(), fits, target["crowd"]):
            total[label] += not crowd
            if seen != label and not crowd:
                lost[label].append((fit_, f"taken for {classes[seen - 1]}" if seen else "not found"))
    return [f"{len(cases)} of {total[k]} {classes[k - 1]} {' or '.join(sorted({why for _, why in cases}))} "
            f"(best {kind} IoU {min(cases)[0]:.2f}-{max(cases)[0]:.2f})" for k, cases in lost.items()]


@torch.no_grad()
def found(model: nn.Module, images: Tensor, targets: list[dict]) -> float:
    """The share of objects that a proposal method has, at IoU .5, among its first proposals, MORE an object."""
    hits = []
    for target, out in zip(targets, model.eval().detect(images, torch.stack([t["size"] for t in targets]))):
        gt = target["boxes"][~target["crowd"]]
        hits += (box_parts.iou(gt, out["boxes"][:MORE * len(gt)]) >= 0.5).any(1).tolist()
    return sum(hits) / max(1, len(hits))
