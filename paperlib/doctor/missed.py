"""Which objects of a batch a system misses after training on it: what the doctor says of `overfit`.

Legend: G objects of an image, D its detections (best first), A anchors, R RoIs.
"""
from collections import Counter, defaultdict

import torch
from torch import Tensor, nn

from paperlib.doctor.anchor_coverage import best_iou
from paperlib.parts import boxes as box_parts

PER_OBJECT = 3                 # proposals an object among which a proposal method should have it


@torch.no_grad()
def missed(model: nn.Module, images: Tensor, targets: list[dict], classes: list[str]) -> list[str]:
    """Per class the objects whose best-scored detection at IoU .5 is of another class or absent."""
    proposals = None
    if model.cfg.needs_proposals():
        proposals = [target["proposals"] for target in targets]
    regions = model.eval().predict(images, proposals)[2]   # anchors (A, 4), or RoIs (R, 5): image, then box
    detected = model.detect(images, _sizes(targets), proposals)
    total = Counter()
    lost = defaultdict(list)                               # label: (best IoU, answer) of each lost object
    for i, (target, detections) in enumerate(zip(targets, detected)):
        reached = best_iou(target["boxes"], _regions_of(i, regions))
        answers = _answers(target["boxes"], detections)
        labels, counted = target["labels"], ~target["crowd"]
        wrong = counted & (answers != labels)
        total.update(labels[counted].tolist())
        cases = zip(labels[wrong].tolist(), reached[wrong].tolist(), answers[wrong].tolist())
        for label, iou, answer in cases:
            lost[label].append((iou, answer))
    kind = "proposal" if regions.shape[1] == 5 else "anchor"
    lines = []
    for label, cases in lost.items():
        ious, taken_for = zip(*cases)
        lines.append(f"{len(cases)} of {total[label]} {classes[label - 1]} {_reasons(taken_for, classes)} "
                     f"(best {kind} IoU {min(ious):.2f}-{max(ious):.2f})")
    return lines


def _sizes(targets: list[dict]) -> Tensor:
    return torch.stack([target["size"] for target in targets])


def _regions_of(i: int, regions: Tensor) -> Tensor:
    """The boxes of image i: its own of the RoIs (R, 5), or all anchors (A, 4), which images share."""
    if regions.shape[1] == 4:
        return regions
    return regions[regions[:, 0] == i, 1:]


def _answers(gt: Tensor, detections: dict) -> Tensor:
    """(G,) the label of each object's best-scored detection at IoU .5; 0 for none."""
    labels = detections["labels"]
    if not len(labels):
        return labels.new_zeros(len(gt))
    near = box_parts.iou(gt, detections["boxes"]) >= 0.5   # (G, D)
    first = near.int().argmax(1)                           # argmax takes the first of equals
    return labels[first].masked_fill(~near.any(1), 0)


def _reasons(taken_for: tuple[int, ...], classes: list[str]) -> str:
    """"not found or taken for dog", of the labels that objects were taken for (0: none)."""
    reasons = set()
    for label in taken_for:
        if label:
            reasons.add(f"taken for {classes[label - 1]}")
        else:
            reasons.add("not found")
    return " or ".join(sorted(reasons))


@torch.no_grad()
def share_reached(model: nn.Module, images: Tensor, targets: list[dict]) -> float:
    """The share of objects that a proposal method reaches at IoU .5 with its first G x PER_OBJECT boxes."""
    hits = []
    detected = model.eval().detect(images, _sizes(targets))
    for target, detections in zip(targets, detected):
        gt = target["boxes"][~target["crowd"]]
        first = detections["boxes"][:PER_OBJECT * len(gt)]
        hits += (box_parts.iou(gt, first) >= 0.5).any(1).tolist()
    return sum(hits) / max(1, len(hits))
