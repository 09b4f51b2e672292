"""DeepMask: a mask and a score for every window of an image, and the best windows' masks as proposals.

Legend: N images of H x W px, G objects of an image, R windows, P windows around objects, D proposals,
m x m px of a window's mask.

What is scaled to 128 px images (preset `scale`), where the chapter has about 640 px; its numbers are those of
Table 3.1, row W160-P4-D39-F128, and of the published code:

    window W 160 px, patch 192 px    40 px, patch 48 px         shift 16 px            4 px
    stride 16 px, so S = 10          4 px, so S = 10            scales 2^-2.5..2^.5    the same
    poolings P 4                     2: 40 px have two          mask 56, then 112 px   14, then 28 px
    ResNet-50 to C4, 1024 channels   slim to level 4, 64        F 128, D 512           32, 128
    objects of 5 px, 100 px^2        1.25 px, 6.25 px^2         score's layer 1024     256
"""
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.distributed import part_of_mean
from paperlib.parts.matching import check_targets
from paperlib.parts.trunks import TrunkConfig
from paperlib.parts.windows.centred import CentredConfig, label_windows
from paperlib.parts.windows.grid import Grid, WindowConfig, around, grid
from paperlib.parts.windows.heads import MaskHead, MaskHeadConfig, enlarged_masks
from paperlib.parts.windows.patches import PatchConfig, Patches, sample_patches, true_masks
from paperlib.parts.windows.resampling import cut, resize
from paperlib.parts.windows.trunk_maps import channels_of, cut_trunk, maps_of, normalised
from paperlib.systems.contract import SystemConfig, image_sizes
from paperlib.systems.mask_proposals import Dense, MaskProposals, ProposeConfig, mask_loss, score_loss


@dataclass(frozen=True)
class DeepMaskConfig(SystemConfig):
    num_classes: int = 80  # for the contract alone: objects of any class are told from background
    trunk: TrunkConfig = field(default_factory=TrunkConfig)
    level: int = 4  # the trunk's last (Sec. 3.4.1: P poolings, D layers; 4 of ResNet-50: D39)
    padding: str = "replicate"  # of all convolutions: "zeros" | "reflect" | "replicate" (Sec. 3.5, and code)
    window: WindowConfig = field(default_factory=WindowConfig)
    centred: CentredConfig = field(default_factory=CentredConfig)
    patches: PatchConfig = field(default_factory=PatchConfig)
    head: MaskHeadConfig = field(default_factory=MaskHeadConfig)
    score_weight: float = 1 / 32  # of the score's loss beside the mask's (the DeepMask paper, and code)
    propose: ProposeConfig = field(default_factory=ProposeConfig)
    zoom: tuple[float, ...] = ()  # log2 of scales of the test beyond window.scales ("Zoom", Sec. 3.5.3)

    def for_training(self):
        return replace(self, propose=ProposeConfig(), zoom=())

    def tested_scales(self) -> tuple[float, ...]:
        """log2 of all scales of the test."""
        return (*self.window.scales, *self.zoom)

    def right_sized(self, boxes: Tensor, size: tuple[int, int]) -> Tensor:
        """Which objects (G, 4) of an image of (h, w) px some tested window holds centred and right-sized."""
        covered = torch.zeros(len(boxes), dtype=torch.bool)
        for octaves in self.tested_scales():
            windows = grid(size, octaves, self.window).windows
            gt, label = label_windows(windows, boxes, self.window, self.centred)
            covered[gt[label == 1]] = True
        return covered

    def scales_said(self) -> tuple[str, str]:
        """What objects are sorted by, and the setting that changes it."""
        scales = ", ".join(f"2^{octaves:g}" for octaves in self.tested_scales())
        return f"in some window at the scales {scales}", "window.scales"


