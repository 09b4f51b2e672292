"""Proposals by themselves: recall by overlap and number, and the sizes that anchors learn."""

import numpy as np
import torch
from torch import Tensor

from paperlib.data.given_proposals import with_proposals
from paperlib.parts import boxes
from paperlib.parts.anchors import base_anchors
from paperlib.scoring.checked_arrays import found, truth
from paperlib.scoring.coco_curves import curves
from paperlib.scoring.detect import image_batches
from paperlib.systems.contract import ProposalMaker

IOUS = (0.5, 0.6, 0.7, 0.8, 0.9)
COUNTS = (30, 100, 200)  # a tenth of Faster R-CNN's 300, 1000 and 2000, as the images have a tenth of the anchors


def recall_by_iou(dataset, proposals: list[Tensor], counts=COUNTS, ious=IOUS) -> np.ndarray:
    """Share of the objects that the best `counts` proposals of an image overlap by each IoU: (IoUs, counts).

    Source: Faster R-CNN Fig. 4. `proposals` are (P, 4) px an image, best first, on the images as stored.
    """
    records = [{"image_id": image["id"], "category_id": dataset.categories[0]["id"], "score": -rank,
                "bbox": [x1, y1, x2 - x1, y2 - y1]}
               for image, b in zip(dataset.images, proposals)
               for rank, (x1, y1, x2, y2) in enumerate(b[: max(counts)].double().tolist())]
    columns = truth(dataset)
    _, recall = curves(columns, found(columns, records, "bbox", classes=False), list(counts), ious=ious, recalls=[0.0],
                       classes=False)
    return recall[:, 0, 0]


@torch.no_grad()
def proposals_of(system, dataset, device, short=None, long=None, batch: int = 16) -> list[Tensor]:
    """The proposals (P, 4) px of every image, as many as train a detector: the system's own, or those given to it."""
    if system.cfg.needs_proposals():
        return with_proposals(dataset, system.cfg.proposals).proposals
    system.to(device).eval()
    made = []
    for images in image_batches(dataset, device, batch, short, long):
        proposals = system.proposals(images.images, images.sizes, training=True)
        made += [boxes.cpu() * scale.float() for boxes, scale in zip(proposals, images.scales())]
    return made


def raw_outputs(system: ProposalMaker, images: Tensor) -> tuple[list, list, list]:
    """Per level logits, deltas and anchors of an RPN, on its own or in a detector."""
    return system.predict_levels(images)


@torch.no_grad()
def learnt_sizes(system, dataset, device, batch: int = 16) -> Tensor:
    """Mean width and height (shapes, 2) px of what each anchor proposes, weighted by its objectness.

    Source: Faster R-CNN Table 1, for an RPN on one map.
    Differs: the paper does not say over which proposals it takes the mean; the weight counts those that matter.
    """
    shapes, (total, weight) = system.cfg.rpn.anchors.shapes_per_position, (0.0, 0.0)
    for images in image_batches(dataset, device, batch):
        logits, deltas, anchors = raw_outputs(system, images.images)
        moved = boxes.decode(torch.cat(anchors), torch.cat(deltas, 1)).unflatten(1, (-1, shapes))  # (N, P, S, 4)
        score = torch.cat(logits, 1).sigmoid().unflatten(1, (-1, shapes))[..., None]
        total = total + (score * (moved[..., 2:] - moved[..., :2])).sum((0, 1))
        weight = weight + score.sum((0, 1))
    return (total / weight).cpu()


def own_margins(sizes: Tensor, anchors: Tensor) -> Tensor:
    """How much nearer, in log width and height, each mean proposal is to its own anchor than to any other: (S,).

    Shapes: sizes (S, 2) px, anchors (S, 4) px.
    """
    apart = torch.cdist(sizes.log(), (anchors[:, 2:] - anchors[:, :2]).to(sizes.dtype).log())  # (S, S)
    others = apart + torch.diag(torch.full((len(apart),), torch.inf))
    return others.amin(1) - apart.diag()


def own_margin(sizes: Tensor, anchors: Tensor) -> float:
    """The least of `own_margins`."""
    return float(own_margins(sizes, anchors).min())


def proposal_facts(system, dataset, device, short=None, long=None, images: int = 400) -> dict[str, float]:
    """`recall_<IoU>_<number>`, and of an RPN on one map `own_margin`, `width_<shape>` and `height_<shape>` px."""
    dataset = dataset.subset(images)
    recall = recall_by_iou(dataset, proposals_of(system, dataset, device, short, long))
    out = {f"recall_{t:g}_{n}": float(recall[i, m]) for i, t in enumerate(IOUS) for m, n in enumerate(COUNTS)}
    levels = system.cfg.rpn.anchors.levels
    if len(levels) == 1 and not system.cfg.needs_proposals() and short is None:
        sizes = learnt_sizes(system, dataset, device)
        out |= {f"{side}_{k}": float(v) for k, pair in enumerate(sizes) for side, v in zip(("width", "height"), pair)}
        if len(sizes) > 1:
            out["own_margin"] = own_margin(sizes, base_anchors(system.cfg.rpn.anchors, levels[0]))
    return out
