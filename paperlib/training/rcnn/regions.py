"""Regions of an image that are no rectangles: segments at several scales, which stand in for CPMC's.

Legend: R regions of an image of H x W px, K classes, D numbers of a feature.
"""
import cv2
import numpy as np
import torch
from torch import Tensor

from paperlib.parts.matching import by_class
from paperlib.parts.windows.overlap import mask_iou
from paperlib.systems.rcnn import RCNN, boxes_around
from paperlib.systems.rcnn_config import SegmentationConfig


def regions_of(image: Tensor, cfg: SegmentationConfig) -> Tensor:
    """Masks (R, H, W) of an image's segments at all scales, each once, largest first: (3, H, W) uint8."""
    bgr = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[:, :, ::-1])
    masks, known = [], set()
    for scale in cfg.scales:
        search = cv2.ximgproc.segmentation.createGraphSegmentation(cfg.sigma, scale, cfg.least)
        labels = search.processImage(bgr)
        for number in range(int(labels.max()) + 1):
            mask = labels == number
            if mask.sum() >= cfg.least and mask.tobytes() not in known:
                known.add(mask.tobytes())
                masks.append(mask)
    masks.sort(key=np.sum, reverse=True)
    return torch.from_numpy(np.stack(masks[:cfg.most]))


def region_features(system: RCNN, image: Tensor, masks: Tensor, layer: str, strategy: str) -> Tensor:
    """Features (R, D), or (R, 2 D) of "full+fg", of one layer.

    Source: R-CNN Sec. 5: the rectangle around the region is warped; "fg" puts the mean in place of the rest.
    Errors: ValueError for an unknown strategy.
    """
    parts = []
    for name in SegmentationConfig(strategy).strategy.split("+"):
        if name == "fg":
            parts.append(system.foreground(image, masks)[layer].float())
        else:
            parts.append(system.features(image, boxes_around(masks))[layer].float())
    return torch.cat(parts, 1)


def overlaps_of(masks: Tensor, target: dict, num_classes: int) -> np.ndarray:
    """IoU (R, K) of each region's mask with the object of each class that it overlaps most."""
    return by_class(mask_iou(masks, target["masks"]), target["labels"], num_classes).numpy()
