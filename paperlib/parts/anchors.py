"""Anchors: the reference boxes that a dense head classifies and shifts, laid on the grids of a pyramid.

Legend: A anchors, H x W cells of a feature map; level l has stride 2**l px times the trunk's `scale`,
        which is 1 in the papers.
"""
import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from paperlib.parts.convs import stride_of


@dataclass(frozen=True)
class AnchorConfig:
    levels: tuple[int, ...] = (3, 4, 5, 6, 7)  # pyramid levels that carry anchors; level l has stride 2**l px
    # anchor side at scale 1, in strides: 32 px on P3 (RetinaNet Sec. 4, FPN Sec. 4.1)
    size_per_stride: float = 4.0
    # sub-octave factors on that side (RetinaNet Sec. 4)
    scales: tuple[float, ...] = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)  # height / width at equal area (Faster R-CNN Sec. 3.1.1)
    # px, sides per level; instead of size_per_stride, scales
    sizes: tuple[tuple[float, ...], ...] | None = None
    # round the corners of the base anchors to whole px (the released code of both labs)
    rounded: bool = False
    # where in its cell an anchor is centred, in strides (torchvision: 0, the cell's corner)
    offset: float = 0.5
    fit_image: bool = False  # stride = image side // map side instead of 2**level (torchvision)

    @property
    def shapes_per_position(self) -> int:
        """Anchors at each position of a map (the papers' A or k)."""
        if self.sizes:
            return len(self.ratios) * len(self.sizes[0])
        return len(self.ratios) * len(self.scales)


def check_levels(cfg: AnchorConfig, levels: tuple[int, ...]) -> None:
    """Errors: ValueError naming the anchors' levels that a pyramid of `levels` does not make."""
    if absent := set(cfg.levels) - set(levels):
        raise ValueError(f"anchors.levels {cfg.levels} has {sorted(absent)}, which pyramid.levels {levels} "
                         "does not make")


def base_anchors(cfg: AnchorConfig, level: int, scale: float = 1.0) -> Tensor:
    """The shapes of one position, centred on (0, 0): (shapes, 4) float64 px; ratios outside, sides inside."""
    sides = [cfg.size_per_stride * stride_of(level, scale) * s for s in cfg.scales]
    if cfg.sizes is not None:
        sides = cfg.sizes[cfg.levels.index(level)]
    wh = []
    for ratio in cfg.ratios:
        root = math.sqrt(ratio)
        wh += [(side / root, side * root) for side in sides]
    wh = torch.tensor(wh, dtype=torch.float64)  # (shapes, 2)
    corners = torch.cat([-wh, wh], dim=1) / 2
    if cfg.rounded:
        return corners.round()
    return corners


def map_shapes(image_size: tuple[int, int], levels: tuple[int, ...],
               floored: tuple[int, ...] = (), scale: float = 1.0) -> dict[int, tuple[int, int]]:
    """{level: (H, W)} of the feature maps of an image of `image_size` (h, w) px.

    Each halving rounds up, but for those that make the levels `floored` (`Trunk.floored`).
    """
    h, w = image_size
    shapes = {}
    for level in range(1, max(levels, default=0) + 1):
        if stride_of(level, scale) > 1:
            if level not in floored:
                h, w = h + 1, w + 1
            h, w = h // 2, w // 2
        shapes[level] = (h, w)
    return {level: shapes[level] for level in levels}


def anchors_for(cfg: AnchorConfig, shapes: dict, device="cpu", image_size: tuple | None = None,
                scale: float = 1.0) -> Tensor:
    """All anchors of an image: (A, 4) float32 xyxy px, level by level, row-major positions, then shapes.

    Source: Faster R-CNN Sec. 3.1.1 (one level), FPN Sec. 4.1, RetinaNet Sec. 4.
    Shapes: `shapes` is {level: (H, W)} of the feature maps;
            `image_size` (h, w) px is needed by cfg.fit_image only.
    Errors: KeyError for a level without a feature map; ValueError if `sizes` and `levels` do not pair up.
    The result is cached and shared: do not change it in place.
    """
    if cfg.sizes is not None and (len(cfg.sizes) != len(cfg.levels) or len({len(s) for s in cfg.sizes}) != 1):
        raise ValueError(f"anchor sizes {cfg.sizes} do not pair with levels {cfg.levels}: "
                         "expected one tuple of sides per level, all of one length")
    if missing := set(cfg.levels) - set(shapes):
        raise KeyError(f"anchors at level {min(missing)}, but the features have levels {sorted(shapes)}")
    if cfg.fit_image and image_size is None:
        raise ValueError("anchors with fit_image=True need the image_size (h, w)")
    grids = tuple((level, *map(int, shapes[level])) for level in cfg.levels)
    if not cfg.fit_image:
        return _laid_out(cfg, grids, str(device), None, scale)
    return _laid_out(cfg, grids, str(device), tuple(image_size), scale)


@lru_cache(maxsize=32)
def _laid_out(cfg: AnchorConfig, grids: tuple, device: str, image_size: tuple | None,
              scale: float) -> Tensor:
    parts = [torch.zeros(0, 4, dtype=torch.float64)]  # what no level at all makes
    for level, h, w in grids:
        step_y = step_x = stride_of(level, scale)
        if image_size:
            step_y, step_x = image_size[0] // h, image_size[1] // w
        ys = (torch.arange(h, dtype=torch.float64) + cfg.offset) * step_y
        xs = (torch.arange(w, dtype=torch.float64) + cfg.offset) * step_x
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        centres = torch.stack([x, y, x, y], dim=-1)  # (H, W, 4)
        parts.append((centres.unsqueeze(2) + base_anchors(cfg, level, scale)).reshape(-1, 4))
    with torch.inference_mode(False):  # a cached tensor must be usable in training even if detection made it
        laid = torch.cat(parts).float().to(device)
        # (A, 4) whose four columns each lie together in memory: overlaps then cost a third
        return laid.T.contiguous().T


def inside(anchors: Tensor, size: tuple[int, int], border: float = 0) -> Tensor:
    """Which anchors cross the edge of an image of `size` (h, w) px by no more than `border` px.

    Shapes: (…, 4) px -> (…,) bool.
    Source: Faster R-CNN Sec. 3.3 trains on these only (border 0); infinity keeps all.
    """
    h, w = size
    x1, y1, x2, y2 = anchors.unbind(-1)
    return (x1 >= -border) & (y1 >= -border) & (x2 <= w + border) & (y2 <= h + border)
