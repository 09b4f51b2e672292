"""Proposals by themselves: recall by overlap and number, and the sizes that anchors learn."""

import numpy as np
import torch
from torch import Tensor

from paperlib.data.image_batches import image_batches
from paperlib.parts import boxes
from paperlib.parts.anchors import base_anchors
from paperlib.scoring.checked_arrays import detections, truth
from paperlib.scoring.coco_curves import curves
from paperlib.training.own_proposals import with_given_proposals

IOUS = (0.5, 0.6, 0.7, 0.8, 0.9)
# a tenth of Faster R-CNN's 300, 1000 and 2000, as the images have a tenth of the anchors
COUNTS = (30, 100, 200)


def recall_by_iou(dataset, proposals: list[Tensor], counts=COUNTS, ious=IOUS) -> np.ndarray:
    """Share of the objects that the best `counts` proposals of an image overlap by each IoU: (IoUs, counts).

    Source: Faster R-CNN Fig. 4. `proposals` are (P, 4) px an image, best first, on the images as stored.
    """
    columns = truth(dataset)
    dt = detections(columns, ranked_records(dataset, proposals, max(counts)), "bbox", classes=False)
    _, recall = curves(columns, dt, list(counts), ious=ious, recalls=[0.0], classes=False)
    return recall[:, 0, 0]


def ranked_records(dataset, proposals: list[Tensor], most: int = 1000) -> list[dict]:
    """COCO's records of the `most` best proposals (P, 4) px of each image, their rank as score."""
    records = []
    for image, of_image in zip(dataset.images, proposals):
        for rank, (x1, y1, x2, y2) in enumerate(of_image[:most].double().tolist()):
            records.append({"image_id": image["id"], "bbox": [x1, y1, x2 - x1, y2 - y1], "score": -rank})
    return records


@torch.no_grad()
def proposals_of(system, dataset, device, short=None, long=None, batch: int = 16) -> list[Tensor]:
    """The proposals (P, 4) px that the system makes, or gets, of every image, as many as train a detector."""
    if system.cfg.needs_proposals():
        return with_given_proposals(dataset, system.cfg.proposals).proposals
    system.to(device).eval()
    made = {}
    for images in image_batches(dataset, device, batch, short, long):
        proposals = system.proposals(images.images, images.sizes, training=True)
        for i, of_image, scale in zip(images.places, proposals, images.scales()):
            made[i] = of_image.cpu() * scale.float()
    return [made[i] for i in range(len(dataset))]


@torch.no_grad()
def learnt_sizes(system, dataset, device, batch: int = 16) -> Tensor:
    """Mean width and height (shapes, 2) px of what each anchor proposes, weighted by its objectness.

    Source: Faster R-CNN Table 1, for an RPN on one map.
    Differs: the paper does not say over which proposals it takes the mean;
             the weight counts those that matter.
    """
    shapes = system.cfg.rpn.anchors.shapes_per_position
    total = weight = 0.0
    for images in image_batches(dataset, device, batch):
        logits, deltas, anchors = system.predict_levels(images.images)
        moved = boxes.decode(torch.cat(anchors), torch.cat(deltas, 1))
        moved = moved.unflatten(1, (-1, shapes))  # (N, P, S, 4)
        score = torch.cat(logits, 1).sigmoid().unflatten(1, (-1, shapes))[..., None]
        total = total + (score * (moved[..., 2:] - moved[..., :2])).sum((0, 1))
        weight = weight + score.sum((0, 1))
    return (total / weight).cpu()


def own_margins(sizes: Tensor, anchors: Tensor) -> Tensor:
    """How much nearer each mean proposal is to its own anchor than to any other: (S,).

    Units:  log width and height.
    Shapes: sizes (S, 2) px, anchors (S, 4) px.
    """
    apart = torch.cdist(sizes.log(), (anchors[:, 2:] - anchors[:, :2]).to(sizes.dtype).log())  # (S, S)
    others = apart + torch.diag(torch.full((len(apart),), torch.inf))
    return others.amin(1) - apart.diag()


def own_margin(sizes: Tensor, anchors: Tensor) -> float:
    """The least of `own_margins`."""
    return float(own_margins(sizes, anchors).min())


def proposal_facts(system, dataset, device, short=None, long=None, images: int = 400) -> dict[str, float]:
    """`recall_<IoU>_<number>`; of an RPN on one map `own_margin`, `width_<shape>` and `height_<shape>` px."""
    dataset = dataset.subset(images)
    facts = {}
    for iou, recalls in zip(IOUS, recall_by_iou(dataset, proposals_of(system, dataset, device, short, long))):
        for count, recall in zip(COUNTS, recalls.tolist()):
            facts[f"recall_{iou:g}_{count}"] = recall
    levels = system.cfg.rpn.anchors.levels
    if len(levels) == 1 and not system.cfg.needs_proposals() and short is None:
        sizes = learnt_sizes(system, dataset, device)
        for shape, (width, height) in enumerate(sizes.tolist()):
            facts[f"width_{shape}"] = width
            facts[f"height_{shape}"] = height
        if len(sizes) > 1:
            facts["own_margin"] = own_margin(sizes, base_anchors(system.cfg.rpn.anchors, levels[0]))
    return facts
