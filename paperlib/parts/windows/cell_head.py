"""An MLP on the cells around each position of a map: a mask and a score, densely or at chosen positions.

Legend: N maps of H x W cells and C channels, S chosen positions, D numbers that describe a window.
"""
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from paperlib.parts.windows.heads import uniform_


@dataclass(frozen=True)
class CellHeadConfig:
    hidden: int = 512  # D: outputs of the layer on the cells (FPN App. A)
    output: int = 28  # px along a mask: 14, or 28, "2x mask resolution" (FPN App. A, Table 6)

    def __post_init__(self):
        if self.hidden < 1 or self.output < 1:
            raise ValueError(f"head: {self.hidden} hidden units, masks of {self.output} px: expected more")


class CellHead(nn.Module):
    """One layer on `kernel` x `kernel` cells, then mask and score as sibling layers.

    Source: FPN (arXiv 1612.03144v2) Sec. 6, App. A, Fig. 4.
    Differs: the paper does not say how weights are drawn; here as DeepMask's (`heads.uniform_`).
    """

    def __init__(self, channels: int, kernel: int, cfg: CellHeadConfig):
        super().__init__()
        self.cfg, self.kernel = cfg, kernel
        self.hidden = nn.Conv2d(channels, cfg.hidden, kernel, padding=kernel // 2)
        self.mask = nn.Linear(cfg.hidden, cfg.output**2)
        self.score = nn.Linear(cfg.hidden, 1)
        for layer in (self.hidden, self.mask, self.score):
            uniform_(layer)

    def dense(self, x: Tensor) -> Tensor:
        """What describes every position, row by row: (N, C, H, W) -> (N, H W, D); zeros around."""
        return F.relu(self.hidden(x)).permute(0, 2, 3, 1).flatten(1, 2)

    def at(self, x: Tensor, image: Tensor, cell: Tensor) -> Tensor:
        """The same at chosen positions alone: (N, C, H, W), (S,), (S, 2) row, column -> (S, D).

        A step trains on some hundred of all positions, so this is most of what it saves.
        """
        edge, kernel = self.kernel // 2, self.kernel
        padded = F.pad(x, (edge, edge, edge, edge)).permute(0, 2, 3, 1)  # (N, H + 2 edge, W + 2 edge, C)
        height, width, channels = padded.shape[1:]
        first = (image * height + cell[:, 0]) * width + cell[:, 1]  # the window's upper left cell
        side = torch.arange(kernel, device=x.device)
        around = (side[:, None] * width + side).flatten()
        read = padded.reshape(-1, channels).index_select(0, (first[:, None] + around).flatten())
        weight = self.hidden.weight.permute(0, 2, 3, 1).flatten(1)  # (D, kernel kernel C)
        return F.relu(F.linear(read.view(len(first), -1), weight, self.hidden.bias))

    def masks(self, vectors: Tensor) -> Tensor:
        """Mask logits: (S, D) -> (S, m, m), m = cfg.output."""
        return self.mask(vectors).view(-1, self.cfg.output, self.cfg.output)

    def scores(self, vectors: Tensor) -> Tensor:
        """Score logits: (…, D) -> (…,)."""
        return self.score(vectors)[..., 0]
