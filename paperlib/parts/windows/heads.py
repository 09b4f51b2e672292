"""DeepMask's heads: a mask and a score from the features of a window, one by one or densely over an image.

A layer on a whole window is a convolution as large as the window, so the same weights serve both ways.
Legend: N maps of h x w windows, R windows, S cells along a window, F channels,
D numbers that describe a window.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("deepmask", "A", "B", "C")


@dataclass(frozen=True)
class MaskHeadConfig:
    kind: str = "C"  # "deepmask" | "A" | "B" | "C": how much the score shares with the mask (Fig. 3.3)
    features: int = 128  # F: channels after the 1x1 reduction (Table 3.1: 512 or 128)
    rank: int = 512  # D: numbers that the mask is made of (Fig. 3.3)
    hidden: int = 1024  # units of the score's second layer (the DeepMask paper)
    output: int = 56  # px along the coarse mask (the DeepMask paper)
    enlarged: int = 112  # px that it is enlarged to, and trained at (code)
    pooled: int = 512  # channels of head deepmask's 7x7 layer (Fig. 3.3a)

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"head.kind {self.kind!r}: expected one of {', '.join(KINDS)}")
        if self.enlarged < self.output:
            raise ValueError(f"head.enlarged {self.enlarged} px of a mask of {self.output} px: too small")


class OverWindow(nn.Conv2d):
    """One fully connected layer on each window of S x S cells."""

    def forward(self, x: Tensor) -> Tensor:
        reach = self.dilation[0] * (self.kernel_size[0] - 1) + 1
        if self.dilation == (1, 1) and x.shape[-2:] == (reach, reach):  # one window each: a matrix product
            vectors = F.linear(x.flatten(1), self.weight.flatten(1), self.bias)
            return vectors[:, :, None, None]
        return super().forward(x)


def reduction(channels: int, features: int) -> nn.Sequential:
    """The 1x1 layer that makes wide features narrow (Sec. 3.4.1, F)."""
    return nn.Sequential(nn.Conv2d(channels, features, 1), nn.ReLU(inplace=True))


class MaskHead(nn.Module):
    """Mask and score of every window of a map.

    Source: Fig. 3.3. Masks: 1x1 to F channels, one layer on the window to D numbers, one from those to the
            mask. Scores: "deepmask" pools the trunk's map and has layers of its own; "A" has its own of the
            mask's shape; "B" shares the F channels; "C" reads the D numbers.
    Differs: no dropout.
    """

    def __init__(self, channels: int, cells: int, cfg: MaskHeadConfig):
        super().__init__()
        if cfg.kind == "deepmask" and cells % 2:
            raise ValueError(f"head.kind 'deepmask' on {cells} cells: expected an even number")
        self.cfg = cfg
        self.reduce = reduction(channels, cfg.features)
        self.encode = OverWindow(cfg.features, cfg.rank, cells)
        self.mask = nn.Conv2d(cfg.rank, cfg.output**2, 1)
        wide = cfg.rank
        if cfg.kind == "deepmask":
            wide = cfg.pooled
            # pooled at every cell and read at every second: what the paper calls interleaving (Sec. 3.4.2)
            self.own = nn.Sequential(nn.MaxPool2d(2, 1), OverWindow(channels, wide, cells // 2, dilation=2))
        elif cfg.kind == "A":
            self.own = nn.Sequential(reduction(channels, cfg.features), OverWindow(cfg.features, wide, cells))
        elif cfg.kind == "B":
            self.own = OverWindow(cfg.features, wide, cells)
        layers = [nn.Conv2d(wide, cfg.hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(cfg.hidden, 1, 1)]
        if cfg.kind != "C":  # there the D numbers come as the mask's last layer gets them
            layers = [nn.ReLU(), *layers]
        self.score = nn.Sequential(*layers)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                uniform_(layer)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the windows are described by, and their score logits.

        Shapes: x (N, C, h + S - 1, w + S - 1) -> (N, D, h, w), (N, h, w).
        """
        narrow = self.reduce(x)
        vectors = self.encode(narrow)
        source = {"deepmask": x, "A": x, "B": narrow, "C": vectors}[self.cfg.kind]
        if self.cfg.kind != "C":
            source = self.own(source)
        return vectors, self.score(source)[:, 0]

    def masks(self, vectors: Tensor) -> Tensor:
        """Mask logits of windows (R, D), enlarged: (R, m, m), m = cfg.enlarged."""
        side, enlarged = self.cfg.output, self.cfg.enlarged
        weight = self.mask.weight.flatten(1)
        coarse = F.linear(vectors, weight, self.mask.bias).view(-1, 1, side, side)
        return F.interpolate(coarse.float(), (enlarged, enlarged), mode="bilinear", align_corners=False)[:, 0]


def uniform_(layer: nn.Module) -> None:
    """Weights from a uniform distribution, as all new layers have (Sec. 3.3.3): within 1 / sqrt(inputs)."""
    bound = layer.weight[0].numel() ** -0.5
    nn.init.uniform_(layer.weight, -bound, bound)
    if layer.bias is not None:
        nn.init.uniform_(layer.bias, -bound, bound)


def enlarged_masks(head: MaskHead, vectors: Tensor, chunk: int = 1024) -> Tensor:
    """`head.masks` of many windows, some at a time, in full precision."""
    parts = [head.masks(some) for some in vectors.split(chunk)]
    return torch.cat(parts) if parts else vectors.new_zeros(0, head.cfg.enlarged, head.cfg.enlarged)
