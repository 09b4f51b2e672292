"""RetinaNet: a one-stage detector whose loss copes with a thousand background anchors for each object.

Legend: N images of H x W px, G objects of an image, A anchors (A_l of level l), P positive anchors, K
classes, D detections of an image.
"""
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from paperlib.distributed import mean_over_ranks
from paperlib.parts import boxes
from paperlib.parts.anchors import AnchorConfig, anchors_for, check_levels, map_shapes
from paperlib.parts.detections import DetectConfig, select
from paperlib.parts.fused_class_loss import class_loss
from paperlib.parts.heads import DenseHead, HeadConfig
from paperlib.parts.losses import KINDS, ClassLossConfig, ohem, smooth_l1, value_and_slope
from paperlib.parts.matching import MatchConfig, assign, check_targets
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.systems import contract
from paperlib.systems.contract import DetectionSystem, SystemConfig, TrainedAnchors, refuse_proposals


@dataclass(frozen=True)
class LossConfig(ClassLossConfig):
    # positives to divide by: "image", "batch", "running" mean of batches (Sec. 4.1)
    normaliser: str = "running"
    box_weight: float = 1.0  # factor of the box loss (Sec. 4.1 adds the two losses plainly)
    box_beta: float = 1 / 9  # deltas' size where smooth L1 turns linear (not in the paper; the authors' code)


