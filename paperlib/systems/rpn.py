"""The region proposal network: which boxes of an image are likely to hold an object, of whatever class.

Legend: N images of H x W px, G objects of an image, A anchors (A_l of level l), P proposals of an image.
"""
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts import boxes
from paperlib.parts.anchors import AnchorConfig, anchors_for, check_levels, inside
from paperlib.parts.heads import ProposalHead
from paperlib.parts.losses import smooth_l1
from paperlib.parts.matching import MatchConfig, assign, check_targets
from paperlib.parts.proposals import ProposalConfig, propose
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.sampling import sample
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.systems.contract import (
    ProposalMaker,
    SystemConfig,
    TrainedAnchors,
    image_sizes,
    refuse_proposals,
)


@dataclass(frozen=True)
class ProposerConfig:
    anchors: AnchorConfig = field(
        default_factory=lambda: AnchorConfig(levels=(2, 3, 4, 5, 6), size_per_stride=8.0, scales=(1.0,)))
    # channels of the 3x3 layer; None: those of the maps (Faster R-CNN Sec. 3.1: 256 or 512)
    dim: int | None = None
    apart: bool = False  # one head per level instead of one for all (FPN Sec. 4.1, 5.1.1)
    std: float = 0.01  # of the initial weights of the two output layers (Faster R-CNN Sec. 3.1.3)
    hidden_std: float = 0.01  # of the initial weights of the 3x3 layer (Faster R-CNN Sec. 3.1.3)
    match: MatchConfig = field(default_factory=lambda: MatchConfig(0.7, 0.3, True))
    # px by which anchors that train may cross the edge; None: any (FPN); 0: Sec. 3.3
    border: float | None = None
    # anchors an image in the loss; None: all that have a label (Faster R-CNN Sec. 3.1.3)
    samples: int | None = 256
    positive_fraction: float = 0.5  # of the samples at most (Faster R-CNN Sec. 3.1.3)
    box_weight: float = 1.0  # lambda of Eq. 1 (Faster R-CNN: 10)
    locations: float = 1.0  # N_reg / N_cls of Eq. 1 (Faster R-CNN: 2400 / 256; the later code: 1)
    box_beta: float = 1 / 9  # deltas' size where smooth L1 turns linear (not in the paper; the released code)
    # proposals that a detector learns from (Sec. 3.3)
    train: ProposalConfig = field(default_factory=lambda: ProposalConfig(pre_nms=12000, keep=2000))
    test: ProposalConfig = field(default_factory=ProposalConfig)  # FPN Sec. 5.1: 1000 proposals


class Proposer(nn.Module):
    """The head, the loss and the proposals of an RPN, on maps that somebody else has computed.

    Source: Faster R-CNN (arXiv 1506.01497v3) Sec. 3.1 and 3.3;
            on a pyramid, FPN (arXiv 1612.03144v2) Sec. 4.1.
    """

    def __init__(self, channels: int, cfg: ProposerConfig, scale: float = 1.0):
        super().__init__()
        self.cfg, self.scale = cfg, scale  # of the trunk whose maps are read
        self.heads = nn.ModuleList(
            ProposalHead(channels, cfg.anchors.shapes_per_position, cfg.dim, cfg.std, cfg.hidden_std)
            for _ in (cfg.anchors.levels if cfg.apart else [0]))

    def forward(self, features: dict[int, Tensor], image_size: tuple[int, int]) -> tuple[list, list, list]:
        """Per level, fine to coarse: logits [(N, A_l)], deltas [(N, A_l, 4)], anchors [(A_l, 4)] px."""
        levels = sorted(self.cfg.anchors.levels)
        heads = self.heads if self.cfg.apart else [self.heads[0]] * len(levels)
        logits, deltas = [], []
        for head, level in zip(heads, levels):
            level_logits, level_deltas = head(features[level])  # (N, A_l), (N, A_l, 4)
            logits.append(level_logits)
            deltas.append(level_deltas)
        shapes = {level: tuple(features[level].shape[-2:]) for level in levels}
        anchors = anchors_for(self.cfg.anchors, shapes, logits[0].device, image_size, self.scale)
        return logits, deltas, list(anchors.split([x.shape[1] for x in logits]))

    @torch.no_grad()
    def assign(self, anchors: Tensor, targets: list[dict], sizes: Tensor) -> tuple[Tensor, Tensor]:
        """What every anchor should say: the object that it answers for, and a label in {1, 0, -1}.

        Shapes: anchors (A, 4) -> index into its image's objects (N, A), label (N, A).
        Source: Faster R-CNN Sec. 3.1.2 (IoU .7 and .3, best anchor) and Sec. 3.3 (the image's border).
        """
        gt, label = [], []
        for target, size in zip(targets, sizes.tolist()):
            indices, labels = self._assign_image(anchors, target, size)
            gt.append(indices)
            label.append(labels)
        return torch.stack(gt), torch.stack(label)

    def _assign_image(self, anchors: Tensor, target: dict, size: list[int]) -> tuple[Tensor, Tensor]:
        if self.cfg.border is None:
            return assign(anchors, target, self.cfg.match)
        within = inside(anchors, size, self.cfg.border)
        gt = torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)
        label = torch.full_like(gt, -1)
        # matched among these alone, so that the best anchor of an object is one that trains
        gt[within], label[within] = assign(anchors[within], target, self.cfg.match)
        return gt, label

    def losses(self, outputs: tuple[list, list, list], targets: list[dict],
               sizes: Tensor) -> dict[str, Tensor]:
        """{"objectness", "proposal"}: Eq. 1's two terms, the mean over images, from what `forward` gave.

        Source: Faster R-CNN Eq. 1; N_cls is the number of sampled anchors, N_reg cfg.locations times that.
        """
        cfg = self.cfg
        logits, deltas, anchors = torch.cat(outputs[0], 1), torch.cat(outputs[1], 1), torch.cat(outputs[2])
        gt, label = self.assign(anchors, targets, sizes)
        if cfg.samples is not None:
            label = sample(label, cfg.samples, cfg.positive_fraction)
        scale = 1 / ((label >= 0).sum(1).clamp(min=1) * len(label))  # (N,): 1 / (N_cls N)
        image, anchor = (label >= 0).nonzero(as_tuple=True)
        truth = label[image, anchor].to(torch.float32)
        cls = F.binary_cross_entropy_with_logits(logits[image, anchor].float(), truth, reduction="none")
        objects = torch.cat([t["boxes"][g[x == 1]] for t, g, x in zip(targets, gt, label)])  # (P, 4)
        at, anchor = image[truth == 1], anchor[truth == 1]  # (P,)
        goal = boxes.encode(anchors[anchor], objects)
        box = smooth_l1(deltas[at, anchor].to(goal.dtype), goal, cfg.box_beta).sum(1)
        weight = cfg.box_weight / cfg.locations
        return {"objectness": (cls * scale[image]).sum(), "proposal": weight * (box * scale[at]).sum()}

    def propose(self, outputs: tuple[list, list, list], sizes: Tensor,
                training: bool) -> list[dict[str, Tensor]]:
        """N dicts {"boxes" (P, 4), "scores" (P,)}, by cfg.test, or with `training` by cfg.train."""
        cfg = self.cfg.train if training else self.cfg.test
        return propose(*outputs, sizes, cfg)


