"""R-CNN: each region warped to one size, a classifier's features of it, an SVM a class, ridge for boxes.

Legend: N images of H x W px, P proposals of an image, R windows of a batch, K classes, S px a crop's side,
C channels, D numbers in a layer.
"""
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import masks_to_boxes

from paperlib.parts.crops.warp import crops
from paperlib.parts.crops.windows import sample_windows
from paperlib.parts.detections import select_rois
from paperlib.parts.matching import check_targets
from paperlib.parts.roi_pooling import to_rois
from paperlib.parts.roi_training import DeltaConfig
from paperlib.parts.trunks import trunk
from paperlib.systems.contract import DetectionSystem, image_sizes, require_proposals
from paperlib.systems.rcnn_config import LAYERS, RCNNConfig

CHUNK = 64  # windows that pass the network at once: larger maps leave the processor's cache
PLAIN = DeltaConfig((0.0,) * 4, (1.0,) * 4)  # shifts and log sizes as they are


class RCNN(nn.Module, DetectionSystem):
    """A classifier on warped regions, fine-tuned; its features are scored by SVMs and move boxes by ridge.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2 and 3, App. A and C.
    `losses` are those of fine-tuning. The SVMs and the ridge weights are filled by
    `training.rcnn.stages`; until then the softmax scores, and boxes stay. `targets` hold "proposals" (P, 4)
    px besides boxes and labels.
    Differs: windows of a step come from the images of its batch, not from all; features are rounded to half
             precision, as they are kept on disk.
    """

    revision = 1

    def __init__(self, cfg: RCNNConfig):
        super().__init__()
        self.cfg = cfg
        self.trunk = trunk(cfg.trunk)
        size = self.trunk.channels[cfg.level] * cfg.side**2
        pretrained = self.trunk.fc or {"fc6": nn.Linear(size, cfg.widths[0]), "fc7": nn.Linear(*cfg.widths)}
        self.fc6, self.fc7, self.trunk.fc = pretrained["fc6"], pretrained["fc7"], None
        if tuple(self.fc6.weight.shape) != (cfg.widths[0], size):
            raise ValueError(f"fc6 of trunk {cfg.trunk.name!r} is {tuple(self.fc6.weight.shape)}: expected "
                             f"{(cfg.widths[0], size)} by widths, side and level")
        self.dropout = nn.Dropout(cfg.dropout)
        self.cls = nn.Linear(cfg.widths[1], cfg.num_classes + 1)
        nn.init.normal_(self.cls.weight, std=cfg.cls_std)
        nn.init.zeros_(self.cls.bias)
        wide = dict(zip(LAYERS, (size, *cfg.widths)))[cfg.layer]
        self.svm = Fitted(wide, cfg.num_classes)  # a layer's numbers -> a margin a class
        self.ridge = Fitted(size, 4 * cfg.num_classes)  # pool5 -> a move of the box, a class
        if cfg.segment.strategy:
            self.scored_by = "regions"
            both = len(cfg.segment.strategy.split("+"))
            self.regressors = Fitted(both * wide, cfg.num_classes)  # -> overlap with a class's object
        self.register_buffer("stages_done", torch.zeros(2, dtype=torch.bool))  # the SVMs, the ridge
        self.store: Callable | None = None  # (image, regions, features) -> features, kept on disk
        self.to(memory_format=torch.channels_last)

    def layers(self, windows: Tensor) -> dict[str, Tensor]:
        """{"pool5" (R, C side side), "fc6" (R, D), "fc7" (R, D)}, after their rectifiers, of (R, 3, S, S)."""
        pool5 = F.adaptive_max_pool2d(self.trunk(windows)[self.cfg.level], self.cfg.side).flatten(1)
        fc6 = self.dropout(self.fc6(pool5).relu())
        return {"pool5": pool5, "fc6": fc6, "fc7": self.dropout(self.fc7(fc6).relu())}

    def crops(self, images: Tensor, rois: Tensor, sizes: Tensor | None = None) -> Tensor:
        """The windows (R, 3, S, S), in [0, 1], of RoIs (R, 5) in the order of their images."""
        sizes = image_sizes(images) if sizes is None else sizes
        read = [images.new_zeros(0, 3, self.cfg.crop.size, self.cfg.crop.size, dtype=self.trunk.mean.dtype)]
        for i, (image, size) in enumerate(zip(images, sizes.tolist())):
            regions = rois[rois[:, 0] == i, 1:]
            read.append(crops(self._real(image, size), regions, self.cfg.crop, self.trunk.mean))
        return torch.cat(read)

    def _real(self, image: Tensor, size: list[int]) -> Tensor:
        """An image as float in [0, 1], without padding."""
        image = image[:, :size[0], :size[1]]
        return image.to(self.trunk.mean.dtype) / (255 if image.dtype == torch.uint8 else 1)

    @torch.no_grad()
    def features(self, image: Tensor, regions: Tensor, size: Tensor | None = None) -> dict[str, Tensor]:
        """As `layers`, in half precision, of regions (P, 4) px of one image (3, H, W); kept by a store."""
        image = self._real(image, list(image.shape[-2:] if size is None else size.tolist()))
        return (self.store or _at_once)(image, regions, self._computed)

    @torch.no_grad()
    def foreground(self, image: Tensor, masks: Tensor) -> dict[str, Tensor]:
        """As `features`, of regions given as masks (P, H, W): what lies beside a region is the mean colour.

        Source: R-CNN Sec. 5, "fg".
        """
        return (self.store or _at_once)(self._real(image, list(image.shape[-2:])), masks, self._masked)

    def _masked(self, image: Tensor, masks: Tensor) -> dict[str, Tensor]:
        return self._computed(image, boxes_around(masks), masks)

    def _computed(self, image: Tensor, regions: Tensor, masks: Tensor | None = None) -> dict[str, Tensor]:
        parts = {name: [] for name in LAYERS}
        for at in torch.arange(len(regions)).split(CHUNK):
            kept = None if masks is None else masks[at]
            windows = crops(image, regions[at], self.cfg.crop, self.trunk.mean, kept)
            for name, value in self.layers(windows).items():
                parts[name].append(value.half())
        return {name: torch.cat(values) for name, values in parts.items()}

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"cls"}: mean log loss of the softmax over K + 1 classes on the windows of a fine-tuning step.

        Errors: ValueError naming the first target without boxes, labels in 1..K, or proposals.
        """
        check_targets(targets, len(images), ("boxes", "labels", "proposals"), self.cfg.num_classes)
        rois, labels = sample_windows(targets, self.cfg.sample)
        sizes = None
        if all("size" in target for target in targets):
            sizes = torch.stack([target["size"] for target in targets])
        logits = self.cls(self.layers(self.crops(images, rois, sizes))["fc7"])
        return {"cls": F.cross_entropy(logits.float(), labels, reduction="sum") / max(len(labels), 1)}

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (R, K + 1) of the softmax, deltas (R, K, 4) of the ridge, RoIs (R, 5).

        Errors: ValueError unless there are proposals for every image.
        """
        rois = to_rois(require_proposals(images, proposals))
        layers = self.layers(self.crops(images, rois))
        return self.cls(layers["fc7"]), self.ridge(layers["pool5"]).unflatten(1, (-1, 4)), rois

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """Per image {"boxes" (D, 4) px, "scores" (D,), "labels" (D,)}, best first.

        `sizes`: as `contract.DetectionSystem.detect` has them.
        Errors: ValueError unless there are proposals for every image.
        """
        sizes = image_sizes(images) if sizes is None else sizes
        detections = []
        for image, size, regions in zip(images, sizes, require_proposals(images, proposals)):
            features = self.features(image, regions, size)
            detections.append(self.detect_regions(features, regions, size))
            for _ in range(1, self.cfg.ridge.times):
                detections[-1] = self._again(image, detections[-1], size)
        return detections

    def detect_regions(self, features: dict[str, Tensor], regions: Tensor, size: Tensor) -> dict[str, Tensor]:
        """The detections of one image of `size` (h, w) px, from the features of its regions (P, 4)."""
        return self._selected(self.scores(features), self.moves(features), regions, size)

    def _again(self, image: Tensor, before: dict[str, Tensor], size: Tensor) -> dict[str, Tensor]:
        """Detections whose boxes are regions once more: each is scored and moved as of its class (App. C)."""
        regions, column = before["boxes"], F.one_hot(before["labels"] - 1, self.cfg.num_classes).bool()
        features = self.features(image, regions, size)
        scores = self.scores(features).masked_fill(~column, -1)
        return self._selected(scores, self.moves(features), regions, size)

    def _selected(self, scores: Tensor, deltas: Tensor | None, regions: Tensor,
                  size: Tensor) -> dict[str, Tensor]:
        if deltas is None:
            deltas = regions.new_zeros(len(regions), 1, 4)
        return select_rois(scores, deltas, to_rois([regions]), size[None], PLAIN, self.cfg.detect)[0]

    def scores(self, features: dict[str, Tensor]) -> Tensor:
        """(R, K), without background: the SVMs' margins through a sigmoid, or the softmax."""
        if self.cfg.scorer == "svm" and self.stages_done[0]:
            return self.svm(features[self.cfg.layer].float()).sigmoid()
        return self.cls(features["fc7"].float()).softmax(1)[:, 1:]

    def moves(self, features: dict[str, Tensor]) -> Tensor | None:
        """(R, K, 4), what the ridge adds to a region of each class; None where boxes stay."""
        if self.cfg.ridge.times and self.stages_done[1]:
            return self.ridge(features["pool5"].float()).unflatten(1, (-1, 4))
        return None


class Fitted(nn.Module):
    """A linear map that is no part of any loss: zeros until it is filled."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs))
        self.register_buffer("bias", torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)

    def fill(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Set weight (outputs, inputs) and bias (outputs,)."""
        self.weight.copy_(torch.from_numpy(weight))
        self.bias.copy_(torch.from_numpy(bias))


def boxes_around(masks: Tensor) -> Tensor:
    """The rectangles (P, 4) px around regions given as masks (P, H, W), pixels whole."""
    return masks_to_boxes(masks) + masks.new_tensor([0.0, 0.0, 1.0, 1.0], dtype=torch.float32)


def _at_once(image: Tensor, regions: Tensor, compute: Callable) -> dict[str, Tensor]:
    return compute(image, regions)
