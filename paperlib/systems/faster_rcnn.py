"""Faster R-CNN: a Fast R-CNN whose proposals come from a region proposal network on the same features.

Legend: N images of H x W px, A_l anchors of level l, P proposals of an image, R regions of interest (RoIs)
of a batch, K classes, C channels, D detections of an image.
"""
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
from paperlib.systems.contract import ProposalMaker, TrainedAnchors, image_sizes
from paperlib.systems.fast_rcnn import FastRCNN, FastRCNNConfig
from paperlib.systems.rpn import RPN, Proposer, ProposerConfig, RPNConfig, target_sizes

TRAINING = ("joint", "exact", "alternating", "separate")


@dataclass(frozen=True)
class FasterRCNNConfig(FastRCNNConfig):
    rpn: ProposerConfig = field(default_factory=ProposerConfig)
    # Sec. 3.2: joint | exact | alternating (4 steps) | separate (steps 1 and 2, two trunks)
    training: str = "joint"
    alternations: int = 1  # how often steps 3 and 4 are done (Sec. 3.2: more gain nothing)
    train_on: str = "rpn"  # what the detector is trained on: "rpn", or "given": cfg.proposals (Table 2)
    test_on: str = "rpn"  # what it is tested on: "rpn" or "given"
    rpn_trunk: str = ""  # name of the RPN's own trunk ("separate"); "": as the detector's (Table 2, last row)
    own_pyramid: bool = False  # "separate": the RPN has rpn_pyramid, whatever the detector has (FPN Table 2)
    rpn_pyramid: PyramidConfig = field(
        default_factory=lambda: PyramidConfig(levels=(2, 3, 4, 5, 6), extra="pool"))

    @property
    def in_stages(self) -> bool:
        """The four steps of alternating training, or its first two."""
        return self.training in ("alternating", "separate")

    def trunk_names(self) -> tuple[str, ...]:
        """The detector's trunk, and the RPN's where it is another."""
        return (self.trunk.name, self.rpn_trunk) if self.rpn_trunk else (self.trunk.name,)

    def needs_proposals(self, training: bool = False) -> bool:
        """Where train_on or test_on is "given"."""
        return (self.train_on if training else self.test_on) == "given"

    def trained_anchors(self) -> TrainedAnchors | None:
        """The RPN's; None where no proposal is its."""
        if "rpn" not in (self.train_on, self.test_on):
            return None
        return TrainedAnchors(self.rpn.anchors, self.rpn.match, self.rpn.border, self.trunk.scale)


