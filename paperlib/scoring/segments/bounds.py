"""The best that the masks of all windows could do, whatever their scores: an upper bound of average recall.

Source: Sec. 3.5.1 and Table 3.1, AR "for densely computed masks (~10^4 proposals per image)".
Legend: G objects of an image, R windows.
"""
import numpy as np
import torch
from torch import Tensor

from paperlib.data.image_batches import image_batches
from paperlib.parts.windows.overlap import mask_iou
from paperlib.parts.windows.resampling import paste
from paperlib.scoring.average_recall import areas_of, by_size
from paperlib.scoring.coco_curves import IOUS

CHUNK = 256  # masks that are laid into an image at a time, for the memory


@torch.no_grad()
def best_overlaps(system, dataset, device, short: int | None = None,
                  long: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """For each object that is no crowd the highest IoU of any window's mask (G,), and its area px^2 (G,).

    `short`, `long`: as in `image_batches`. Masks are compared in the stored images.
    """
    system.to(device).eval()
    best, area = [], []
    for images in image_batches(dataset, device, 1, short, long, title="bound"):
        target = dataset.target(images.places[0], masks=True)
        plain = ~target["crowd"]
        height, width = images.sizes[0].tolist()
        dense = system.dense(system.prepared(images.images)[0, :, :height, :width])
        windows = dense.windows.cpu() * images.scales()[0].float()
        best.append(_best(system, dense, windows, target["masks"][plain]).numpy())
        area.append(target["area"][plain].numpy())
    return np.concatenate(best), np.concatenate(area)


def _best(system, dense, windows: Tensor, masks: Tensor) -> Tensor:
    """The highest IoU of each true mask (G, H, W) with any window's: (G,)."""
    best = torch.zeros(len(masks))
    for some in torch.arange(len(windows)).split(CHUNK):
        proposed = paste(system.masks(dense, some.to(dense.scores.device)).cpu(), windows[some],
                         tuple(masks.shape[1:]), system.cfg.propose.threshold)
        best = best.maximum(mask_iou(masks, proposed).amax(1))
    return best


def bound(overlaps: np.ndarray, areas: np.ndarray, ranges: dict) -> dict[str, float]:
    """{"bound AR", "bound ARs", ...}: the share of objects reached, mean over IoU .5 to .95; nan for none.

    Differs: of average recall in that one mask may reach two objects.
    """
    reached = (overlaps[:, None] >= IOUS).mean(1)  # (G,)
    metrics = {}
    for size, (low, high) in zip(*by_size(ranges)):
        inside = (areas >= low) & (areas <= high)
        metrics[f"bound AR{size}"] = float(reached[inside].mean()) if inside.any() else float("nan")
    return metrics


def upper_bound(system, dataset, device, short: int | None = None,
                long: int | None = None) -> dict[str, float]:
    """`bound` of a system that proposes masks, on a set."""
    return bound(*best_overlaps(system, dataset, device, short, long), areas_of(dataset))
