"""Which anchor or proposal answers for which object: thresholds and crowds.

Labels of a match are 1 (object), 0 (background), -1 (takes no part in the loss).

Legend: A anchors, R regions, G objects of an image, K classes; (…) any leading dimensions.
"""
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.parts import boxes


def check_targets(targets: list[dict], count: int, keys: tuple[str, ...],
                  num_classes: int | None = None) -> None:
    """Refuse targets unless there is one for each of `count` images, with all `keys`.

    Errors: ValueError naming the first target that lacks a key, whose boxes are not (G, 4), that has not one
            label a box, or, where `num_classes` is given, a label outside 1..K.
    """
    if len(targets) != count:
        raise ValueError(f"{count} images and {len(targets)} targets: expected one an image")
    for i, target in enumerate(targets):
        if lacks := [key for key in keys if key not in target]:
            raise ValueError(f"{_name(i, target)} has no {lacks[0]!r}, found {sorted(target)}: expected "
                             f"{' and '.join(map(repr, keys))} in every target of the batch")
        shape = tuple(target["boxes"].shape)
        if shape[1:] != (4,):
            raise ValueError(f"{_name(i, target)} has boxes of shape {shape}: expected (G, 4), "
                             "and (0, 4) where there is no object")
        if "labels" in keys and len(target["labels"]) != len(target["boxes"]):
            raise ValueError(f"{_name(i, target)} has {len(target['boxes'])} boxes and "
                             f"{len(target['labels'])} labels: expected one label a box")
    if num_classes is not None and targets:
        known = torch.cat([target["labels"] for target in targets])
        # asked once a batch: a GPU is waited for at every answer
        if ((known < 1) | (known > num_classes)).any():
            _name_the_label(targets, num_classes)


def _name(i: int, target: dict) -> str:
    return f"target {i} (image {target.get('image_id', 'without id')})"


def _name_the_label(targets: list[dict], num_classes: int) -> None:
    for i, target in enumerate(targets):
        for label in target["labels"].tolist():
            if not 1 <= label <= num_classes:
                raise ValueError(f"{_name(i, target)} has label {label}: "
                                 f"expected 1 to num_classes = {num_classes}")


@dataclass(frozen=True)
class MatchConfig:
    hi: float = 0.5  # IoU from which an anchor is positive (RetinaNet Sec. 4.1; RPN: .7)
    lo: float = 0.4  # IoU below which it is background (RetinaNet Sec. 4.1; RPN: .3)
    # an object's best anchors are positive whatever their IoU (Faster R-CNN Sec. 3.1.2, rule i)
    best: bool = True


def match(overlaps: Tensor, hi: float, lo: float, best: bool = False, valid: Tensor | None = None):
    """Assign anchors to objects by IoU.

    Source: Faster R-CNN Sec. 3.1.2; RetinaNet Sec. 4.1 (same rule, thresholds .5 and .4).
    Shapes: overlaps (…, G, A), valid (…, G) bool or None -> gt index (…, A) int64,
            label (…, A) int64 in {1, 0, -1}.
    Units:  1 where the best IoU >= hi, 0 where it is < lo, else -1. With `best`, every anchor that shares the
            highest IoU of some object is 1 too, unless that IoU is 0.
            Rows that are not `valid` are never matched.
    Differs: an anchor made positive by `best` keeps the object it overlaps most, as in the authors' code.
    """
    *lead, num_gt, num_anchors = overlaps.shape
    if num_gt == 0:
        zeros = torch.zeros(*lead, num_anchors, dtype=torch.int64, device=overlaps.device)
        return zeros, zeros.clone()
    if valid is not None:
        overlaps = overlaps.masked_fill(~valid.unsqueeze(-1), -1.0)
    top, gt = overlaps.max(dim=-2)  # (…, A)
    label = (top >= hi).long() - ((top >= lo) & (top < hi)).long()
    if best and num_anchors:
        per_gt = overlaps.amax(dim=-1, keepdim=True)  # (…, G, 1)
        per_gt = per_gt.masked_fill(per_gt <= 0, torch.inf)
        label = label.masked_fill((overlaps == per_gt).any(dim=-2), 1)
    return gt, label


def ignore_crowds(label: Tensor, covered: Tensor, crowd: Tensor, threshold: float = 0.5) -> Tensor:
    """Background anchors that lie mostly inside a crowd region take no part: their 0 becomes -1.

    Shapes: label (…, A), covered (…, A, G) from `boxes.coverage(anchors, gt)`, crowd (…, G) bool -> (…, A).
    """
    hidden = ((covered > threshold) & crowd.unsqueeze(-2)).any(dim=-1)
    return label.masked_fill((label == 0) & hidden, -1)


def by_class(overlaps: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """The highest overlap of each region with an object of each class, 0 where there is none of it.

    Shapes: overlaps (R, G), labels (G,) in 1..K -> (R, K).
    """
    best = overlaps.new_zeros(len(overlaps), num_classes)
    return best.scatter_reduce_(1, (labels - 1).expand(len(overlaps), -1), overlaps, "amax")


def assign(anchors: Tensor, target: dict, rule: MatchConfig) -> tuple[Tensor, Tensor]:
    """`match` for the anchors of one image; crowd and difficult objects hide background and are never
    matched.

    Shapes: anchors (A, 4), target {"boxes" (G, 4) px[, "crowd", "difficult" (G,) bool]}
            -> index into the target's boxes (A,), label (A,) in {1, 0, -1}.
    One image at a time: a batch padded to its fullest image would compute three times as many overlaps.
    """
    gt = target["boxes"]
    crowd = target.get("crowd", torch.zeros(len(gt), dtype=torch.bool, device=gt.device))
    if "difficult" in target:
        crowd = crowd | target["difficult"]
    if not crowd.any():
        return match(boxes.iou(gt, anchors), rule.hi, rule.lo, rule.best)
    real = (~crowd).nonzero().squeeze(1)
    chosen, label = match(boxes.iou(gt[real], anchors), rule.hi, rule.lo, rule.best)
    label = ignore_crowds(label, boxes.coverage(anchors, gt[crowd]), crowd[crowd])
    if len(real):
        chosen = real[chosen]
    return chosen, label
