"""The exact claims of Faster R-CNN that our proposal network must meet: `FACTS[id]()` as in `computed`.

Each calls the library's own part, and agrees if it does what the paper states.
"""
from dataclasses import replace

import torch
from torch import Tensor

from paperlib.claims.compare import stated
from paperlib.claims.faster_rcnn.anchors import ANCHORS, IMAGE, PHOTOGRAPH, anchors_of
from paperlib.parts import boxes
from paperlib.parts.anchors import anchors_for, inside
from paperlib.parts.heads import ProposalHead
from paperlib.parts.matching import match
from paperlib.systems.presets.faster_rcnn import rpn_small, rpn_vgg16
from paperlib.systems.rpn import RPN, Proposer

BORDER = 12  # cells of a map that the padding of the layers below may reach


def _maps(net: RPN, image: Tensor) -> Tensor:
    """Logits and deltas by position, (H, W, 5 k), of one image."""
    [logits], [deltas], _ = net.predict_levels(image)
    side, k = image.shape[-1] // 2 ** net.cfg.pyramid.levels[0], net.cfg.rpn.anchors.shapes_per_position
    outputs = torch.cat([logits[0, :, None], deltas[0]], 1)
    return outputs.view(side, side, 5 * k)


@torch.no_grad()
def translation():
    """Shifting the image by a stride shifts the RPN's map by one position; half a stride does not."""
    torch.manual_seed(0)
    net = RPN(rpn_small()).eval().double()
    step = 2 ** net.cfg.pyramid.levels[0]
    image = torch.rand(1, 3, 256, 256, dtype=torch.float64)
    still, moved = _maps(net, image), _maps(net, image.roll(step, -1))
    half_moved = _maps(net, image.roll(step // 2, -1))
    middle = slice(BORDER, -BORDER)  # away from the border, which the roll and the padding disturb
    expected = still[middle, BORDER:-BORDER]
    error = (moved[middle, BORDER + 1:1 - BORDER] - expected).abs().max().item()
    error_of_half = (half_moved[middle, BORDER + 1:1 - BORDER] - expected).abs().max().item()
    of_the_paper = rpn_vgg16().rpn.anchors
    left, right = anchors_for(of_the_paper, {4: (1, 2)}).view(2, -1, 4)
    by_a_stride = torch.tensor([1.0, 0, 1, 0]) * stated("faster-translation-invariant")
    anchors_move = torch.allclose(right - left, by_a_stride.expand(9, 4), atol=1e-4)
    fits = error < 1e-9 < error_of_half and anchors_move
    return error, fits, "out(image shifted by the stride) = out shifted by one position; VGG16's anchors + 16"


def output_channels():
    cfg = rpn_vgg16().rpn
    with torch.device("meta"):
        head = Proposer(512, cfg).heads[0]
    outputs = [head.box.out_channels, 2 * head.cls.out_channels]
    return outputs, outputs == stated("faster-output-dims"), "4k, and 2k as k logistic scores of two classes"


def who_learns():
    """Which anchors of two objects get a gradient from the proposer's loss, all labelled anchors sampled."""
    anchors = anchors_of(PHOTOGRAPH)
    proposer = Proposer(8, replace(rpn_vgg16().rpn, samples=None, border=None))
    gt = torch.tensor([[100.0, 120, 330, 400], [400, 50, 560, 200]])
    torch.manual_seed(0)
    logits = torch.randn(1, len(anchors), requires_grad=True)
    deltas = torch.randn(1, len(anchors), 4, requires_grad=True)
    loss = proposer.losses(([logits], [deltas], [anchors]), [{"boxes": gt}], torch.tensor([PHOTOGRAPH]))
    score_grad, box_grad = torch.autograd.grad(loss["objectness"] + loss["proposal"], (logits, deltas))
    overlaps = boxes.iou(gt, anchors)
    top = overlaps.amax(0)
    positive = (top >= 0.7) | (overlaps == overlaps.amax(1, keepdim=True)).any(0)
    between = (top >= 0.3) & (top < 0.7) & ~positive
    num_positive, num_between = int(positive.sum()), int(between.sum())
    fits = torch.equal(score_grad[0] == 0, between) and torch.equal((box_grad[0] == 0).all(1), ~positive)
    formula = "gradient of the box loss 0 unless p* = 1; none at all where the label is -1"
    return [num_positive, num_between], fits and num_between > 0, formula


def _centre_and_size(xyxy: Tensor) -> tuple[Tensor, Tensor]:
    """(x, y) and (w, h) of N boxes, each (2, N)."""
    return (xyxy[:, :2] + xyxy[:, 2:]).T / 2, (xyxy[:, 2:] - xyxy[:, :2]).T


@torch.no_grad()
def _regressors_that_move() -> list[int]:
    """By each row block of the box layer that is changed, how many anchors' deltas change; k = 9."""
    torch.manual_seed(0)
    head, features = ProposalHead(16, 9).double(), torch.randn(1, 16, 3, 3, dtype=torch.float64)
    before, moved = head(features)[1], []
    for j in range(9):
        rows = slice(4 * j, 4 * j + 4)
        head.box.weight[rows] += 1
        changed = (head(features)[1] != before).view(9, 9, 4).any(0).any(1)  # positions, anchors, deltas
        head.box.weight[rows] -= 1
        moved.append(int(changed.sum()) if changed[j] else 0)
    return moved


def offsets():
    anchors = anchors_for(ANCHORS, {4: (2, 2)}).double()
    target = anchors + torch.tensor([30.0, -12, 55, 20], dtype=torch.float64)
    (x, y), (w, h) = _centre_and_size(target)
    (xa, ya), (wa, ha) = _centre_and_size(anchors)
    eq2 = torch.stack([(x - xa) / wa, (y - ya) / ha, (w / wa).log(), (h / ha).log()], 1)
    error = (boxes.encode(anchors, target) - eq2).abs().max().item()
    fits = error < 1e-12 and _regressors_that_move() == [1] * 9
    return error, fits, "|encode - Eq. 2|; each of 9 row blocks of the box layer moves one anchor's deltas"


def _some_objects(num: int) -> Tensor:
    """Random boxes of the anchors' sizes (128 to 512 px) and shapes that fit into the image."""
    draw = torch.rand(num, 4, generator=torch.Generator().manual_seed(0))
    side, ratio = 128 * 4 ** draw[:, 0], 2 ** (2 * draw[:, 1] - 1)
    wh = torch.stack([side / ratio.sqrt(), side * ratio.sqrt()], 1)
    room = torch.tensor([IMAGE[1], IMAGE[0]]) - wh
    corner = draw[:, 2:] * room.clamp(min=0)
    return torch.cat([corner, corner + wh], 1)[(room > 0).all(1)]


def best_anchor_counts(num: int = 200):
    """Every object has a positive anchor, though many have none of IoU 0.7."""
    anchors, rule = anchors_of(IMAGE), rpn_vgg16().rpn.match
    overlaps = boxes.iou(_some_objects(num), anchors[inside(anchors, IMAGE)])      # (objects, anchors)
    low = (overlaps.amax(1) < rule.hi).float().mean().item()
    labels = match(overlaps[:, None], rule.hi, rule.lo, rule.best)[1]              # one object at a time
    served = (labels == 1).any(1).float().mean().item()
    formula = "share of objects without an anchor of IoU 0.7; share with a positive anchor"
    return [low, served], low > 0 and served == 1, formula


FACTS = {
    "faster-translation-invariant": translation, "faster-output-dims": output_channels,
    "faster-reg-only-positive": who_learns, "faster-bbox-param": offsets,
    "faster-rule-i-needed": best_anchor_counts,
}
