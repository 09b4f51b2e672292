"""What every system promises: the methods and facts by which training, scoring and the doctor know it.

A system is a torch module that states its configuration, its losses and its detections. Two promises are
optional and declared: `proposes` (then it is a `ProposalMaker`) and `cfg.needs_proposals`
(then proposals come with the images).

Legend: N images of H x W px, G objects, K classes, A anchors, R regions of interest (RoIs), P proposals,
D detections.
"""
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.matching import MatchConfig
from paperlib.parts.trunks import TrunkConfig


@dataclass(frozen=True)
class AfterConfig:
    stage_wise: bool = False  # train the box layer alone, all else frozen; box_weight is 0 before (Sec. 5.1)
    svm: bool = False  # linear SVMs on fc7 in place of the softmax (Sec. 5.4)
    svd: tuple[int, ...] = ()  # singular values that fc6 and fc7 keep (Sec. 3.1: 1024, 256); (): all


@dataclass(frozen=True)
class TrainedAnchors:
    """The anchors that a system learns from."""

    anchors: AnchorConfig
    match: MatchConfig  # which of them answer for which object
    border: float | None = None  # px by which they may cross the image's edge; None: any
    scale: float = 1.0  # of the trunk whose maps carry them


class TrainableConfig(Protocol):
    """The configuration of whatever the training loop trains: a frozen dataclass."""

    def for_training(self):
        """The same configuration without what only tests depend on: rows alike in this are trained once."""
        return self


class SystemConfig(TrainableConfig, Protocol):
    """The configuration of a detection system: a frozen dataclass, and what follows from its fields."""

    num_classes: int  # K, without background
    trunk: TrunkConfig
    after: ClassVar[AfterConfig | None] = None  # what is done to the trained network; None: nothing
    in_stages: ClassVar[bool] = False  # trained in stages (such as training.alternating), not at once
    pools_rois: ClassVar[bool] = False  # reads windows of features, so that some levels may be left unread

    def trunk_names(self) -> tuple[str, ...]:
        """Names of the trunks that start from trunk.weights."""
        return (self.trunk.name,)

    def needs_proposals(self, training: bool = False) -> bool:
        """Whether the system is tested (or trained) on proposals that come with the images."""
        return False

    def trained_anchors(self) -> TrainedAnchors | None:
        """The anchors that the system learns from; None if it has none."""
        return None


class Trainable(Protocol):
    """What the training loop asks of a system."""

    cfg: Any
    needs_masks: ClassVar[bool] = False  # targets have "masks" (G, H, W) bool, and scores need them too
    revision: int  # raised whenever the same configuration and seed give other numbers
    trained: Any = None  # training.trained.Trained: classes, image size and sets; None until somebody says

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """The parts () of the training loss by name, to be summed. Changes no state of the system.

        Shapes: images (N, 3, H, W), uint8 or float in [0, 1]; targets N dicts
                {"boxes" (G, 4) px, "labels" (G,) in 1..K[, "crowd", "difficult" (G,) bool, "size" (2,) h, w
                px, "proposals" (P, 4) px, "image_id"]}.
        Errors: ValueError naming the first target that lacks something.
        """
        ...

    def observe(self, images: Tensor, targets: list[dict]) -> list[dict]:
        """Called once before the `losses` of every training step; returns the targets for that step.

        The one place where a step may change a system's state other than its weights and its norms'
        statistics. What was worked out for it may be added to the targets,
        so that `losses` need not work it out again.
        """
        return targets


class DetectionSystem(Trainable, Protocol):
    """What scoring and the doctor ask of a system besides."""

    cfg: SystemConfig
    seeded: ClassVar[bool] = True  # False: nothing is drawn or learnt, so that every seed gives the same
    # "coco": AP, class by class | "recall": of boxes of any class | "segments": of their masks too
    # | "regions": of pixels (R-CNN, Sec. 5)
    scored_by: ClassVar[str] = "coco"
    proposes: ClassVar[bool] = False  # makes proposals of its own: it is a `ProposalMaker`

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs: logits, deltas, and the regions that they speak of.

        Shapes: images (N, 3, H, W), proposals [(P, 4)] px -> on anchors: logits (N, A, K) or, of an RPN,
                (N, A), deltas (N, A, 4), regions (A, 4) px; on RoIs: logits (R, K + 1), deltas (R, K, 4),
                regions (R, 5). Of masks, on windows: logits (N, A), mask logits (N, A, m, m), windows (A, 4).
        Errors: ValueError for proposals that the system lacks, or cannot use.
        """
        ...

    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), "labels" (D,) in 1..K}, best first.

        `sizes` (N, 2) h, w px of the images without padding, to which boxes are clipped; the whole tensor's
        if None. Systems that propose masks add "windows" (D, 4) px, "window_masks" (D, m, m) logits
        and "threshold" (), or "masks" (D, h, w) bool of the whole image.
        Errors: as `predict`.
        """
        ...


class ProposalMaker(DetectionSystem, Protocol):
    """A system with a region proposal network."""

    def proposals(self, images: Tensor, sizes: Tensor, training: bool = False) -> list[Tensor]:
        """Boxes [(P, 4)] px of each image, best first; with `training` as many as train a detector."""
        ...

    def predict_levels(self, images: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The RPN's raw outputs, also where `predict` gives those of a second stage.

        Shapes: (N, 3, H, W) -> per level, fine to coarse:
                logits [(N, A_l)], deltas [(N, A_l, 4)], anchors [(A_l, 4)].
        """
        ...


def image_sizes(images: Tensor) -> Tensor:
    """(N, 2) h, w px of a batch without padding."""
    return torch.tensor([images.shape[-2:]] * len(images), device=images.device)


def refuse_proposals(proposals: list[Tensor] | None, system: str) -> None:
    """Errors: ValueError if a system that lays anchors of its own is given proposals."""
    if proposals is not None:
        raise ValueError(f"{len(proposals)} lists of proposals for {system}, which has anchors: "
                         "expected none")


def require_proposals(images: Tensor, proposals: list[Tensor] | None) -> list[Tensor]:
    """The proposals of a system on regions. Errors: ValueError unless there is a list for every image."""
    proposals = proposals or []
    if len(proposals) != len(images):
        raise ValueError(f"{len(images)} images and {len(proposals)} lists of proposals: "
                         "expected one an image")
    return proposals
