"""Regions of interest: a window of features of fixed size for every proposal.

RoIs of a batch are one tensor (R, 5): image index in the batch, then xyxy px of the input images.

Legend: N images of H x W px, P_i proposals of image i, R RoIs, C channels of a map.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import ops

from paperlib.parts import boxes
from paperlib.parts.convs import stride_of


@dataclass(frozen=True)
class RoIConfig:
    # "max": RoI pooling (Fast R-CNN Sec. 2.1) | "align": RoIAlign | "warp": that moves boxes
    kind: str = "max"
    side: int = 7  # H = W of the pooled window (Fast R-CNN Sec. 2.1; VGG16)
    samples: int = 2  # of "align" and "warp": points averaged along each side of a cell (Mask R-CNN Sec. 3)
    # the maps that RoIs are read from (FPN Sec. 5.2: not P6); None: all
    levels: tuple[int, ...] | None = None
    canonical_level: int = 4  # k0: the level that a RoI of canonical_size is read from (FPN Eq. 1)
    canonical_size: float = 224.0  # px, square root of the area (FPN Eq. 1: ImageNet's side)


def to_rois(proposals: list[Tensor]) -> Tensor:
    """RoIs (R, 5) of a batch from one (P_i, 4) tensor of boxes an image."""
    return torch.cat([F.pad(b, (1, 0), value=i) for i, b in enumerate(proposals)])


def level_of(b: Tensor, levels, canonical_level: int = 4, canonical_size: float = 224.0) -> Tensor:
    """The pyramid level that each box is pooled from, one of `levels`: (R, 4) px -> (R,) int64.

    Source: FPN (arXiv 1612.03144v2) Eq. 1: floor(k0 + log2(sqrt(wh) / 224)).
    Differs: 1e-6 is added before rounding down, as in the authors' code, so that 224 px exactly stays on k0.
    """
    size = boxes.area(b).clamp(min=torch.finfo(b.dtype).tiny).sqrt()
    level = torch.floor(canonical_level + torch.log2(size / canonical_size) + 1e-6)
    return level.clamp(min(levels), max(levels)).long()


def pool(features: dict[int, Tensor], rois: Tensor, cfg: RoIConfig = RoIConfig(),
         scale: float = 1.0) -> Tensor:
    """A window of features for every RoI, each read from one level; a single map serves all.

    Source: Fast R-CNN (arXiv 1504.08083v2) Sec. 2.1, Eq. 4 ("max"); RoIAlign: Mask R-CNN (1703.06870) Sec. 3.
    Shapes: {level: (N, C, H_l, W_l)}, rois (R, 5) -> (R, C, side, side), in the order of `rois`;
            level l's stride is 2^l px times the trunk's `scale`.
    Units:  "max" rounds a RoI to whole cells and takes the last px as part of it, as the authors' code:
            x2 - 1.
    Errors: ValueError for an unknown kind, and where no map has one of `cfg.levels`.
    Differs: "warp" is "align" whose boxes get a gradient too (Faster R-CNN v3 Sec. 3.2 iii asks for one).
    """
    if cfg.kind not in KINDS:
        raise ValueError(f"roi.kind {cfg.kind!r}: expected one of {sorted(KINDS)}")
    if cfg.levels is not None:
        there = sorted(features)
        features = {level: x for level, x in features.items() if level in cfg.levels}
        if not features:
            raise ValueError(f"roi.levels is {cfg.levels}; expected levels of the features, {there}")
    if len(features) == 1:
        (level, x), = features.items()
        return _pool_level(x, rois, stride_of(level, scale), cfg)
    chosen = level_of(rois[:, 1:].detach(), features, cfg.canonical_level, cfg.canonical_size)
    parts = [(chosen == level).nonzero().squeeze(1) for level in features]
    pooled = []
    for (level, x), at in zip(features.items(), parts):
        pooled.append(_pool_level(x, rois[at], stride_of(level, scale), cfg))
    return torch.cat(pooled)[torch.cat(parts).argsort()]


def _pool_level(x: Tensor, rois: Tensor, stride: float, cfg: RoIConfig) -> Tensor:
    x = boxes.widened(x)  # bf16 would round the coordinates too
    return KINDS[cfg.kind](x, rois.to(x.dtype), 1 / stride, cfg)


def _max(x: Tensor, rois: Tensor, scale: float, cfg: RoIConfig) -> Tensor:
    inclusive = rois - rois.new_tensor((0, 0, 0, 1, 1))
    return ops.roi_pool(x, inclusive, cfg.side, scale)


def _align(x: Tensor, rois: Tensor, scale: float, cfg: RoIConfig) -> Tensor:
    if x.device.type == "cpu":  # torchvision's loops take eight times as long there
        return _warp(x, rois.detach(), scale, cfg)
    return ops.roi_align(x, rois, cfg.side, scale, cfg.samples, aligned=False)


def _warp(x: Tensor, rois: Tensor, scale: float, cfg: RoIConfig) -> Tensor:
    n, c, h, w = x.shape
    b = rois[:, 1:] * scale
    wh = (b[:, 2:] - b[:, :2]).clamp(min=1)  # torchvision's RoIs span at least one cell
    (px, fx), (py, fy) = (_weights(b[:, i], wh[:, i], (w, h)[i], cfg) for i in (0, 1))  # (R, side, 2 samples)
    row = rois[:, 0, None, None].long() * h + py
    at = row[:, :, None, :, None] * w + px[:, None, :, None, :]  # (R, side, side, 2 samples, 2 samples)
    share = fy[:, :, None, :, None] * fx[:, None, :, None, :]
    vectors = x.permute(0, 2, 3, 1).reshape(n * h * w, c)
    cells = F.embedding_bag(at.flatten(3).flatten(0, 2), vectors, mode="sum",  # weighted sums of vectors
                            per_sample_weights=share.flatten(3).flatten(0, 2))
    return cells.view(len(rois), cfg.side, cfg.side, c).permute(0, 3, 1, 2)


def _weights(start: Tensor, length: Tensor, size: int, cfg: RoIConfig) -> tuple[Tensor, Tensor]:
    """Places of a map, along one axis, that each cell of a RoI reads, and weights: (R, side, 2 samples)."""
    count = cfg.side * cfg.samples
    steps = (torch.arange(count, device=start.device) + 0.5).to(start) / count
    p = start[:, None] + length[:, None] * steps  # (R, side samples), in cells
    read = (p >= -1) & (p <= size)  # points further out count as zero, as torchvision's
    p = p.clamp(0, size - 1)
    low = p.detach().floor()
    share = torch.stack([1 - p + low, p - low], -1) * read[..., None] / cfg.samples
    place = torch.stack([low, (low + 1).clamp(max=size - 1)], -1).long()
    return place.unflatten(1, (cfg.side, -1)).flatten(2), share.unflatten(1, (cfg.side, -1)).flatten(2)


KINDS = {"max": _max, "align": _align, "warp": _warp}
