"""Windows around every cell of a pyramid's levels: which object each answers for.

Legend: R windows of an image, G objects of an image, level l of stride 2**l px times the trunk's `scale`.
A "place" is a level together with an MLP: one of the sizes that objects are sorted by.
"""
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.parts.convs import stride_of

PLAIN = 5  # cells along the MLP that is for a level's own object size; 7 are half an octave more


@dataclass(frozen=True)
class LevelWindowConfig:
    kernels: tuple[int, ...] = (5, 7)  # cells along what each MLP reads; two have half octaves (App. A)
    object_cells: float = 8.0  # strides along the object that the 5x5 MLP is for: 32 px on P2 (App. A)
    padding: float = 0.25  # of that size, that a mask's window has more (App. A)
    reach: float = 1.0  # cells that an object's middle may be off, in x and in y (App. A)

    def check(self) -> None:
        """Errors: ValueError for kernels that have no middle cell, or of one size.

        Not asked of a configuration that is still being changed, number by number.
        """
        odd = all(kernel % 2 for kernel in self.kernels)
        sizes = {octaves_of(kernel) for kernel in self.kernels}
        if not self.kernels or not odd or len(sizes) < len(self.kernels):
            raise ValueError(f"windows.kernels {self.kernels}: expected odd numbers of cells, half an octave "
                             "or more apart")


@dataclass(frozen=True)
class LevelWindows:
    """The windows of an image, place by place, row by row."""

    windows: Tensor  # (R, 4) px, of the mask
    place: Tensor  # (R,) index into `sizes`
    cell: Tensor  # (R, 2) row and column on the map of its level
    stride: Tensor  # (R,) px between the cells of its level
    sizes: Tensor  # (places,) px along the objects that each place is for

    @property
    def middles(self) -> Tensor:
        """(R, 2) x, y px."""
        return (self.cell.flip(1) + 0.5) * self.stride[:, None]


def octaves_of(kernel: int) -> float:
    """By how many octaves the objects of an MLP of `kernel` cells are larger than those of 5: 7 gives 0.5.

    Source: App. A, "7 ~ 5 sqrt(2)"; so rounded to whole half octaves.
    """
    return round(2 * math.log2(kernel / PLAIN)) / 2


def object_sizes(cfg: LevelWindowConfig, levels: tuple[int, ...], scale: float = 1.0) -> Tensor:
    """Px along the objects of each place, level by level: (levels * kernels,) float32."""
    sizes = []
    for level in sorted(levels):
        for kernel in cfg.kernels:
            sizes.append(cfg.object_cells * stride_of(level, scale) * 2 ** octaves_of(kernel))
    return torch.tensor(sizes)


def level_windows(cfg: LevelWindowConfig, shapes: dict[int, tuple[int, int]], scale: float = 1.0,
                  device="cpu") -> LevelWindows:
    """The windows of maps of `shapes` {level: (H, W)}: their middles are those of the cells.

    Source: App. A and Fig. 4.
    """
    sizes = object_sizes(cfg, tuple(shapes), scale)
    windows, place, cell, stride = [], [], [], []
    for level in sorted(shapes):
        step = stride_of(level, scale)
        cells = torch.cartesian_prod(*[torch.arange(side) for side in shapes[level]])  # (H W, 2)
        middle = (cells.flip(1) + 0.5) * step
        for _ in cfg.kernels:
            half = sizes[len(place)] * (1 + cfg.padding) / 2
            windows.append(torch.cat([middle - half, middle + half], 1))
            place.append(torch.full((len(cells),), len(place)))
            cell.append(cells)
            stride.append(torch.full((len(cells),), step))
    columns = [torch.cat(column).to(device) for column in (windows, place, cell, stride)]
    return LevelWindows(*columns, sizes.to(device))


def places_of(boxes: Tensor, sizes: Tensor) -> Tensor:
    """The place of each object (G, 4): the size nearest to its longer side, in log space: (G,)."""
    longer = (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp(min=1e-3)
    return (longer.log2()[:, None] - sizes.log2()).abs().argmin(1)


def label_cells(laid: LevelWindows, boxes: Tensor, reach: float,
                crowd: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Which object a window is about (R,), and its label (R,): 1 if one of its size is centred here, else 0.

    Source: App. A: an object belongs to the scale nearest in log space, and there to the cells within one
            cell of its middle; every other cell is a negative. Of several objects a cell has the nearest.
    Objects that are smaller or larger than all sizes belong to the first and the last of them. A crowd is no
    object, and a window whose middle lies in its box is -1.
    """
    crowd = torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device) if crowd is None else crowd
    objects = (~crowd).nonzero().squeeze(1)
    label = torch.zeros_like(laid.place)
    gt = torch.zeros_like(label)
    middle = laid.middles[:, None]  # (R, 1, 2)
    if len(objects):
        right = boxes[objects]
        off = ((right[:, :2] + right[:, 2:]) / 2 - middle).abs()  # (R, G, 2)
        near = (off <= reach * laid.stride[:, None, None]).all(-1)
        fits = near & (places_of(right, laid.sizes) == laid.place[:, None])
        label[fits.any(1)] = 1
        gt = objects[off.norm(dim=-1).masked_fill(~fits, torch.inf).argmin(1)]
    if crowd.any():
        hidden = ((middle >= boxes[crowd, :2]) & (middle < boxes[crowd, 2:])).all(-1).any(1)
        label[hidden & (label == 0)] = -1
    return gt, label
