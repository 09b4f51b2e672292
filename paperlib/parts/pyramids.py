"""Feature pyramids: a trunk's maps in, maps of one width at every level out.

Legend: N images, C_l channels and H_l x W_l cells of level l.
"""
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts.convs import Halving, Pointwise


@dataclass(frozen=True)
class PyramidConfig:
    # levels that come out; those above the trunk's top are made by `extra`
    levels: tuple[int, ...] = (3, 4, 5, 6, 7)
    dim: int = 256  # channels of every level (FPN Sec. 3, d)
    lateral: bool = True  # add the trunk's own map to the upsampled one (FPN Table 1 e is without)
    top_down: bool = True  # add the upsampled coarser map (FPN Table 1 d is without)
    # "conv": 3x3 stride 2 (RetinaNet Sec. 4) | "pool": every second pixel (FPN Sec. 4.1)
    extra: str | None = "conv"
    # the first extra conv reads the top "C" (RetinaNet Sec. 4) or "P" (torchvision's v1)
    extra_from: str = "C"
    # after each lateral and each 3x3 layer (FPN Sec. 3 has none and found that it matters little)
    relu: bool = False
    residual: bool = False  # laterals are residual blocks (FPN Sec. 3: "marginally better")
    kind: str = "fpn"  # "fpn" | "single": one trunk level as it is (Faster R-CNN; FPN Table 1 a, b)


class Single(nn.Module):
    """One map of the trunk, unchanged: {level: C_l}."""

    def __init__(self, cfg: PyramidConfig, channels: dict[int, int]):
        super().__init__()
        if len(cfg.levels) != 1:
            raise ValueError(f"a single-map pyramid has levels {cfg.levels}: expected exactly one")
        (self.level,), self.dim = cfg.levels, channels[cfg.levels[0]]

    def forward(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        return {self.level: features[self.level]}


class ResidualLateral(nn.Module):
    """A residual block as a lateral connection: (N, C, H, W) -> (N, dim, H, W).

    Source: FPN Sec. 3 names "multi-layer residual blocks" and no more. This is ResNet's bottleneck of three
    layers beside a 1x1 projection, without norms and without a unit behind the sum, as in the plain pyramid.
    """

    def __init__(self, channels: int, dim: int):
        super().__init__()
        narrow = max(dim // 4, 1)
        self.projection = Pointwise(channels, dim)
        self.squeeze = Pointwise(channels, narrow)
        self.middle = nn.Conv2d(narrow, narrow, 3, padding=1)
        self.widen = Pointwise(narrow, dim)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.middle(F.relu(self.squeeze(x))))
        return self.projection(x) + self.widen(inner)


class FPN(nn.Module):
    """Top-down pyramid with lateral connections, and coarser levels on top.

    Source: FPN (arXiv 1612.03144v2) Sec. 3; P6 and P7 as in RetinaNet Sec. 4.
    Shapes: {level: (N, C_l, H_l, W_l)} -> {level: (N, dim, H_l, W_l)}; an extra level halves, rounding up.
    Differs: a coarse map is upsampled to the finer map's size even when that is not exactly twice its own.
    """

    def __init__(self, cfg: PyramidConfig, channels: dict[int, int]):
        super().__init__()
        self.cfg, self.dim = cfg, cfg.dim
        self.inner = [level for level in sorted(cfg.levels) if level <= max(channels)]
        self.extra = [level for level in sorted(cfg.levels) if level > max(channels)]
        top = max(self.inner)
        lateral = ResidualLateral if cfg.residual else Pointwise
        self.lateral = nn.ModuleDict({str(level): lateral(channels[level], cfg.dim)
                                      for level in self.inner if cfg.lateral or level == top})
        self.smooth = nn.ModuleDict({str(level): nn.Conv2d(cfg.dim, cfg.dim, 3, padding=1)
                                     for level in self.inner})
        self.act = nn.ReLU() if cfg.relu else nn.Identity()
        self.down = nn.ModuleDict()
        if cfg.extra == "conv":
            c_in = channels[top] if cfg.extra_from == "C" else cfg.dim
            for level in self.extra:
                self.down[str(level)] = Halving(c_in, cfg.dim)
                c_in = cfg.dim
        for conv in self.modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_uniform_(conv.weight, a=1)
                nn.init.zeros_(conv.bias)

    def forward(self, features: dict[int, Tensor]) -> dict[int, Tensor]:
        merged, above = {}, None
        for level in reversed(self.inner):  # coarse to fine
            x = None
            if str(level) in self.lateral:
                x = self.act(self.lateral[str(level)](features[level]))
            if above is not None and self.cfg.top_down:
                up = F.interpolate(above, size=features[level].shape[-2:], mode="nearest")
                x = up if x is None else x + up
            merged[level] = above = x
        out = {level: self.act(self.smooth[str(level)](merged[level])) for level in self.inner}
        x = features[self.inner[-1]] if self.cfg.extra_from == "C" and self.down else out[self.inner[-1]]
        for i, level in enumerate(self.extra):
            if i and self.down:
                x = F.relu(x)  # P7 reads relu(P6)
            # without convolutions a level is every second pixel of the one below
            out[level] = x = self.down[str(level)](x) if self.down else x[:, :, ::2, ::2]
        return out


def pyramid(cfg: PyramidConfig, channels: dict[int, int]) -> FPN | Single:
    """Build the pyramid on a trunk's `channels` {level: C_l}; it has `.dim`, the channels of every level.

    Errors: ValueError for a combination that has no meaning or levels that the trunk does not reach.
    """
    known = cfg.kind in ("fpn", "single") and cfg.extra in ("conv", "pool", None)
    if not known or cfg.extra_from not in ("C", "P"):
        raise ValueError(f"pyramid kind {cfg.kind!r}, extra {cfg.extra!r}, extra_from {cfg.extra_from!r}: "
                         "expected 'fpn' or 'single'; 'conv', 'pool' or None; 'C' or 'P'")
    grows = cfg.kind == "fpn" and cfg.extra is not None
    reach = set(range(min(channels), max(cfg.levels) + 1)) if grows else set(channels)
    levels = sorted(cfg.levels)
    consecutive = levels == list(range(levels[0], levels[-1] + 1))
    if not set(levels) <= reach or not consecutive or levels[0] > max(channels):
        raise ValueError(f"pyramid.levels {cfg.levels} with extra={cfg.extra!r}: expected consecutive levels "
                         f"of {sorted(reach)}, starting within the trunk's {sorted(channels)}")
    if cfg.kind == "fpn" and not (cfg.lateral or cfg.top_down):
        raise ValueError("a pyramid without lateral and without top_down has no input for its finer levels")
    if cfg.kind == "single":
        return Single(cfg, channels)
    return FPN(cfg, channels)
