"""Faster R-CNN: a Fast R-CNN whose proposals come from a region proposal network on the same features."""
from dataclasses import dataclass, field, fields, replace

import torch
from torch import Tensor

from paperlib.parts import roi_pooling, roi_training
from paperlib.parts.anchors import check_levels
from paperlib.parts.detections import select_rois
from paperlib.parts.matching import check_targets
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.roi_pooling import to_rois
from paperlib.parts.roi_training import sample_rois
from paperlib.systems.fast_rcnn import FastRCNN, FastRCNNConfig
from paperlib.systems.rpn import RPN, Proposer, ProposerConfig, RPNConfig, image_sizes, target_sizes

TRAINING = ("joint", "exact", "alternating", "separate")


@dataclass(frozen=True)
class FasterRCNNConfig(FastRCNNConfig):
    rpn: ProposerConfig = field(default_factory=ProposerConfig)
    training: str = "joint"  # joint | exact | alternating (4 steps) | separate (steps 1 and 2, two trunks) (Sec. 3.2)
    alternations: int = 1  # how often steps 3 and 4 are done (Sec. 3.2: more gain nothing)
    train_on: str = "rpn"  # what the detector is trained on: "rpn", or "given": cfg.proposals (Table 2)
    test_on: str = "rpn"  # what it is tested on: "rpn" or "given"
    rpn_trunk: str = ""  # name of the RPN's own trunk ("separate"); "": as the detector's (Table 2, last row)
    own_pyramid: bool = False  # "separate": the RPN has rpn_pyramid, whatever the detector has (FPN Table 2)
    rpn_pyramid: PyramidConfig = field(default_factory=lambda: PyramidConfig(levels=(2, 3, 4, 5, 6), extra="pool"))