@dataclass(frozen=True)
class RPNConfig(SystemConfig):
    num_classes: int = 80  # for the contract alone: an RPN tells objects of any class from background
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    pyramid: PyramidConfig = field(
        default_factory=lambda: PyramidConfig(levels=(2, 3, 4, 5, 6), extra="pool"))
    rpn: ProposerConfig = field(default_factory=ProposerConfig)

    def trained_anchors(self) -> TrainedAnchors:
        """Those of the proposer."""
        return TrainedAnchors(self.rpn.anchors, self.rpn.match, self.rpn.border, self.trunk.scale)


class RPN(nn.Module, ProposalMaker):
    """Trunk, pyramid (or one map) and proposer: a proposal method of its own, scored by recall.

    Source: Faster R-CNN Sec. 3.1; on a pyramid, FPN Sec. 4.1 and Table 1.
    """

    revision = 1
    scored_by = "recall"
    proposes = True

    def __init__(self, cfg: RPNConfig):
        super().__init__()
        check_levels(cfg.rpn.anchors, cfg.pyramid.levels)
        self.cfg = cfg
        self.trunk = trunk(cfg.trunk)
        self.trunk.fc = None
        self.pyramid = pyramid(cfg.pyramid, self.trunk.channels)
        self.rpn = Proposer(self.pyramid.dim, cfg.rpn, cfg.trunk.scale)
        self.to(memory_format=torch.channels_last)

    def predict_levels(self, images: Tensor) -> tuple[list, list, list]:
        """What `Proposer.forward` gives for images (N, 3, H, W), uint8 or float in [0, 1]."""
        return self.rpn(self.pyramid(self.trunk(images)), tuple(images.shape[-2:]))

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs: logits (N, A), deltas (N, A, 4), anchors (A, 4) px.

        Errors: ValueError for `proposals`.
        """
        refuse_proposals(proposals, "an RPN")
        logits, deltas, anchors = self.predict_levels(images)
        return torch.cat(logits, 1), torch.cat(deltas, 1), torch.cat(anchors)

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"objectness", "proposal"} of `Proposer.losses`; targets need "boxes" (G, 4) px alone."""
        check_targets(targets, len(images), ("boxes",))
        return self.rpn.losses(self.predict_levels(images), targets, target_sizes(images, targets))

    @torch.no_grad()
    def proposals(self, images: Tensor, sizes: Tensor, training: bool = False) -> list[Tensor]:
        """Boxes [(P, 4)] px, best first; with `training` as many as a detector is trained on."""
        return [image["boxes"] for image in self.rpn.propose(self.predict_levels(images), sizes, training)]

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (P, 4) px, "scores" (P,) objectness, "labels" (P,), all 1}, best first.

        `sizes`: as `contract.DetectionSystem.detect` has them.
        Errors: ValueError for `proposals`.
        """
        refuse_proposals(proposals, "an RPN")
        sizes = image_sizes(images) if sizes is None else sizes
        detections = self.rpn.propose(self.predict_levels(images), sizes, training=False)
        for image in detections:
            image["labels"] = torch.ones_like(image["scores"], dtype=torch.int64)
        return detections


def target_sizes(images: Tensor, targets: list[dict]) -> Tensor:
    """(N, 2) h, w px of the images without padding: as their targets say, else the whole canvas."""
    return torch.stack([t.get("size", whole) for t, whole in zip(targets, image_sizes(images), strict=True)])