@dataclass(frozen=True)
class RetinaNetConfig(SystemConfig):
    num_classes: int = 80  # K, without background (80 on COCO)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    pyramid: PyramidConfig = field(default_factory=PyramidConfig)
    anchors: AnchorConfig = field(default_factory=AnchorConfig)
    head: HeadConfig = field(default_factory=HeadConfig)
    match: MatchConfig = field(default_factory=MatchConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    detect: DetectConfig = field(default_factory=DetectConfig)

    def trained_anchors(self) -> TrainedAnchors:
        """All of them, also across the image's edge."""
        return TrainedAnchors(self.anchors, self.match, scale=self.trunk.scale)


class RetinaNet(nn.Module, DetectionSystem):
    """Trunk, pyramid and one dense head over nine anchors a position.

    Source: RetinaNet (arXiv 1708.02002v2) Sec. 4.
    Differs: the sums of a batch are divided by the running mean of its number of positive anchors. The paper
             divides by the image's own count, which on sparse images is often near 0 and then lets background
             dominate; loss.normaliser "image" is the paper's, "batch" pools the batch.
    """

    revision = 1

    def __init__(self, cfg: RetinaNetConfig):
        super().__init__()
        _check(cfg)
        self.cfg = cfg
        self.trunk = trunk(cfg.trunk)
        self.pyramid = pyramid(cfg.pyramid, self.trunk.channels)
        self.head = DenseHead(self.pyramid.dim, cfg.anchors.shapes_per_position, cfg.num_classes, cfg.head)
        self.register_buffer("positives", torch.zeros(2))  # decayed sum of positives a batch, and of batches
        self.to(memory_format=torch.channels_last)

    def predict_levels(self, images: Tensor):
        """Per level, fine to coarse: logits [(N, A_l, K)], deltas [(N, A_l, 4)], anchors [(A_l, 4)] px."""
        features = self.pyramid(self.trunk(images))
        logits, deltas = self.head({level: features[level] for level in self.cfg.anchors.levels})
        return logits, deltas, self._anchors(images).split([x.shape[1] for x in logits])

    def _anchors(self, images: Tensor) -> Tensor:
        """Those of all levels (A, 4) px, which the images' size alone decides: no network runs first."""
        size, scale = tuple(images.shape[-2:]), self.cfg.trunk.scale
        shapes = map_shapes(size, self.cfg.anchors.levels, self.trunk.floored, scale)
        return anchors_for(self.cfg.anchors, shapes, images.device, size, scale)

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs: logits (N, A, K), deltas (N, A, 4), anchors (A, 4) px.

        Errors: ValueError for `proposals`.
        """
        refuse_proposals(proposals, "a RetinaNet")
        logits, deltas, anchors = self.predict_levels(images)
        return torch.cat(logits, 1), torch.cat(deltas, 1), torch.cat(anchors)

    @torch.no_grad()
    def assign(self, anchors: Tensor, targets: list[dict]) -> tuple[Tensor, Tensor]:
        """What every anchor should say; a function of the targets only, so it can be stored.

        Source: RetinaNet Sec. 4, "Anchors" (IoU .5 and .4, best-anchor rule of RPN).
        Shapes: anchors (A, 4) -> labels (N, A) in {-1, 0, 1..K}, boxes (P, 4): the objects of the positive
                anchors, in the order of `labels > 0`.
        Errors: ValueError naming the first target with a label outside 1..K, or without boxes or labels.
        """
        check_targets(targets, len(targets), ("boxes", "labels"), self.cfg.num_classes)
        labels, matched = zip(*[self._assign_image(anchors, target) for target in targets])
        return torch.stack(labels), torch.cat(matched)

    def _assign_image(self, anchors: Tensor, target: dict) -> tuple[Tensor, Tensor]:
        """`assign` for one image: labels (A,), boxes (P, 4)."""
        gt, label = assign(anchors, target, self.cfg.match)
        positive = (label > 0).nonzero().squeeze(1)
        label[positive] = target["labels"][gt[positive]]
        return label, target["boxes"][gt[positive]]

    @torch.no_grad()
    def observe(self, images: Tensor, targets: list[dict]) -> list[dict]:
        """Count the batch's positive anchors into their running mean (loss.normaliser "running").

        The targets come back with what was worked out for that: "anchor_labels" (A,) and "anchor_boxes"
        (P, 4), as `assign` gives them, for `losses`.
        """
        if self.cfg.loss.normaliser != "running":
            return targets
        check_targets(targets, len(images), ("boxes", "labels"), self.cfg.num_classes)
        anchors = self._anchors(images)
        observed, total = [], torch.zeros((), device=images.device)
        for target in targets:
            labels, matched = self._assign_image(anchors, target)
            observed.append({**target, "anchor_labels": labels, "anchor_boxes": matched})
            total += (labels > 0).sum()
        mean_over_ranks(total)
        self.positives.mul_(0.99).add_(torch.stack([total, torch.ones_like(total)]), alpha=0.01)
        return observed

    def _assigned(self, anchors: Tensor, targets: list[dict]) -> tuple[Tensor, Tensor]:
        """What `observe` has stored, else `assign`."""
        if all(len(target.get("anchor_labels", ())) == len(anchors) for target in targets):
            return (torch.stack([target["anchor_labels"] for target in targets]),
                    torch.cat([target["anchor_boxes"] for target in targets]))
        return self.assign(anchors, targets)

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"cls", "box"}: summed over anchors, divided by the number of positive anchors (loss.normaliser).

        Source: RetinaNet Sec. 4.1. `targets`: dicts with "boxes" (G, 4) px, "labels"
                (G,)[, "crowd", "difficult"].
        """
        cfg = self.cfg.loss
        check_targets(targets, len(images), ("boxes", "labels"))
        logits, deltas, anchors = self.predict_levels(images)
        labels, matched = self._assigned(torch.cat(anchors), targets)  # (N, A), (P, 4)
        scale = self.scale(labels)  # (N,)
        if cfg.kind.startswith("ohem"):
            cls = self.hard_loss(torch.cat(logits, 1), labels, torch.cat(anchors), scale)
        else:
            parts = labels.split([x.shape[1] for x in logits], 1)
            cls = sum(class_loss(x, y, cfg, scale) for x, y in zip(logits, parts))
        image, anchor = (labels > 0).nonzero(as_tuple=True)
        pred = torch.cat(deltas, 1)[image, anchor]  # (P, 4) or (P, K, 4)
        if not self.cfg.head.class_agnostic:
            pred = pred[torch.arange(len(pred), device=pred.device), labels[image, anchor] - 1]
        goal = boxes.encode(torch.cat(anchors)[anchor], matched)
        box = smooth_l1(pred.to(goal.dtype), goal, cfg.box_beta).sum(1) * scale[image]
        return {"cls": cls, "box": cfg.box_weight * box.sum()}

    @torch.no_grad()
    def scale(self, labels: Tensor) -> Tensor:
        """The factor (N,) of each image's summed losses: 1 / positives, by loss.normaliser; never above 1.

        The running mean is over all batches that `observe` has counted; over this one if there is none.
        """
        count = (labels > 0).sum(1).float()  # (N,)
        if self.cfg.loss.normaliser == "image":
            return 1 / (count.clamp(min=1) * len(count))
        total = count.sum()
        mean_over_ranks(total)
        if self.cfg.loss.normaliser == "running":
            decayed, batches = self.positives
            total = torch.where(batches > 0, decayed / batches, total)  # not `if`: a GPU would be waited for
        return (1 / total.clamp(min=1)).expand(len(count))

    def hard_loss(self, logits: Tensor, labels: Tensor, anchors: Tensor, scale: Tensor) -> Tensor:
        """The classification loss of each image's hard examples alone (RetinaNet Sec. 5.1, OHEM)."""
        hard = self.hard_examples(logits.detach(), labels, anchors)  # (N, A)
        image, anchor = hard.nonzero(as_tuple=True)
        # (hard, 1, K), (hard, 1)
        logits, labels = logits[image, anchor][:, None], labels[image, anchor][:, None]
        return class_loss(logits, labels, self.cfg.loss, scale[image])

    @torch.no_grad()
    def hard_examples(self, logits: Tensor, labels: Tensor, anchors: Tensor) -> Tensor:
        """Which anchors (N, A) are hard examples: logits (N, A, K), labels (N, A) (RetinaNet Sec. 5.1)."""
        cfg, chosen = self.cfg.loss, []
        for x, label in zip(logits, labels):
            loss = value_and_slope(x.float(), cfg)[0].sum(1)  # (A,): cross entropy if all were background
            pos = (label > 0).nonzero().squeeze(1)
            loss[pos] -= x[pos, label[pos] - 1].float()  # softplus(-x) = softplus(x) - x
            balanced = cfg.kind == "ohem_1_3"
            chosen.append(ohem(loss, anchors, label, cfg.ohem_num, cfg.ohem_nms, balanced))
        return torch.stack(chosen)

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), "labels" (D,)}, best first.

        `sizes`: as `contract.DetectionSystem.detect` has them.
        Errors: ValueError for `proposals`.
        """
        refuse_proposals(proposals, "a RetinaNet")
        sizes = contract.image_sizes(images) if sizes is None else sizes
        return select(*self.predict_levels(images), sizes, self.cfg.detect)


def _check(cfg: RetinaNetConfig) -> None:
    if cfg.loss.kind not in KINDS:
        raise ValueError(f"loss.kind {cfg.loss.kind!r}: expected one of {KINDS}")
    if cfg.loss.normaliser not in ("image", "batch", "running"):
        raise ValueError(f"loss.normaliser {cfg.loss.normaliser!r}: expected 'image', 'batch' or 'running'")
    check_levels(cfg.anchors, cfg.pyramid.levels)
