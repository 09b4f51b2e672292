"""Square windows over an image at several scales, as a network with a stride lays them.

Legend: R windows, an image of H x W px that is enlarged by `scale` to h x w px. "Code" is the published one
(facebookresearch/deepmask), from which only these numbers are taken.
"""
import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WindowConfig:
    size: int = 160  # px, W: the side of the window that a mask fills (Sec. 3.4.1)
    stride: int = 16  # px between windows, that of the trunk's last map (Sec. 3.4.1)
    context: int = 16  # px of picture around a window on each side, 32 in all (Sec. 3.5); whole strides
    object_share: float = 128 / 224  # of a window's side: a right-sized object's longer side (code)
    scales: tuple[float, ...] = (-2.5, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5)  # log2 of the test scales (code)

    def check(self) -> None:
        """Errors: ValueError unless window and context are whole strides, and there is a scale.

        Not asked of a configuration that is still being changed, number by number.
        """
        if self.stride < 1 or self.size % self.stride or self.context % self.stride:
            raise ValueError(f"window of {self.size} px, context {self.context} px, stride {self.stride} px: "
                             "expected whole strides")
        if not self.scales:
            raise ValueError("window.scales is empty: expected the log2 of one scale or more")

    @property
    def cells(self) -> int:
        """S: strides along a window."""
        return self.size // self.stride

    @property
    def patch(self) -> int:
        """Px along what a network sees of a window in training."""
        return self.size + 2 * self.context

    @property
    def before(self) -> int:
        """Px of the first window that lie before the enlarged image: half a window in whole strides."""
        return math.ceil(self.size / 2 / self.stride) * self.stride

    @property
    def object_size(self) -> float:
        """Px along the longer side of a right-sized object."""
        return self.size * self.object_share


@dataclass(frozen=True)
class Grid:
    """The windows of an image at one scale: cell (i, j) is row i, column j."""

    scaled: tuple[int, int]  # h, w px of the enlarged image
    padded: tuple[int, int]  # h, w px with all that the network needs around it
    shape: tuple[int, int]  # windows down and across
    offset: int  # px of padding before the enlarged image
    windows: Tensor  # (R, 4) px of the image as it was, row by row


def scaled_size(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """(h, w) px of an image (H, W) enlarged by `scale`, whole pixels."""
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def grid(size: tuple[int, int], octaves: float, cfg: WindowConfig) -> Grid:
    """The windows of an image of (H, W) px at the scale 2**octaves.

    The middle of window i lies at i strides of the enlarged image, the first at 0 (half a stride beside it
    where half a window is no whole number of strides): i * stride / scale px of the image. They end at the
    first one at or beyond the image's end.
    """
    scaled = scaled_size(size, 2.0**octaves)
    shape = tuple(math.ceil(side / cfg.stride) + 1 for side in scaled)
    padded = tuple((count - 1) * cfg.stride + cfg.patch for count in shape)
    rows = torch.arange(shape[0], dtype=torch.float32) * cfg.stride - cfg.before
    columns = torch.arange(shape[1], dtype=torch.float32) * cfg.stride - cfg.before
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    corner = torch.stack([x, y], -1).reshape(-1, 2)  # (R, 2) px of the enlarged image
    back = torch.tensor((size[1] / scaled[1], size[0] / scaled[0]))
    windows = torch.cat([corner * back, (corner + cfg.size) * back], 1)
    return Grid(scaled, padded, shape, cfg.before + cfg.context, windows)


def around(windows: Tensor, cfg: WindowConfig) -> Tensor:
    """The windows (R, 4) with their context: what a patch of `cfg.patch` px shows."""
    edge = (windows[:, 2:] - windows[:, :2]) * (cfg.context / cfg.size)  # (R, 2)
    return torch.cat([windows[:, :2] - edge, windows[:, 2:] + edge], 1)