class FasterRCNN(FastRCNN, ProposalMaker):
    """Trunk, pyramid (or one map), proposer and RoI head.

    Source: Faster R-CNN (arXiv 1506.01497v3) Sec. 3; on a pyramid, FPN (arXiv 1612.03144v2) Sec. 5.2.2.
    `losses` is approximate joint training; with training "exact" proposals keep their gradient, which needs
    roi.kind "warp". "alternating" and "separate" are trained in stages (training.alternating),
    on parts of the losses.
    """

    revision = 1
    proposes = True

    def __init__(self, cfg: FasterRCNNConfig):
        _check(cfg)
        super().__init__(cfg)
        self.separate = cfg.training == "separate"  # the RPN has features of its own
        if self.separate:
            self.rpn = RPN(rpn_config(cfg))
        else:
            self.rpn = Proposer(self.pyramid.dim, cfg.rpn, cfg.trunk.scale)
        self.to(memory_format=torch.channels_last)

    @property
    def proposer(self) -> Proposer:
        """The RPN's head, losses and proposals, whosever features it reads."""
        return self.rpn.rpn if self.separate else self.rpn

    def features(self, images: Tensor) -> dict[int, Tensor]:
        """The maps that the detector reads: images (N, 3, H, W) -> {level: (N, C, H_l, W_l)}."""
        return self.pyramid(self.trunk(images))

    def predict_levels(self, images: Tensor,
                       features: dict[int, Tensor] | None = None) -> tuple[list, list, list]:
        """The RPN's raw outputs per level; from the detector's `features`, where there are any yet."""
        if self.separate:
            return self.rpn.predict_levels(images)
        if features is None:
            features = self.features(images)
        return self.rpn(features, tuple(images.shape[-2:]))

    def propose(self, outputs: tuple[list, list, list], sizes: Tensor, training: bool) -> list[Tensor]:
        """Proposals [(P, 4)] px from the RPN's raw outputs; they have a gradient in "exact" training only."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.cfg.training == "exact"):
            return [image["boxes"] for image in self.proposer.propose(outputs, sizes, training)]

    @torch.no_grad()
    def proposals(self, images: Tensor, sizes: Tensor, training: bool = False) -> list[Tensor]:
        """The RPN's boxes [(P, 4)] px, best first; with `training` as many as the detector is trained on."""
        return self.propose(self.predict_levels(images), sizes, training)

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"objectness", "proposal", "cls", "box"}: the RPN's two losses and Fast R-CNN's two.

        Source: Faster R-CNN Sec. 3.2 ii (iii with training "exact").
        Errors: ValueError naming the first target without boxes or labels in 1..K.
        """
        check_targets(targets, len(images), ("boxes", "labels"), self.cfg.num_classes)
        sizes, features = target_sizes(images, targets), self.features(images)
        outputs = self.predict_levels(images, features)
        proposals = self.propose(outputs, sizes, self.training)
        return self.proposer.losses(outputs, targets, sizes) | self.roi_losses(features, proposals, targets)

    def rpn_losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"objectness", "proposal"} alone: what the RPN learns from in a stage of its own.

        Errors: ValueError naming the first target without boxes.
        """
        check_targets(targets, len(images), ("boxes",))
        return self.proposer.losses(self.predict_levels(images), targets, target_sizes(images, targets))

    def detector_losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"cls", "box"} alone, on the targets' "proposals": what the detector learns from in its stage.

        Errors: ValueError naming the first target without boxes, labels in 1..K, or proposals.
        """
        check_targets(targets, len(images), ("boxes", "labels", "proposals"), self.cfg.num_classes)
        return self.roi_losses(self.features(images), [target["proposals"] for target in targets], targets)

    def roi_losses(self, features: dict[int, Tensor], proposals: list[Tensor], targets: list[dict]) -> dict:
        """{"cls", "box"} of the RoIs that are sampled from `proposals` [(P, 4)] px."""
        cfg = self.cfg
        rois, labels, goals = sample_rois(proposals, targets, cfg.sample)  # (R, 5), (R,), (R, 4)
        windows = roi_pooling.pool(features, rois, cfg.roi, cfg.trunk.scale)
        logits, deltas = self.head(windows)  # (R, K + 1), (R, K, 4)
        losses = roi_training.losses(logits, deltas, rois, labels, goals, cfg.deltas, cfg.box_beta)
        return {"cls": losses["cls"], "box": cfg.box_weight * losses["box"]}

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs of the second stage: logits (R, K + 1), deltas (R, K, 4), RoIs (R, 5).

        Without `proposals` those of the RPN for images without padding.
        """
        if proposals is not None:
            return super().predict(images, proposals)
        return self.second_stage(images, image_sizes(images))

    def second_stage(self, images: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`predict` on the RPN's proposals, cut to the images' `sizes` (N, 2) h, w px."""
        features = self.features(images)
        rois = to_rois(self.propose(self.predict_levels(images, features), sizes, training=False))  # (R, 5)
        logits, deltas = self.head(roi_pooling.pool(features, rois, self.cfg.roi, self.cfg.trunk.scale))
        return logits, deltas, rois

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), "labels" (D,)}, best first.

        Without `proposals` they are the RPN's. `sizes`: as `contract.DetectionSystem.detect` has them.
        """
        sizes = image_sizes(images) if sizes is None else sizes
        if proposals is not None:
            return super().detect(images, sizes, proposals)
        logits, deltas, rois = self.second_stage(images, sizes)
        scores = logits.float().softmax(1)[:, 1:]  # (R, K), without background
        return select_rois(scores, deltas, rois, sizes, self.cfg.deltas, self.cfg.detect)


def rpn_config(cfg: FasterRCNNConfig) -> RPNConfig:
    """The RPN of a Faster R-CNN as a system of its own: step 1 of alternating training."""
    trunk = replace(cfg.trunk, name=cfg.rpn_trunk or cfg.trunk.name)
    pyramid = cfg.rpn_pyramid if cfg.own_pyramid else cfg.pyramid
    return RPNConfig(cfg.num_classes, trunk, pyramid, cfg.rpn)


def detector_config(cfg: FasterRCNNConfig) -> FastRCNNConfig:
    """The detector of a Faster R-CNN as a Fast R-CNN: step 2 of alternating training."""
    shared = {field.name for field in fields(FastRCNNConfig)}
    return FastRCNNConfig(**{name: value for name, value in vars(cfg).items() if name in shared})


def _check(cfg: FasterRCNNConfig) -> None:
    if cfg.training not in TRAINING or {cfg.train_on, cfg.test_on} - {"rpn", "given"}:
        raise ValueError(f"training {cfg.training!r}, train_on {cfg.train_on!r}, test_on {cfg.test_on!r}: "
                         f"expected one of {TRAINING}, and 'rpn' or 'given' twice")
    if cfg.training == "exact" and cfg.roi.kind != "warp":
        raise ValueError(f"training 'exact' needs roi.kind 'warp', which moves boxes; found {cfg.roi.kind!r}")
    if cfg.train_on == "given" and cfg.training != "separate":
        raise ValueError(f"train_on 'given' needs training 'separate', found {cfg.training!r}")
    if cfg.own_pyramid and cfg.training != "separate":
        raise ValueError(f"own_pyramid needs training 'separate', found {cfg.training!r}")
    check_levels(cfg.rpn.anchors, rpn_config(cfg).pyramid.levels)
