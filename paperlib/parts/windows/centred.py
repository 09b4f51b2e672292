"""DeepMask's rule: which window holds an object in its middle and of the right size, and which holds none.

Legend: R windows, G objects of an image. Distances are measured in shares of the window's side, sizes in
octaves (log2) from the right size: both in the window's frame, whatever its scale. "Code" is the published
one (facebookresearch/deepmask), from which only these numbers are taken.
"""
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.parts.windows.grid import WindowConfig


@dataclass(frozen=True)
class CentredConfig:
    shift: float = 16 / 160  # of the window's side that an object's middle may be off, in x and in y (code)
    octaves: float = 0.25  # that its longer side may be off the right size (code)
    far: float = 48 / 160  # of the window's side from which a middle is too far off: 3 shifts (code)
    other: float = 2.5  # octaves from which an object's size is another's business (code: 10 steps of .25)
    # px of the shorter side, px^2 of the mask of an object that trains (code: 5 and 100, of images of 640 px)
    min_side: float = 5.0
    min_area: float = 100.0

    def __post_init__(self):
        if not (0 < self.shift <= self.far and 0 < self.octaves <= self.other):
            raise ValueError(f"centred: shift {self.shift}, far {self.far}, octaves {self.octaves}, other "
                             f"{self.other}: expected 0 < shift <= far and 0 < octaves <= other")


def offsets(windows: Tensor, boxes: Tensor, cfg: WindowConfig) -> tuple[Tensor, Tensor]:
    """How each object sits in each window: (R, G, 2) shares of the side in x and y, (R, G) octaves.

    0 octaves: the object's longer side fills `cfg.object_share` of the window; above, it is too large.
    Shapes: windows (R, 4), boxes (G, 4) px of one image.
    """
    side = windows[:, 2] - windows[:, 0]  # (R,)
    middle = (windows[:, :2] + windows[:, 2:]) / 2
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(1)
    off = (centre - middle[:, None]) / side[:, None, None]
    octaves = (longer / (cfg.object_share * side[:, None])).log2()
    return off, octaves


def label_windows(windows: Tensor, boxes: Tensor, cfg: WindowConfig, rule: CentredConfig,
                  crowd: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Which object a window is about (R,), and its label (R,): 1 it sits right, 0 none is near, else -1.

    Source: Sec. 3.3, "a centered object at the correct scale"; the numbers are those of the published code.
    1: an object's middle within `shift` in x and in y, its size within `octaves`; of several the nearest in
       size.
    0: no object with its middle within `far` (straight distance) and its size within `other` octaves.
    A crowd is no object, and a window whose middle lies in its box is -1.
    Differs: the published code compares middles of different scales in different frames; here all are
             measured in the window's.
    """
    crowd = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device) if crowd is None else crowd
    objects = (~crowd).nonzero().squeeze(1)
    label = torch.zeros(len(windows), dtype=torch.int64, device=windows.device)
    gt = torch.zeros_like(label)
    if len(objects):
        off, octaves = offsets(windows, boxes[objects], cfg)
        fits = (off.abs() <= rule.shift).all(-1) & (octaves.abs() <= rule.octaves)  # (R, G)
        near = (off.norm(dim=-1) < rule.far) & (octaves.abs() < rule.other)
        label[near.any(1)] = -1
        label[fits.any(1)] = 1
        gt = objects[octaves.abs().masked_fill(~fits, torch.inf).argmin(1)]
    if crowd.any():
        middle = (windows[:, None, :2] + windows[:, None, 2:]) / 2
        hidden = ((middle >= boxes[crowd, :2]) & (middle < boxes[crowd, 2:])).all(-1).any(1)
        label[hidden & (label == 0)] = -1
    return gt, label


def right_windows(boxes: Tensor, cfg: WindowConfig) -> Tensor:
    """For each object the window that it sits in exactly: (G, 4) -> (G, 4) px."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / cfg.object_share / 2
    return torch.cat([centre - half, centre + half], 1)
