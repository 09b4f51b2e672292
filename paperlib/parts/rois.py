"""Regions of interest: a fixed-size window of features for every proposal, and which proposals train a head.

RoIs of a batch are one tensor (R, 5): image index in the batch, then xyxy px of the input images.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import ops

from paperlib.device import mean_over_ranks
from paperlib.parts import boxes
from paperlib.parts.losses import smooth_l1
from paperlib.parts.matching import ignore_crowds, match, pad_targets, sample


@dataclass(frozen=True)
class RoIConfig:
    kind: str = "max"  # "max": RoI pooling (Fast R-CNN Sec. 2.1) | "align": RoIAlign | "warp": that moves boxes
    side: int = 7  # H = W of the pooled window (Fast R-CNN Sec. 2.1; VGG16)
    samples: int = 2  # of "align" and "warp": points averaged along each side of a cell (Mask R-CNN Sec. 3)
    levels: tuple[int, ...] | None = None  # the maps that RoIs are read from (FPN Sec. 5.2: not P6); None: all
    canonical_level: int = 4  # k0: the level that a RoI of canonical_size is read from (FPN Eq. 1)
    canonical_size: float = 224.0  # px, square root of the area (FPN Eq. 1: ImageNet's side)


def to_rois(proposals: list[Tensor]) -> Tensor:
    """RoIs (R, 5) of a batch from one (P_i, 4) tensor of boxes an image."""
    return torch.cat([F.pad(b, (1, 0), value=i) for i, b in enumerate(proposals)])


def level_of(b: Tensor, levels, canonical_level: int = 4, canonical_size: float = 224.0) -> Tensor:
    """The pyramid level that each box is pooled from, clamped to the `levels` there are: (R, 4) px -> (R,) int64.

    Source: FPN (arXiv 1612.03144v2) Eq. 1: floor(k0 + log2(sqrt(wh) / 224)).
    Differs: 1e-6 is added before rounding down, as in the authors' code, so that 224 px exactly stays on k0.
    """
    size = boxes.area(b).clamp(min=torch.finfo(b.dtype).tiny).sqrt()
    level = torch.floor(canonical_level + torch.log2(size / canonical_size) + 1e-6)
    return level.clamp(min(levels), max(levels)).long()


def pool(features: dict[int, Tensor], rois: Tensor, cfg: RoIConfig = RoIConfig()) -> Tensor:
    """A window of features for every RoI, each read from one level; a single map serves all.

    Source: Fast R-CNN (arXiv 1504.08083v2) Sec. 2.1, Eq. 4 ("max"); RoIAlign: Mask R-CNN (1703.06870) Sec. 3.
    Shapes: {level: (N, C, H / 2^l, W / 2^l)}, rois (R, 5) -> (R, C, side, side), in the order of `rois`.
    Units:  "max" rounds a RoI to whole cells and takes the last px as part of it, as the authors' code: x2 - 1.
    Errors: ValueError for an unknown kind.
    Differs: "warp" is "align" whose boxes get a gradient too (Faster R-CNN v3 Sec. 3.2 iii asks for one).
    """
    if cfg.kind not in KINDS:
        raise ValueError(f"roi.kind {cfg.kind!r}: expected one of {sorted(KINDS)}")
    if cfg.levels is not None:
        features = {level: x for level, x in features.items() if level in cfg.levels}
    if len(features) == 1:
        (level, x), = features.items()
        return _pool_level(x, rois, level, cfg)
    chosen = level_of(rois[:, 1:].detach(), features, cfg.canonical_level, cfg.canonical_size)
    parts = [(chosen == level).nonzero().squeeze(1) for level in features]
    pooled = [_pool_level(x, rois[at], level, cfg) for (level, x), at in zip(features.items(), parts)]
    return torch.cat(pooled)[torch.cat(parts).argsort()]


def _pool_level(x: Tensor, rois: Tensor, level: int, cfg: RoIConfig) -> Tensor:
    x = x if x.dtype == torch.float64 else x.float()  # bf16 would round the coordinates too
    return KINDS[cfg.kind](x, rois.to(x.dtype), 0.5**level, cfg)


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
    cells = F.embedding_bag(at.flatten(3).flatten(0, 2), x.permute(0, 2, 3, 1).reshape(n * h * w, c), mode="sum",
                            per_sample_weights=share.flatten(3).flatten(0, 2))  # a weighted sum of the map's vectors
    return cells.view(len(rois), cfg.side, cfg.side, c).permute(0, 3, 1, 2)


def _weights(start: Tensor, length: Tensor, size: int, cfg: RoIConfig) -> tuple[Tensor, Tensor]:
    """Along one axis, the map's places that each cell of a RoI reads, and their weights: both (R, side, 2 samples)."""
    steps = (torch.arange(cfg.side * cfg.samples, device=start.device) + 0.5).to(start) / (cfg.side * cfg.samples)
    p = start[:, None] + length[:, None] * steps  # (R, side samples), in cells
    read = (p >= -1) & (p <= size)  # points further out count as zero, as torchvision's
    p = p.clamp(0, size - 1)
    low = p.detach().floor()
    share = torch.stack([1 - p + low, p - low], -1) * read[..., None] / cfg.samples
    place = torch.stack([low, (low + 1).clamp(max=size - 1)], -1).long()
    return place.unflatten(1, (cfg.side, -1)).flatten(2), share.unflatten(1, (cfg.side, -1)).flatten(2)


