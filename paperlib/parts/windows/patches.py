"""Windows that a network is trained on: about half around objects, jittered, the others where there is none.

Legend: R windows of an image or of a batch of N images, G objects of an image.
"""
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.parts.windows.centred import CentredConfig, label_windows, right_windows
from paperlib.parts.windows.grid import WindowConfig
from paperlib.parts.windows.resampling import cut_masks

TRIES = 20  # places that are looked at for each window without an object


@dataclass(frozen=True)
class PatchConfig:
    per_image: int = 4  # windows of each image of a batch
    positive: float = 0.5  # share of them around an object (code: half)

    def __post_init__(self):
        if self.per_image < 1 or not 0 <= self.positive <= 1:
            raise ValueError(f"patches: {self.per_image} an image, {self.positive} of them positive: "
                             "expected 1 or more, and a share")


@dataclass(frozen=True)
class Patches:
    """Windows of one image: their boxes, what they are, and which object the positive ones are about."""

    windows: Tensor  # (R, 4) px, without context
    label: Tensor  # (R,) 1 or 0, positives first
    gt: Tensor  # (P,) object of each positive one


def sample_patches(target: dict, size: tuple[int, int], cfg: PatchConfig, window: WindowConfig,
                   rule: CentredConfig) -> Patches:
    """Windows of an image of (h, w) px to train on; an image without a usable object has only negatives.

    There are cfg.per_image of them wherever some place has no object: steps of one size need no new memory.
    Source: Sec. 3.3.3; the jitter and the halves are the published code's. All draws are torch's, on the CPU.
    Objects: each window's is drawn evenly from those of the image that are no crowd and not too small; of one
             that the image's border cuts, the visible part counts.
    Differs: the published code draws a class first, then an object of it, and an image for each window.
    """
    boxes, crowd = target["boxes"].float().cpu(), target.get("crowd")
    crowd = torch.zeros(len(boxes), dtype=torch.bool) if crowd is None else crowd.cpu()
    usable = _usable(target, boxes, crowd, rule)
    positives = round(cfg.per_image * cfg.positive)
    gt = usable
    if len(usable):
        gt = usable[torch.randint(len(usable), (positives,))]
    around = jittered(right_windows(boxes[gt], window), rule)
    elsewhere = _elsewhere(boxes, crowd, size, cfg.per_image - len(around), window, rule)
    label = torch.cat([torch.ones(len(around)), torch.zeros(len(elsewhere))]).long()
    device = target["boxes"].device
    return Patches(torch.cat([around, elsewhere]).to(device), label.to(device), gt.to(device))


def _usable(target: dict, boxes: Tensor, crowd: Tensor, rule: CentredConfig) -> Tensor:
    """Indices of the objects that may train."""
    shorter = (boxes[:, 2:] - boxes[:, :2]).amin(1)
    area = target["masks"].flatten(1).sum(1).cpu()
    return (~crowd & (shorter >= rule.min_side) & (area >= rule.min_area)).nonzero().squeeze(1)


def jittered(windows: Tensor, rule: CentredConfig) -> Tensor:
    """Windows (R, 4) moved and resized at random as far as they stay positive."""
    side = windows[:, 2:] - windows[:, :2]
    resized = side * 2 ** (rule.octaves * (2 * torch.rand(len(windows), 1) - 1))
    middle = (windows[:, :2] + windows[:, 2:]) / 2
    middle = middle + rule.shift * (2 * torch.rand(len(windows), 2) - 1) * resized
    return torch.cat([middle - resized / 2, middle + resized / 2], 1)


def _elsewhere(boxes: Tensor, crowd: Tensor, size: tuple[int, int], count: int, window: WindowConfig,
               rule: CentredConfig) -> Tensor:
    """`count` windows with label 0, with middles in the image, of any size that is tested; 0 if none is."""
    tries = TRIES * count
    octaves = min(window.scales) + torch.rand(tries, 1) * (max(window.scales) - min(window.scales))
    half = window.size / 2 / 2**octaves
    middle = torch.rand(tries, 2) * torch.tensor((size[1], size[0]))
    candidates = torch.cat([middle - half, middle + half], 1)
    _, label = label_windows(candidates, boxes, window, rule, crowd)
    empty = candidates[label == 0]
    if len(empty):
        empty = empty[torch.arange(count) % len(empty)]
    return empty


def true_masks(targets: list[dict], patches: list[Patches], side: int) -> Tensor:
    """What the windows around objects should show: (P, side, side) bool, image by image."""
    masks = []
    for target, of_image in zip(targets, patches):
        windows = of_image.windows[of_image.label > 0]
        masks.append(cut_masks(target["masks"][of_image.gt], windows, side))
    return torch.cat(masks)
