"""Cutting windows out of images and masks, and laying masks back: one rule of half pixels for all of it.

Legend: R windows, an image of H x W px, maps of S x S cells. Pixel i covers [i, i + 1], its middle is i + .5;
so a box may lie between pixels, and beyond the image.
"""
import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK = 128  # masks that are laid into an image at a time, for the memory


def weights(low: Tensor, high: Tensor, source: int, target: int) -> Tensor:
    """How much each of `source` pixels counts for each of `target` cells of [low, high): (R, target, source).

    Bilinear; where cells are wider than a pixel the triangle widens with them, as torch's `antialias` has it.
    Pixels beyond the ends do not count, and a cell whose middle lies beyond them is all 0.
    Shapes: low, high (R,) px, which may be negative or beyond `source`.
    """
    step = (high - low) / target  # (R,) px a cell
    cells = torch.arange(target, device=low.device, dtype=low.dtype) + 0.5
    middle = low[:, None] + cells * step[:, None]  # (R, target)
    pixels = torch.arange(source, device=low.device, dtype=low.dtype) + 0.5
    reach = step.clamp(min=1)[:, None, None]
    near = middle.clamp(0.5, source - 0.5)  # the outer half of the outermost pixels repeats them
    middle_or_near = torch.where(step[:, None] > 1, middle, near)
    weight = (1 - (pixels - middle_or_near[..., None]).abs() / reach).clamp(min=0)
    weight = weight / weight.sum(-1, keepdim=True).clamp(min=1e-6)
    inside = (middle >= 0) & (middle < source)
    return weight * inside[..., None]


def cut(images: Tensor, boxes: Tensor, size: int, fill: Tensor | float = 0.0) -> Tensor:
    """What each box shows of its image, in `size` x `size` px; `fill` where the image has ended.

    Shapes: images (R, C, H, W) float, one a box, or (1, C, H, W), one for all; boxes (R, 4) xyxy px
            -> (R, C, size, size). `fill`: a number, or (C, 1, 1).
    """
    height, width = images.shape[-2:]
    boxes = boxes.to(images.dtype)
    rows = weights(boxes[:, 1], boxes[:, 3], height, size)[:, None]  # (R, 1, S, H)
    columns = weights(boxes[:, 0], boxes[:, 2], width, size)[:, None]  # (R, 1, S, W)
    return _across(rows, images - fill, columns) + fill


def _across(rows: Tensor, maps: Tensor, columns: Tensor) -> Tensor:
    """rows @ maps @ columns^T, in full precision even where a network's products are not."""
    with torch.autocast(maps.device.type, enabled=False):
        return rows @ maps @ columns.transpose(-1, -2)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(C, H, W) float to (C, *size), with the smoothing that a smaller picture needs."""
    return F.interpolate(image[None], size, mode="bilinear", antialias=True, align_corners=False)[0]


def cut_masks(masks: Tensor, boxes: Tensor, size: int) -> Tensor:
    """The part of each mask in its box: (R, H, W) bool, (R, 4) px -> (R, size, size) bool.

    A cell belongs to the object if it does so by more than half; what lies beyond the image does not.
    """
    return cut(masks[:, None].float(), boxes, size)[:, 0] > 0.5


def lay(maps: Tensor, windows: Tensor, size: tuple[int, int], beyond: float = -torch.inf) -> Tensor:
    """Maps of windows, laid into their image: (R, S, S), (R, 4) px -> (R, H, W); `beyond` outside the window.

    It is `cut` the other way round: the image is a box in the frame of the map.
    """
    height, width = size
    windows = windows.to(maps.dtype)
    sides = windows[:, 2:] - windows[:, :2]
    cells = maps.shape[-1] / sides  # (R, 2) cells a px
    low = -windows[:, :2] * cells
    high = low + cells * windows.new_tensor((width, height))
    columns = weights(low[:, 0], high[:, 0], maps.shape[-1], width)
    rows = weights(low[:, 1], high[:, 1], maps.shape[-2], height)
    image = _across(rows, maps, columns)
    inside = (rows.sum(-1) > 0)[:, :, None] & (columns.sum(-1) > 0)[:, None]
    return image.masked_fill(~inside, beyond)


def paste(logits: Tensor, windows: Tensor, size: tuple[int, int], threshold: float = 0.5) -> Tensor:
    """Masks of an image from logits in windows: (R, S, S), (R, 4) px -> (R, H, W) bool.

    `threshold` is a probability: DeepMask and SharpMask cut at .2 (Sec. 3.5). Logits are enlarged, not
    probabilities, and compared after that.
    """
    cutoff = torch.logit(torch.tensor(threshold, dtype=torch.float64)).item()
    masks = []
    for first in range(0, len(logits), CHUNK):
        some = slice(first, first + CHUNK)
        masks.append(lay(logits[some].float(), windows[some], size) > cutoff)
    if not masks:
        return logits.new_zeros(0, *size, dtype=torch.bool)
    return torch.cat(masks)
