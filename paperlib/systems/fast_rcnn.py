"""Fast R-CNN: one feature map an image, one small head for every proposal, one loss for class and box.

Legend: N images of H x W px, P proposals of an image, R regions of interest (RoIs) of a batch, K classes,
C channels, D detections of an image. A RoI is (image index in the batch, x1, y1, x2, y2).
"""
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts import boxes, roi_pooling, roi_training
from paperlib.parts.detections import RoIDetectConfig, select_rois
from paperlib.parts.heads import BoxHeadConfig, box_head, truncated
from paperlib.parts.matching import check_targets
from paperlib.parts.proposals import ProposalSource
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.roi_pooling import RoIConfig, to_rois
from paperlib.parts.roi_training import DeltaConfig, RoISampleConfig, sample_rois
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.systems.contract import (
    AfterConfig,
    DetectionSystem,
    SystemConfig,
    image_sizes,
    require_proposals,
)


@dataclass(frozen=True)
class FastRCNNConfig(SystemConfig):
    num_classes: int = 20  # K, without background (20 on PASCAL VOC)
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    pyramid: PyramidConfig = field(default_factory=lambda: PyramidConfig(levels=(4,), kind="single"))
    roi: RoIConfig = field(default_factory=RoIConfig)
    head: BoxHeadConfig = field(default_factory=BoxHeadConfig)
    sample: RoISampleConfig = field(default_factory=RoISampleConfig)
    deltas: DeltaConfig = field(default_factory=DeltaConfig)
    detect: RoIDetectConfig = field(default_factory=RoIDetectConfig)
    proposals: ProposalSource = field(default_factory=ProposalSource)
    box_weight: float = 1.0  # lambda of Eq. 1; 0: classification only (Sec. 5.1)
    box_beta: float = 1.0  # normalised deltas' size where smooth L1 turns linear (Eq. 3); inf: L2
    scales: tuple[float, ...] = (1.0,)  # factors on the images' size (Sec. 5.2: 480 to 1200 of 600)
    scale_size: float = 224.0  # px, square root of the area that a RoI should have at its scale (Sec. 3)
    after: AfterConfig = field(default_factory=AfterConfig)
    pools_rois = True

    def needs_proposals(self, training: bool = False) -> bool:
        """Always: the network makes none."""
        return True

    def for_training(self):
        """Rows that differ in how many proposals are tested are trained once."""
        return replace(self, proposals=replace(self.proposals, tested=None))


