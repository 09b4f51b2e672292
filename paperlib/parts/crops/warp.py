"""Regions of an image as inputs of one size: warped, or in a square with or without what surrounds them.

Legend: R regions of an image of H x W px, S px the crop's side.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("warp", "square", "square_alone")


@dataclass(frozen=True)
class CropConfig:
    size: int = 227  # px, the side of the crop (R-CNN Sec. 2.1)
    context: float = 16.0  # px of the crop between the region and each edge (R-CNN Sec. 2.1, p in App. A)
    # "warp" | "square": the tightest square with what surrounds the region | "square_alone": without (App. A)
    kind: str = "warp"

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"crop.kind {self.kind!r}: expected one of {', '.join(KINDS)}")
        if not 0 <= 2 * self.context < self.size:
            raise ValueError(f"crop.context {self.context} px on each side of {self.size} px: expected "
                             f"0 to less than {self.size / 2}")


def sources(regions: Tensor, cfg: CropConfig = CropConfig()) -> Tensor:
    """What each crop shows of the image: the region, and around it `context` px of the crop.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.1 and App. A.
    Shapes: regions (R, 4) px -> (R, 4) px, which may lie outside the image.
    """
    centre, half = (regions[:, :2] + regions[:, 2:]) / 2, (regions[:, 2:] - regions[:, :2]) / 2
    if cfg.kind != "warp":
        half = half.amax(1, keepdim=True).expand(-1, 2)
    half = half * cfg.size / (cfg.size - 2 * cfg.context)
    return torch.cat([centre - half, centre + half], 1)


def crops(image: Tensor, regions: Tensor, cfg: CropConfig = CropConfig(), fill: Tensor | None = None,
          masks: Tensor | None = None) -> Tensor:
    """The crop of every region, bilinear; where the image ends, and where a mask is False, it is `fill`.

    Source: R-CNN Sec. 2.1 and App. A; masks: Sec. 5, "fg".
    Shapes: image (3, H, W) float, regions (R, 4) px, fill (3,) or None for 0, masks (R, H, W) bool
            -> (R, 3, S, S).
    `fill` is subtracted before and added after: 0 outside an image less its mean, and the mean outside the
    image itself, are the same pixels once the mean is subtracted.
    Differs: no smoothing before an image is made smaller, as in the published code.
    """
    if not len(regions):
        return image.new_zeros(0, len(image), cfg.size, cfg.size)
    source, points = sources(regions, cfg), _points(regions, cfg)  # (R, 4), (R, S, S, 2)
    fill = torch.zeros_like(image[:, :1, :1]) if fill is None else fill.to(image).view(-1, 1, 1)
    if masks is None:  # one picture for all regions
        grid = _to_grid(points, image).view(1, -1, cfg.size, 2)
        flat = F.grid_sample((image - fill)[None], grid, align_corners=False)[0]  # (3, R S, S), 0 outside
        read = flat.view(len(image), len(regions), cfg.size, cfg.size).transpose(0, 1)
    else:
        read = F.grid_sample((image - fill) * masks[:, None], _to_grid(points, image), align_corners=False)
    if cfg.kind == "square_alone":
        read = read * _near(points, regions, source, cfg)
    return read + fill


def _points(regions: Tensor, cfg: CropConfig) -> Tensor:
    """Where the middle of each of a crop's pixels lies in the image: (R, S, S, 2), x and y in px."""
    source = sources(regions, cfg)
    steps = (torch.arange(cfg.size, device=regions.device, dtype=regions.dtype) + 0.5) / cfg.size  # (S,)
    along = source[:, None, :2] + steps[:, None] * (source[:, 2:] - source[:, :2])[:, None]  # (R, S, 2)
    x, y = along[..., 0], along[..., 1]
    wide = x[:, None, :].expand(-1, cfg.size, -1)
    return torch.stack([wide, y[:, :, None].expand_as(wide)], -1)


def _to_grid(points: Tensor, image: Tensor) -> Tensor:
    """Points in px as `grid_sample` takes them: -1 and 1 are the image's edges."""
    height, width = image.shape[-2:]
    return points * 2 / points.new_tensor((width, height)) - 1


def _near(points: Tensor, regions: Tensor, source: Tensor, cfg: CropConfig) -> Tensor:
    """Which of a crop's pixels are the region's, or `context` px of the crop away at most: (R, 1, S, S)."""
    border = cfg.context * (source[:, 2:] - source[:, :2]) / cfg.size  # (R, 2) px of the image
    low, high = regions[:, :2] - border, regions[:, 2:] + border
    near = (points >= low[:, None, None]) & (points <= high[:, None, None])
    return near.all(-1)[:, None]
