"""SharpMask's refinement: a coarse encoding of a window's mask, doubled module by module with finer features.

Legend: R windows, S cells along a window of the coarsest map, D numbers that describe a window, n modules;
module i = 1..n works on maps of S 2^(i-1) cells along a window. M^i, S^i, F^i are the chapter's.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts.windows.heads import uniform_
from paperlib.parts.windows.trunk_maps import pad_with

KINDS, SCHEDULES = ("full", "skip", "deconv"), ("a", "b")


@dataclass(frozen=True)
class RefineConfig:
    k: int = 32  # channels of M^1 and of S^1 (Sec. 3.5.2)
    schedule: str = "b"  # of the other modules' channels: "a" the same, "b" halved from one to the next
    kind: str = "full"  # "skip": no top-down convolutions, one channel | "deconv": no skips (Sec. 3.5.2)
    skip_layers: int = 2  # 3x3 convolutions from F^i to S^i (Sec. 3.5.2: one trains badly)
    between: int = 64  # channels between those two (Sec. 3.5.2)
    top: int = 1000  # windows of an image that are refined, the best; others stay coarse (Sec. 3.3.3)
    plain: bool = False  # the module of Fig. 3.7a, for comparison; False: the regrouped one of Fig. 3.7b

    def __post_init__(self):
        if self.kind not in KINDS or self.schedule not in SCHEDULES:
            raise ValueError(f"refine: kind {self.kind!r}, schedule {self.schedule!r}: expected one of "
                             f"{', '.join(KINDS)}, and a or b")
        if self.skip_layers not in (1, 2) or self.k < 1:
            raise ValueError(f"refine: {self.skip_layers} skip layers, k {self.k}: expected 1 or 2, and 1 "
                             "or more")

    def widths(self, modules: int) -> list[int]:
        """k_m^1 ... k_m^(n + 1); k_s^i is k_m^i."""
        if self.kind == "skip":
            return [1] * (modules + 1)
        if self.schedule == "a":
            return [self.k] * (modules + 1)
        return [max(self.k // 2**i, 1) for i in range(modules + 1)]


def double(x: Tensor) -> Tensor:
    """Bilinear, by 2 (Sec. 3.3.2)."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class Refinement(nn.Module):
    """M^1 from what describes a window, then n modules, each of which doubles the mask's resolution.

    M^(i+1) = up(ReLU(conv([M^i, S^i]))), S^i = ReLU(conv(ReLU(conv(F^i)))), and a last 3x3 convolution to one
    channel (code). The convolution over both is that over M^i plus that over S^i (Fig. 3.7b), and the second
    one is done once an image, as S^i is no window's own.
    Source: Secs. 3.3.2, 3.5.2 and Fig. 3.7.
    """

    def __init__(self, channels: list[int], cells: int, rank: int, cfg: RefineConfig, padding: str):
        super().__init__()
        self.cfg, self.cells, self.padding = cfg, cells, padding
        widths = cfg.widths(len(channels))
        self.encode = nn.Linear(rank, widths[0] * cells**2)
        self.skips, self.across, self.down = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for depth, width, following in zip(channels, widths, widths[1:]):
            if cfg.kind != "deconv":
                self.skips.append(_skip(depth, width, cfg))
                self.across.append(nn.Conv2d(width, following, 3, padding=1, bias=cfg.kind == "skip"))
            if cfg.kind != "skip":
                self.down.append(nn.Conv2d(width, following, 3, padding=1))
        self.last = nn.Identity()
        if cfg.kind != "skip":
            self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                uniform_(layer)
        pad_with(self, padding)

    @property
    def modules_count(self) -> int:
        """n."""
        return max(len(self.skips), len(self.down))

    def skip_maps(self, maps: list[Tensor]) -> list[Tensor]:
        """What every window of an image shares: S^i, or with the regrouped module what conv makes of it.

        Shapes: [(N, C_i, h 2^(i-1), w 2^(i-1))], coarse to fine -> the same with k_s^i or k_m^(i+1) channels.
        """
        shared = []
        for features, skip, across in zip(maps, self.skips, self.across):
            s = skip(features)
            if not self.cfg.plain:
                s = across(s)
            shared.append(s)
        return shared

    def cut(self, shared: list[Tensor], corners: Tensor) -> list[Tensor]:
        """Each shared map in each window, (R, k, S 2^(i-1), S 2^(i-1)); 1 px more around, if plain.

        Shapes: shared [(1, k, h, w)], corners (R, 2) row and column of the window's first cell in the
                coarsest.
        """
        parts = []
        for i, x in enumerate(shared):
            side = self.cells * 2**i
            if self.cfg.plain:
                x, side = self.bordered(x), side + 2
            along = torch.arange(side, device=x.device)
            rows, columns = (corners.T[..., None] * 2**i + along).unbind(0)  # (R, side) each
            parts.append(x[0][:, rows[:, :, None], columns[:, None]].transpose(0, 1))
        return parts

    def bordered(self, x: Tensor) -> Tensor:
        """With a pixel more on each side, as a 3x3 convolution sees it."""
        mode = "constant" if self.padding == "zeros" else self.padding
        return F.pad(x, (1, 1, 1, 1), mode=mode)

    def steps(self, vectors: Tensor, parts: list[Tensor]) -> list[Tensor]:
        """M^1 ... M^(n+1) of windows (R, D), with their parts of the skips: [(R, k_m^i, S 2^(i-1), ...)]."""
        mask = self.encode(vectors).unflatten(1, (-1, self.cells, self.cells))
        steps = [mask]
        for i in range(self.modules_count):
            steps.append(double(self._joined(i, steps[-1], parts)))
        return steps

    def _joined(self, i: int, mask: Tensor, parts: list[Tensor]) -> Tensor:
        """One module before it doubles."""
        if self.cfg.kind == "skip":
            return mask + parts[i]
        if self.cfg.kind == "deconv":
            return F.relu(self.down[i](mask))
        if not self.cfg.plain:
            return F.relu(self.down[i](mask) + parts[i])
        both = torch.cat([self.bordered(mask), parts[i]], 1)
        weight = torch.cat([self.down[i].weight, self.across[i].weight], 1)
        return F.relu(F.conv2d(both, weight, self.down[i].bias))

    def forward(self, vectors: Tensor, parts: list[Tensor]) -> Tensor:
        """Mask logits (R, S 2^n, S 2^n) of windows (R, D). The skip variant averages all layers' outputs."""
        mask = self.steps(vectors, parts)[-1]
        if self.cfg.kind == "skip":
            mask = mask / (self.modules_count + 1)
        return self.last(mask)[:, 0].float()


def _skip(depth: int, width: int, cfg: RefineConfig) -> nn.Sequential:
    """From F^i to S^i."""
    if cfg.skip_layers == 1:
        return nn.Sequential(nn.Conv2d(depth, width, 3, padding=1), nn.ReLU(inplace=True))
    return nn.Sequential(nn.Conv2d(depth, cfg.between, 3, padding=1), nn.ReLU(inplace=True),
                         nn.Conv2d(cfg.between, width, 3, padding=1), nn.ReLU(inplace=True))
