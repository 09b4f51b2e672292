"""Boxes, overlap and borders of masks.

Legend: A and B masks, an image of H x W px.
"""
import cv2
import numpy as np
import torch
from pycocotools import mask as rle_tools
from torch import Tensor


def tight_boxes(masks: Tensor) -> Tensor:
    """The box of each mask, (A, H, W) bool -> (A, 4) xyxy px; 0, 0, 0, 0 for an empty one."""
    ends = []
    for axis, across in ((2, 1), (1, 2)):
        line = masks.any(across)  # (A, W) for x, (A, H) for y
        places = torch.arange(masks.shape[axis], device=masks.device)
        low = torch.where(line, places, masks.shape[axis]).amin(1)
        high = torch.where(line, places + 1, 0).amax(1)
        ends += [low.minimum(high), high]
    x1, x2, y1, y2 = ends
    return torch.stack([x1, y1, x2, y2], 1).float()


def boxes_in_windows(masks: Tensor, windows: Tensor, size: tuple[int, int]) -> Tensor:
    """The tight box of each window's mask in its image of (h, w) px: (D, m, m) bool, (D, 4) -> (D, 4) px."""
    corners = tight_boxes(masks).view(-1, 2, 2) / masks.shape[-1]  # shares of the window
    corners = windows[:, None, :2] + corners * (windows[:, 2:] - windows[:, :2])[:, None]
    limit = windows.new_tensor((size[1], size[0]))
    return corners.clamp(min=0).minimum(limit).flatten(1)


def mask_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of masks: (A, H, W), (B, H, W) bool -> (A, B); 0 where both are empty."""
    rows, columns = first.flatten(1).float(), second.flatten(1).float()
    common = rows @ columns.T
    union = rows.sum(1)[:, None] + columns.sum(1) - common
    return common / union.clamp(min=1)


def rles(masks: Tensor) -> list[dict]:
    """pycocotools' compressed run lengths of masks (A, H, W) bool, with counts as text, as JSON has them."""
    if not len(masks):
        return []
    stacked = np.asfortranarray(masks.permute(1, 2, 0).cpu().numpy().astype(np.uint8))
    encoded = rle_tools.encode(stacked)
    for rle in encoded:
        rle["counts"] = rle["counts"].decode("ascii")
    return encoded


def rle_iou(first: list[dict], second: list[dict], crowd: np.ndarray | None = None) -> np.ndarray:
    """(A, B) of run lengths; over a `crowd` (B,) bool of the second, intersection over the first's area."""
    if not first or not second:
        return np.zeros((len(first), len(second)))
    if crowd is None:
        crowd = np.zeros(len(second), bool)
    return np.asarray(rle_tools.iou(first, second, crowd.astype(np.uint8).tolist()))


def band(mask: np.ndarray, width: int) -> np.ndarray:
    """A trimap's uncertain band: pixels within `width` px of the border of a mask (H, W) bool.

    A pixel is at distance 1 if an edge or a corner touches the other side; the image's edge is no border.
    """
    kernel = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    inner = mask.astype(np.uint8)
    return cv2.dilate(inner, kernel).astype(bool) & cv2.dilate(1 - inner, kernel).astype(bool)