KINDS = {"max": _max, "align": _align, "warp": _warp}


@dataclass(frozen=True)
class DeltaConfig:
    mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)  # of tx, ty, tw, th (not in the paper; the authors' code)
    std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # likewise: targets of unit variance (Fast R-CNN Sec. 2.3)


def encode(src: Tensor, dst: Tensor, cfg: DeltaConfig = DeltaConfig()) -> Tensor:
    """`boxes.encode`, normalised: what a head learns to say for RoIs `src` (…, 4) on objects `dst` (…, 4)."""
    return (boxes.encode(src, dst) - src.new_tensor(cfg.mean)) / src.new_tensor(cfg.std)


def decode(src: Tensor, deltas: Tensor, cfg: DeltaConfig = DeltaConfig()) -> Tensor:
    """The boxes that a head's normalised `deltas` make of `src`; the inverse of `encode`."""
    return boxes.decode(src, deltas.to(src.dtype) * src.new_tensor(cfg.std) + src.new_tensor(cfg.mean))


@dataclass(frozen=True)
class RoISampleConfig:
    num: int = 64  # RoIs an image, R / N (Fast R-CNN Sec. 2.3: 128 / 2)
    positive: float = 0.25  # share of them that show an object, at most (Fast R-CNN Sec. 2.3)
    hi: float = 0.5  # IoU with an object from which a RoI shows it (Fast R-CNN Sec. 2.3)
    background: tuple[float, ...] = (0.1, 0.5)  # IoU of background RoIs, [low, high) (Fast R-CNN Sec. 2.3)
    add_truth: bool = True  # the objects' own boxes are proposals too (the authors' code)
    difficult: bool = True  # PASCAL's difficult objects are objects (Fast R-CNN Sec. 4.3); False: they are ignored


