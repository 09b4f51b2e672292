"""Mask proposals from a feature pyramid: an MLP on every cell of every level says a mask and a score.

Legend: N images of H x W px, G objects of an image, R windows of an image, S windows that train in a step,
P of them around objects, D numbers that describe a window, m x m px of its mask.

What is scaled to 128 px images (preset `scale`), where the paper has 800 px:

    ResNet-50, P2-P6 of strides 4 to 64 px     slim at scale 1/2, strides 2 to 32 px
    objects of 32, 64, ..., 512 px             8, 16, ..., 128 px: 4 strides in place of 8
    +-1 cell, an eighth of such an object      +-1/2 cell, the same share of it
    128 samples an image                       32, since an object has a quarter of the cells
    d = 128, 512 hidden units                  32, 128
"""
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from paperlib.distributed import part_of_mean
from paperlib.parts.matching import check_targets
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.sampling import sample
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.parts.windows.cell_head import CellHead, CellHeadConfig
from paperlib.parts.windows.levels import (
    LevelWindowConfig,
    LevelWindows,
    label_cells,
    level_windows,
    object_sizes,
)
from paperlib.parts.windows.resampling import cut_masks
from paperlib.systems.contract import SystemConfig, image_sizes
from paperlib.systems.mask_proposals import Dense, MaskProposals, ProposeConfig, mask_loss, score_loss