class FastRCNN(nn.Module, DetectionSystem):
    """Trunk, RoI pooling, and a head of two fully connected layers on proposals that come with the images.

    Source: Fast R-CNN (arXiv 1504.08083v2) Sec. 2 and 3; on a pyramid, FPN (arXiv 1612.03144v2) Sec. 4.2.
    `targets` hold "proposals" (P, 4) px besides boxes and labels; `detect` takes them as a list of (P, 4).
    """

    revision = 1

    def __init__(self, cfg: FastRCNNConfig):
        super().__init__()
        self.cfg = cfg
        self.trunk = trunk(cfg.trunk)
        self.pyramid = pyramid(cfg.pyramid, self.trunk.channels)
        self.head = box_head(cfg.head, self.trunk, self.pyramid.dim, cfg.roi.side, cfg.num_classes)
        self.svm: nn.Linear | None = None  # fc7 -> one margin a class, once trained (cfg.after.svm)
        self.to(memory_format=torch.channels_last)

    def pooled(self, images: Tensor, rois: Tensor) -> Tensor:
        """The window (R, C, side, side) of every RoI (R, 5)."""
        return roi_pooling.pool(self.pyramid(self.trunk(images)), rois, self.cfg.roi, self.cfg.trunk.scale)

    def windows(self, images: Tensor, rois: Tensor) -> Tensor:
        """As `pooled`, each RoI at the one of cfg.scales that brings its area closest to scale_size squared.

        Source: Fast R-CNN Sec. 3, after SPPnet.
        """
        if self.cfg.scales == (1.0,) or not len(rois):
            return self.pooled(images, rois)
        factors = rois.new_tensor(self.cfg.scales)
        areas = boxes.area(rois[:, 1:])[:, None] * factors.square()  # (R, scales)
        chosen = (areas - self.cfg.scale_size**2).abs().argmin(1)  # (R,)
        places, windows = [], []
        for i, factor in enumerate(self.cfg.scales):
            at = (chosen == i).nonzero().squeeze(1)
            if len(at):
                places.append(at)
                windows.append(self.pooled(*resized(images, rois[at], factor)))
        return torch.cat(windows)[torch.cat(places).argsort()]  # (R, C, side, side), in the order of `rois`

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs for all proposals of a batch: logits (R, K + 1), deltas (R, K, 4), RoIs (R, 5).

        Errors: ValueError unless there are proposals for every image.
        """
        rois = _rois_of(images, proposals)
        logits, deltas = self.head(self.windows(images, rois))
        return logits, deltas, rois

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"cls", "box"}: the multi-task loss of Eq. 1 over the sampled RoIs.

        Differs: with several scales, the images of a batch share one that is drawn at random.
        Errors: ValueError naming the first target without boxes, labels in 1..K, or proposals.
        """
        cfg = self.cfg
        check_targets(targets, len(images), ("boxes", "labels", "proposals"), cfg.num_classes)
        proposals = [target["proposals"] for target in targets]
        rois, labels, goals = sample_rois(proposals, targets, cfg.sample)  # (R, 5), (R,), (R, 4)
        read = rois  # from the images at their scale
        if cfg.scales != (1.0,):
            images, read = resized(images, rois, cfg.scales[int(torch.randint(len(cfg.scales), ()))])
        logits, deltas = self.head(self.pooled(images, read))  # (R, K + 1), (R, K, 4)
        parts = roi_training.losses(logits, deltas, rois, labels, goals, cfg.deltas, cfg.box_beta)
        return {"cls": parts["cls"], "box": cfg.box_weight * parts["box"]}

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), "labels" (D,)}, best first.

        `sizes`: as `contract.DetectionSystem.detect` has them.
        Errors: ValueError unless there are proposals for every image.
        """
        rois = _rois_of(images, proposals)  # (R, 5)
        sizes = image_sizes(images) if sizes is None else sizes
        x = self.head.features(self.windows(images, rois))  # (R, width of fc7)
        deltas = self.head.box(x).unflatten(1, (-1, 4))  # (R, K, 4)
        return select_rois(self._scores(x), deltas, rois, sizes, self.cfg.deltas, self.cfg.detect)

    def _scores(self, x: Tensor) -> Tensor:
        """(R, K), without background, from fc7 of every RoI: by the SVMs where they are trained."""
        if self.svm is not None:
            return self.svm(x).sigmoid()
        return self.head.cls(x).float().softmax(1)[:, 1:]

    def compress(self, kept: tuple[int, int]) -> None:
        """Give fc6 and fc7 two thin layers each in place of one (Sec. 3.1); not to be trained again."""
        first, second = kept
        self.head.fc6, self.head.fc7 = truncated(self.head.fc6, first), truncated(self.head.fc7, second)


def _rois_of(images: Tensor, proposals: list[Tensor] | None) -> Tensor:
    """RoIs (R, 5). Errors: as `require_proposals`."""
    return to_rois(require_proposals(images, proposals))


def resized(images: Tensor, rois: Tensor, factor: float, multiple: int = 32) -> tuple[Tensor, Tensor]:
    """Images (N, 3, H, W) and their RoIs (R, 5), scaled so that the sides are multiples of `multiple` px."""
    height, width = images.shape[-2:]
    h = max(1, round(height * factor / multiple)) * multiple
    w = max(1, round(width * factor / multiple)) * multiple
    rois = rois * rois.new_tensor((1.0, w / width, h / height, w / width, h / height))
    if images.is_floating_point() or images.device.type == "cpu":
        return F.interpolate(images, (h, w), mode="bilinear", antialias=True), rois
    larger = F.interpolate(images.float(), (h, w), mode="bilinear", antialias=True)  # GPUs take no bytes
    return larger.round().clamp(0, 255).to(images.dtype), rois