def sample_rois(proposals: list[Tensor], targets: list[dict], cfg: RoISampleConfig = RoISampleConfig(),
                generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The RoIs that train a head, what each shows, and the object's box.

    Source: Fast R-CNN Sec. 2.3, "Mini-batch sampling": R / N RoIs of each image, 25% foreground.
    Shapes: [(P_i, 4)], targets -> rois (R, 5), labels (R,) in 0..K, goals (R, 4) px (of use where label > 0).
    RoIs come image by image; an image with few candidates gives fewer than `num`. Crowds are never shown; background
    RoIs mostly inside one are left out. The choice has no gradient; RoIs have that of their proposals.
    Errors: ValueError unless there are proposals for every target.
    """
    if len(proposals) != len(targets):
        raise ValueError(f"{len(targets)} targets and {len(proposals)} lists of proposals: expected one a target")
    if cfg.difficult:
        targets = [{k: v for k, v in t.items() if k != "difficult"} for t in targets]
    gt, gt_labels, valid, crowd = pad_targets(targets, proposals[0].device)
    if cfg.add_truth:  # to each image's own list: where a candidate stands does not depend on the other images
        proposals = [torch.cat([b.to(gt.dtype), g[real]]) for b, g, real in zip(proposals, gt, valid)]
    given, _, real, _ = pad_targets([{"boxes": b, "labels": b.new_zeros(len(b))} for b in proposals])
    gt, gt_labels, valid = F.pad(gt, (0, 0, 0, 1)), F.pad(gt_labels, (0, 1)), F.pad(valid, (0, 1))  # one at least
    index, label = _shown(given.detach(), real, gt, valid, crowd, cfg)
    label = sample(label, cfg.num, cfg.positive, generator)
    image, at = (label >= 0).nonzero(as_tuple=True)
    rois = torch.cat([image[:, None].to(given.dtype), given[image, at]], 1)
    chosen = index[image, at]
    return rois, label[image, at] * gt_labels[image, chosen], gt[image, chosen]


@torch.no_grad()
def _shown(given: Tensor, real: Tensor, gt: Tensor, valid: Tensor, crowd: Tensor, cfg: RoISampleConfig):
    """Which object each candidate (N, P, 4) overlaps most, and whether it shows it: 1, 0, or -1, both (N, P)."""
    overlaps = boxes.iou(gt, given).masked_fill(~valid[..., None], 0)  # (N, G, P)
    low, high = cfg.background
    index, label = match(overlaps, cfg.hi, high)
    label = label.masked_fill(~real | ((label == 0) & (overlaps.amax(1) < low)), -1)
    if crowd.any():
        label = ignore_crowds(label, boxes.coverage(given, gt[:, :-1]), crowd)
    return index, label


def losses(logits: Tensor, deltas: Tensor, given: Tensor, labels: Tensor, goals: Tensor,
           code: DeltaConfig = DeltaConfig(), beta: float = 1.0) -> dict[str, Tensor]:
    """{"cls", "box"} of sampled RoIs, each the sum over RoIs divided by the number of all of them.

    Source: Fast R-CNN Eqs. 1-3: log loss of the softmax; smooth L1 of the true class's four outputs, if u >= 1.
    Shapes: logits (R, K + 1), deltas (R, K, 4) or (R, 1, 4), normalised by `code`; given, labels and goals of
            `sample_rois`. `beta` inf is the plain L2 loss, half the squared difference.
    """
    cls = F.cross_entropy(logits.to(goals.dtype), labels, reduction="sum")
    at = (labels > 0).nonzero().squeeze(1)
    own = deltas[at, (labels[at] - 1).clamp(max=deltas.shape[1] - 1)].to(goals.dtype)
    want = encode(given[at, 1:], goals[at], code)
    box = (own - want).square() / 2 if beta == math.inf else smooth_l1(own, want, beta)
    count = torch.full((), float(max(len(labels), 1)), device=labels.device)  # a mean over ranks may be a half
    mean_over_ranks(count)
    return {"cls": cls / count, "box": box.sum() / count}


@dataclass(frozen=True)
class ProposalSource:
    kind: str = "selective_search"  # selective_search, quality, [nearest_]dense, dense_rich, nearest_rich, or a .npz
    keep: int = 1000  # the best so many of each image, of "dense" any so many (Fast R-CNN Sec. 3: 2000)
    dense: int = 0  # boxes of the dense grid, drawn at random, that are added (Fast R-CNN Sec. 5.5)