@dataclass(frozen=True)
class FPNMasksConfig(SystemConfig):
    num_classes: int = 80  # for the contract alone: objects of any class are told from background
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    pyramid: PyramidConfig = field(
        default_factory=lambda: PyramidConfig(levels=(2, 3, 4, 5, 6), dim=128, extra="pool"))
    windows: LevelWindowConfig = field(default_factory=LevelWindowConfig)
    head: CellHeadConfig = field(default_factory=CellHeadConfig)
    samples: int = 128  # windows of each image that train in a step (App. A)
    positive_fraction: float = 0.25  # of the samples at most (App. A, 1:3)
    mask_weight: float = 10.0  # of the mask's loss beside the score's (App. A)
    propose: ProposeConfig = field(default_factory=ProposeConfig)

    def right_sized(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Which objects (G, 4) px are within half an octave of some size that an MLP is for."""
        longer = (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp(min=1e-3)
        octaves = longer.log2()[:, None] - self._sizes().log2()
        return (octaves.abs() <= 0.5).any(1)

    def scales_said(self) -> tuple[str, str]:
        """What objects are sorted by, and the setting that changes it."""
        sizes = ", ".join(f"{size:.0f}" for size in self._sizes().tolist())
        return f"for the sizes {sizes} px of the levels", "windows.object_cells"

    def _sizes(self) -> Tensor:
        return object_sizes(self.windows, self.pyramid.levels, self.trunk.scale)


class FPNMasks(nn.Module, MaskProposals):
    """Trunk, pyramid and one MLP for each half octave, shared by all levels, trained end to end.

    Source: FPN (arXiv 1612.03144v2), Sec. 6 and App. A, Fig. 4.
    Objects: crowds are neither positive nor background; of one cut by the image's border the visible part
             counts; cells beyond an image's own size do not train.
    Differs: what "within 2^k pixels" measures is read as x and y each, as "+-1 cell" says; objects beyond
             the smallest and the largest size belong to these.
    """

    revision = 1

    def __init__(self, cfg: FPNMasksConfig):
        super().__init__()
        cfg.windows.check()
        self.cfg = cfg
        self.trunk = trunk(cfg.trunk)
        self.trunk.fc = None
        self.pyramid = pyramid(cfg.pyramid, self.trunk.channels)
        self.heads = nn.ModuleList()
        for kernel in cfg.windows.kernels:
            self.heads.append(CellHead(self.pyramid.dim, kernel, cfg.head))
        self.to(memory_format=torch.channels_last)

    def features(self, images: Tensor) -> tuple[dict[int, Tensor], LevelWindows]:
        """The pyramid's maps of images (N, 3, H, W), and the windows on them."""
        maps = self.pyramid(self.trunk(images))
        shapes = {level: tuple(x.shape[-2:]) for level, x in maps.items()}
        return maps, level_windows(self.cfg.windows, shapes, self.cfg.trunk.scale, images.device)

    @torch.no_grad()
    def assign(self, laid: LevelWindows, target: dict, size: Tensor) -> tuple[Tensor, Tensor]:
        """What every window of an image of `size` (h, w) px should say: its object (R,), and 1, 0 or -1."""
        gt, label = label_cells(laid, target["boxes"].float(), self.cfg.windows.reach, target.get("crowd"))
        outside = (laid.middles >= size.flip(0)).any(1)
        return gt, label.masked_fill(outside, -1)

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"mask", "score"}: the mean over the pixels of the positives' masks, and over all sampled windows.

        It draws from torch's generator. A batch without a positive has no mask loss: a plain 0, so that the
        mask's own layers get no gradient.
        Errors: ValueError naming the first target without masks.
        """
        check_targets(targets, len(images), ("boxes", "masks"))
        maps, laid = self.features(images)
        gt, label = [], []
        for target, size in zip(targets, image_sizes(images)):
            indices, labels = self.assign(laid, target, target.get("size", size))
            gt.append(indices)
            label.append(labels)
        label = sample(torch.stack(label), self.cfg.samples, self.cfg.positive_fraction)
        image, window = (label >= 0).nonzero(as_tuple=True)  # (S,) image by image
        vectors, place = self.at(maps, laid, image, window), laid.place[window]
        truth = label[image, window]
        score = score_loss(self._by_head("scores", vectors, place), truth)
        mask = images.new_zeros((), dtype=torch.float32)
        if truth.any():
            around = truth > 0
            shown = self._true_masks(laid, targets, torch.stack(gt)[image, window][around], image[around],
                                     window[around])
            mask = mask_loss(self._by_head("masks", vectors[around], place[around]), shown)
        mask = part_of_mean(mask, int((truth > 0).sum()))
        return {"mask": self.cfg.mask_weight * mask, "score": score}

    def _true_masks(self, laid: LevelWindows, targets: list[dict], gt: Tensor, image: Tensor,
                    window: Tensor) -> Tensor:
        """What windows around objects should show, (P,) each, image by image: (P, m, m) bool."""
        masks = []
        for i in image.unique().tolist():
            of_image = image == i
            masks.append(cut_masks(targets[i]["masks"][gt[of_image]], laid.windows[window[of_image]],
                                   self.cfg.head.output))
        return torch.cat(masks)

    def at(self, maps: dict[int, Tensor], laid: LevelWindows, image: Tensor, window: Tensor) -> Tensor:
        """What describes chosen windows (S,) of images (S,): (S, D)."""
        place, parts, order = laid.place[window], [], []
        for number, (level, head) in enumerate(self._places()):
            here = (place == number).nonzero().squeeze(1)
            if len(here):
                parts.append(head.at(maps[level], image[here], laid.cell[window[here]]))
                order.append(here)
        if not parts:
            return self.trunk.mean.new_zeros(0, self.cfg.head.hidden)
        return torch.cat(parts)[torch.cat(order).argsort()]

    def _places(self) -> list[tuple[int, CellHead]]:
        """Level and head of each place."""
        places = []
        for level in sorted(self.cfg.pyramid.levels):
            for head in self.heads:
                places.append((level, head))
        return places

    def _by_head(self, layer: str, vectors: Tensor, place: Tensor) -> Tensor:
        """`head.scores` (S,) or `head.masks` (S, m, m) of windows, each by the head of its place."""
        parts, order = [], []
        for number, head in enumerate(self.heads):
            here = (place % len(self.heads) == number).nonzero().squeeze(1)
            if len(here):
                parts.append(getattr(head, layer)(vectors[here]))
                order.append(here)
        if not parts:
            return getattr(self.heads[0], layer)(vectors)
        return torch.cat(parts)[torch.cat(order).argsort()]

    def dense(self, image: Tensor) -> Dense:
        """Everything about one image (3, H, W), uint8 or float in [0, 1]: all windows of all levels."""
        maps, laid = self.features(image[None])
        vectors = torch.cat([head.dense(maps[level])[0] for level, head in self._places()])
        scores = self._by_head("scores", vectors, laid.place).float()
        return Dense(laid.windows, scores, vectors, laid.place, laid.cell)

    def masks(self, dense: Dense, chosen: Tensor) -> Tensor:
        """Mask logits (D, m, m) of the windows `chosen` (D,), best first."""
        return self._by_head("masks", dense.vectors[chosen], dense.scale[chosen]).float()