class FasterRCNN(FastRCNN):
    """Trunk, pyramid (or one map), proposer and RoI head.

    Source: Faster R-CNN (arXiv 1506.01497v3) Sec. 3; on a pyramid, FPN (arXiv 1612.03144v2) Sec. 5.2.2.
    `losses` is approximate joint training; with training "exact" proposals keep their gradient, which needs roi.kind
    "warp". "alternating" and "separate" are trained in stages (training.alternating) by `part` and `fix_features`.
    """

    revision = 1

    def __init__(self, cfg: FasterRCNNConfig):
        _check(cfg)
        super().__init__(cfg)
        self.own = cfg.training == "separate"  # the RPN has features of its own
        self.rpn = RPN(rpn_config(cfg)) if self.own else Proposer(self.pyramid.dim, cfg.rpn)
        self.part, self.fixed = "both", False
        self.to(memory_format=torch.channels_last)

    @property
    def proposer(self) -> Proposer:
        return self.rpn.rpn if self.own else self.rpn

    def fix_features(self) -> None:
        """Trunk and pyramid learn no more, nor do the statistics of their norms (steps 3 and 4)."""
        self.fixed = True
        self.trunk.requires_grad_(False)
        self.pyramid.requires_grad_(False)

    def train(self, mode: bool = True):
        """As nn.Module.train, but fixed features stay in test mode."""
        super().train(mode)
        if self.fixed:
            self.trunk.eval(), self.pyramid.eval()
        return self

    def propose(self, images: Tensor, features: dict | None, sizes: Tensor, training: bool) -> tuple[tuple, list]:
        """What the RPN says of every anchor, and its proposals [(P, 4)] px, with gradient in "exact" training only."""
        outputs = self.rpn.predict_levels(images) if self.own else self.rpn(features, tuple(images.shape[-2:]))
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.cfg.training == "exact"):
            return outputs, [found["boxes"] for found in self.proposer.propose(outputs, sizes, training)]

    @torch.no_grad()
    def proposals(self, images: Tensor, sizes: Tensor, training: bool = False) -> list[Tensor]:
        """The RPN's boxes [(P, 4)] px, best first: as many as the detector is tested on, or `training` on."""
        features = None if self.own else self.pyramid(self.trunk(images))
        return self.propose(images, features, sizes, training)[1]

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"objectness", "proposal", "cls", "box"}: the RPN's two losses and Fast R-CNN's two (Sec. 3.2 ii).

        With `part` "rpn" the first two; with "detector" the last two, on the targets' "proposals" if they have any.
        Errors: ValueError naming the first target without boxes or labels in 1..K, or the one without proposals among
                others that have them.
        """
        cfg, parts = self.cfg, {}
        on_given = self.part == "detector" and any("proposals" in t for t in targets)
        if self.part == "rpn":
            check_targets(targets, len(images), ("boxes",))
        else:
            keys = ("boxes", "labels", "proposals") if on_given else ("boxes", "labels")
            check_targets(targets, len(images), keys, cfg.num_classes)
        sizes, features = target_sizes(images, targets), self.pyramid(self.trunk(images))
        if on_given:
            given = [t["proposals"] for t in targets]
        else:
            outputs, given = self.propose(images, features, sizes, self.training)
        if self.part != "detector":
            parts |= self.proposer.losses(outputs, targets, sizes)
        if self.part != "rpn":
            given, labels, goals = sample_rois(given, targets, cfg.sample)
            outputs = self.head(roi_pooling.pool(features, given, cfg.roi))
            head = roi_training.losses(*outputs, given, labels, goals, cfg.deltas, cfg.box_beta)
            parts |= {"cls": head["cls"], "box": cfg.box_weight * head["box"]}
        return parts

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs of the second stage: logits (R, K + 1), deltas (R, K, 4), RoIs (R, 5)."""
        if proposals is not None:
            return super().predict(images, proposals)
        features = self.pyramid(self.trunk(images))
        given = to_rois(self.propose(images, features, image_sizes(images), False)[1])
        return *self.head(roi_pooling.pool(features, given, self.cfg.roi)), given

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None, proposals: list[Tensor] | None = None) -> list[dict]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), "labels" (D,)}, best first; on its own proposals unless given.

        `sizes` (N, 2) h, w px of the images without padding, to which boxes are clipped; the whole tensor's if None.
        """
        sizes = image_sizes(images) if sizes is None else sizes
        if proposals is not None:
            return super().detect(images, sizes, proposals)
        features = self.pyramid(self.trunk(images))
        given = to_rois(self.propose(images, features, sizes, False)[1])
        logits, deltas = self.head(roi_pooling.pool(features, given, self.cfg.roi))
        return select_rois(logits.float().softmax(1)[:, 1:], deltas, given, sizes, self.cfg.deltas, self.cfg.detect)


def rpn_config(cfg: FasterRCNNConfig) -> RPNConfig:
    """The RPN of a Faster R-CNN as a system of its own: step 1 of alternating training."""
    own = replace(cfg.trunk, name=cfg.rpn_trunk or cfg.trunk.name)
    return RPNConfig(cfg.num_classes, own, cfg.rpn_pyramid if cfg.own_pyramid else cfg.pyramid, cfg.rpn)


def detector_config(cfg: FasterRCNNConfig) -> FastRCNNConfig:
    """The detector of a Faster R-CNN as a Fast R-CNN: step 2 of alternating training."""
    return FastRCNNConfig(**{f.name: getattr(cfg, f.name) for f in fields(FastRCNNConfig)})


def _check(cfg: FasterRCNNConfig) -> None:
    if cfg.training not in TRAINING or {cfg.train_on, cfg.test_on} - {"rpn", "given"}:
        raise ValueError(f"training {cfg.training!r}, train_on {cfg.train_on!r}, test_on {cfg.test_on!r}: expected one "
                         f"of {TRAINING}, and 'rpn' or 'given' twice")
    if cfg.training == "exact" and cfg.roi.kind != "warp":
        raise ValueError(f"training 'exact' needs roi.kind 'warp', which moves boxes; found {cfg.roi.kind!r}")
    if cfg.train_on == "given" and cfg.training != "separate":
        raise ValueError(f"train_on 'given' needs training 'separate', found {cfg.training!r}")
    if cfg.own_pyramid and cfg.training != "separate":
        raise ValueError(f"own_pyramid needs training 'separate', found {cfg.training!r}")
    check_levels(cfg.rpn.anchors, rpn_config(cfg).pyramid.levels)