class DeepMask(nn.Module, MaskProposals):
    """Trunk, mask branch and score branch: trained on patches, tested densely over an image at all scales.

    Source: DeepMask as chapter 3 of T.-Y. Lin's thesis rebuilds it (arXiv 1603.08695), Secs. 3.3-3.5.
    What is beyond an image is the trunk's mean colour, in patches and in dense windows.
    Objects: crowds are neither positive nor background, small ones do not train (`centred`), of one cut by
             the image's border the visible part counts; masks have holes where the annotations have them.
    Differs: one step trains both branches on the same windows, where the published code takes turns.
    """

    revision = 1

    def __init__(self, cfg: DeepMaskConfig):
        super().__init__()
        cfg.window.check()
        self.cfg = cfg
        self.trunk = cut_trunk(cfg.trunk, cfg.level, cfg.padding)
        self.channels = channels_of(self.trunk)
        self.head = MaskHead(self.channels[0], cfg.window.cells, cfg.head)
        self.to(memory_format=torch.channels_last)

    def on_windows(self, x: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """The trunk's maps of normalised pictures, and what the head says of the windows in them.

        The picture begins with the first window's context. A patch has one window, an image has a grid.
        Shapes: x (N, 3, h, w) -> [(N, C, h / stride, w / stride), ...], (N, D, rows, columns),
                (N, rows, columns).
        Errors: ValueError if the trunk's stride is not the windows'.
        """
        maps = maps_of(self.trunk, x)
        edge, stride = self.cfg.window.context // self.cfg.window.stride, x.shape[-1] // maps[0].shape[-1]
        if stride != self.cfg.window.stride:
            raise ValueError(f"level {self.cfg.level} of {self.cfg.trunk.name!r} has stride {stride} px, "
                             f"window.stride is {self.cfg.window.stride}: expected the same")
        inner = maps[0][..., edge:maps[0].shape[-2] - edge, edge:maps[0].shape[-1] - edge]
        vectors, scores = self.head(inner)
        return maps, vectors, scores

    def sample(self, images: Tensor, targets: list[dict], kind: PatchConfig | None = None) -> list[Patches]:
        """The windows of each image that train in this step, by `kind` or cfg.patches.

        It draws from torch's generator.
        """
        cfg, patches = self.cfg, []
        for target, size in zip(targets, image_sizes(images).tolist()):
            size = target["size"].tolist() if "size" in target else size
            patches.append(sample_patches(target, tuple(size), kind or cfg.patches, cfg.window, cfg.centred))
        return patches

    def pictures(self, images: Tensor, patches: list[Patches]) -> Tensor:
        """The normalised pictures of all windows with their context: (R, 3, patch, patch), image by image."""
        x, window, pictures = normalised(self.trunk, images), self.cfg.window, []
        for image, of_image in zip(x, patches):
            pictures.append(cut(image[None], around(of_image.windows, window), window.patch))
        return torch.cat(pictures)

    def losses(self, images: Tensor, targets: list[dict]) -> dict[str, Tensor]:
        """{"mask", "score"}: the mean over the pixels of the positives' masks, and over all windows.

        A batch without a usable object has no mask loss: a plain 0, so that the mask's own layers get no
        gradient and an optimiser leaves them alone, momentum and decay included.
        Errors: ValueError naming the first target without masks.
        """
        check_targets(targets, len(images), ("boxes", "masks"))
        patches = self.sample(images, targets)
        label = torch.cat([each.label for each in patches])
        _, vectors, scores = self.on_windows(self.pictures(images, patches))
        truth = true_masks(targets, patches, self.cfg.head.enlarged)
        mask = images.new_zeros((), dtype=torch.float32)
        if len(truth):
            mask = mask_loss(self.head.masks(vectors.flatten(1)[label > 0]), truth)
        return {"mask": part_of_mean(mask, len(truth)),
                "score": self.cfg.score_weight * score_loss(scores.flatten(), label)}

    def prepared(self, images: Tensor) -> Tensor:
        """Normalised: what lies beyond an image is 0, the mean colour."""
        return normalised(self.trunk, images)

    def dense(self, image: Tensor) -> Dense:
        """Everything about one normalised image (3, H, W): all windows at all scales."""
        windows, scores, vectors, scale, cell, maps = [], [], [], [], [], []
        for place, octaves in enumerate(self.cfg.tested_scales()):
            of_scale = grid(tuple(image.shape[-2:]), octaves, self.cfg.window)
            features, described, logits = self.on_windows(padded(image, of_scale))
            windows.append(of_scale.windows.to(image.device))
            scores.append(logits.flatten().float())
            vectors.append(described[0].flatten(1).T)
            scale.append(torch.full_like(scores[-1], place, dtype=torch.int64))
            cell.append(torch.cartesian_prod(*[torch.arange(n, device=image.device) for n in of_scale.shape]))
            maps.append(features)
        columns = [torch.cat(column) for column in (windows, scores, vectors, scale, cell)]
        return Dense(*columns, maps)

    def masks(self, dense: Dense, chosen: Tensor) -> Tensor:
        """Mask logits (D, m, m) of the windows `chosen` (D,), best first."""
        return enlarged_masks(self.head, dense.vectors[chosen])


def padded(image: Tensor, of_scale: Grid) -> Tensor:
    """A normalised image (3, H, W) at one scale, with the mean colour around it: (1, 3, *padded)."""
    x = resize(image, of_scale.scaled)
    (h, w), (height, width), offset = of_scale.scaled, of_scale.padded, of_scale.offset
    return F.pad(x, (offset, width - w - offset, offset, height - h - offset))[None]
