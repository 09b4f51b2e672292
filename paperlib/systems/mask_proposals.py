"""What all systems of masks share: the masks of the best windows are proposals; losses of both branches.

Legend: N images of H x W px, R windows of an image, D proposals, m x m px of a window's mask. Sections are
SharpMask's (arXiv 1603.08695), as chapter 3 of Lin's thesis numbers them.
"""
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.distributed import part_of_mean
from paperlib.parts.windows.overlap import boxes_in_windows
from paperlib.systems.contract import DetectionSystem, image_sizes, refuse_proposals


@dataclass(frozen=True)
class ProposeConfig:
    keep: int = 1000  # proposals of an image, the best scores (Sec. 3.5: 10, 100 and 1000 are scored)
    threshold: float = 0.2  # probability at which masks are cut (Sec. 3.5)
    bound: bool = False  # also score the masks of all windows, whatever their scores (Sec. 3.5.1, Table 3.1)


@dataclass(frozen=True)
class Dense:
    """What the network says of every window of one image, scale after scale."""

    windows: Tensor  # (R, 4) px of the image
    scores: Tensor  # (R,) logits
    vectors: Tensor  # (R, D): what a window's mask is made of
    scale: Tensor  # (R,) its place among the scales
    cell: Tensor  # (R, 2) its row and column in the grid of that scale
    maps: list[list[Tensor]] = field(default_factory=list)  # of each scale, where masks are refined by them


class MaskProposals(DetectionSystem):
    """A system of masks: it says what it makes of every window (`dense`, `masks`); the best are proposed."""

    scored_by = "segments"
    needs_masks = True

    def prepared(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), uint8 or float in [0, 1], as `dense` reads them one by one."""
        return images

    def dense(self, image: Tensor) -> Dense:
        """Everything about one prepared image (3, H, W): all windows at all scales."""
        raise NotImplementedError

    def masks(self, dense: Dense, chosen: Tensor) -> Tensor:
        """Mask logits (D, m, m) of the windows `chosen` (D,), best first."""
        raise NotImplementedError

    def predict(self, images: Tensor, proposals: list[Tensor] | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Raw outputs of every window: score logits (N, R), mask logits (N, R, m, m), windows (R, 4) px.

        Errors: ValueError for `proposals`.
        """
        refuse_proposals(proposals, "a mask system")
        every = [self.dense(image) for image in self.prepared(images)]
        masks = []
        for dense in every:
            best_first = dense.scores.argsort(descending=True, stable=True)
            masks.append(self.masks(dense, best_first)[best_first.argsort()])
        return torch.stack([dense.scores for dense in every]), torch.stack(masks), every[0].windows

    @torch.no_grad()
    def detect(self, images: Tensor, sizes: Tensor | None = None,
               proposals: list[Tensor] | None = None) -> list[dict[str, Tensor]]:
        """The proposals of each image, best first.

        Shapes: {"boxes" (D, 4) px, "scores" (D,), "labels" (D,), all 1, "windows" (D, 4) px,
                "window_masks" (D, m, m) logits, "threshold" ()}.
        `parts.windows.resampling.paste` makes masks of an image of the last three. Boxes are tight around
        them, clipped to `sizes` (N, 2) h, w px; windows without a mask are left out.
        Errors: ValueError for `proposals`.
        """
        refuse_proposals(proposals, "a mask system")
        sizes = image_sizes(images) if sizes is None else sizes
        proposed = []
        for image, (height, width) in zip(self.prepared(images), sizes.tolist()):
            dense = self.dense(image[:, :height, :width])
            best = dense.scores.sort(descending=True, stable=True).indices[:self.cfg.propose.keep]
            proposed.append(self._proposals(dense, best, (height, width)))
        return proposed

    def _proposals(self, dense: Dense, best: Tensor, size: tuple[int, int]) -> dict[str, Tensor]:
        logits, windows = self.masks(dense, best).float(), dense.windows[best]
        threshold = logits.new_tensor(self.cfg.propose.threshold)
        boxes = boxes_in_windows(logits > torch.logit(threshold), windows, size)
        kept = (boxes[:, 2:] > boxes[:, :2]).all(1)
        scores = dense.scores[best].sigmoid()[kept]
        return {"boxes": boxes[kept], "scores": scores, "labels": torch.ones_like(scores, dtype=torch.int64),
                "windows": windows[kept], "window_masks": logits[kept], "threshold": threshold}


def mask_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """The mean logistic loss over the pixels of masks: (P, m, m) logits, (P, m, m) bool -> ()."""
    return F.binary_cross_entropy_with_logits(logits.float(), truth.float())


def score_loss(logits: Tensor, label: Tensor) -> Tensor:
    """The mean logistic loss of windows: (R,) logits, (R,) 1 or 0 -> (); 0 of none.

    Of several processes each gives its part of the mean over all windows.
    """
    total = F.binary_cross_entropy_with_logits(logits.float(), label.float(), reduction="sum")
    return part_of_mean(total / max(len(label), 1), len(label))
