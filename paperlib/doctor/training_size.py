"""The objects and the anchors of an image at the size that it is trained at; no image is opened.

Legend: G objects of an image, without crowds and difficult ones; A its anchors.
"""
import math

import torch
from torch import Tensor

from paperlib.data.batches import fit_size, padded_side
from paperlib.data.detection_set import DetectionSet
from paperlib.parts.anchors import AnchorConfig, anchors_for, inside, map_shapes
from paperlib.parts.convs import stride_of


def even_picks(dataset: DetectionSet, limit: int) -> range:
    """The places of at most `limit` images, at even distances."""
    step = max(1, math.ceil(len(dataset) / limit))
    return range(0, len(dataset), step)


def resized_size(record: dict, size) -> tuple[int, int]:
    """(h, w) px of an image at the training `size` (as in `Batches`)."""
    return fit_size(record["height"], record["width"], size)


def resized_boxes(boxes: Tensor, record: dict, size) -> Tensor:
    """Boxes (B, 4) on an image as stored, laid on it at the training `size`."""
    h, w = resized_size(record, size)
    zoom = torch.tensor((w / record["width"], h / record["height"]))
    return boxes * zoom.repeat(2)


def resized_objects(dataset: DetectionSet, i: int, size) -> tuple[Tensor, Tensor]:
    """Boxes (G, 4) px and labels (G,) of the objects of image i at the training `size`."""
    target = dataset.target(i)
    counted = ~(target["crowd"] | target.get("difficult", False))
    return resized_boxes(target["boxes"][counted], dataset.images[i], size), target["labels"][counted]


def laid_anchors(cfg: AnchorConfig, size: tuple[int, int], scale: float = 1.0,
                 border: float | None = None) -> tuple[Tensor, Tensor]:
    """The anchors (A, 4) px of an image of `size` (h, w) px, and the stride (A,) px of the map of each.

    `scale` is that of the trunk whose maps carry them. With `border` only those that cross the image's edge
    by no more than so many px, as an RPN's in training.
    """
    padded = padded_side(size[0]), padded_side(size[1])
    shapes = map_shapes(padded, cfg.levels, scale=scale)
    anchors = anchors_for(cfg, shapes, image_size=padded, scale=scale)
    strides = []
    for level in cfg.levels:
        count = math.prod(shapes[level]) * cfg.shapes_per_position
        strides.append(torch.full((count,), float(stride_of(level, scale))))
    strides = torch.cat(strides)
    if border is None:
        return anchors, strides
    within = inside(anchors, size, border)
    return anchors[within], strides[within]
