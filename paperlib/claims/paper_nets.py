"""The papers' first networks, without weights, for counting: parameters, map sizes, receptive fields."""
import math
from collections.abc import Iterable
from functools import cache

import torch
import torchvision
from torch import nn


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its ReLU; with stride 1 the map keeps its size."""
    padding = 0
    if stride == 1:
        padding = kernel // 2
    return [nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups), nn.ReLU()]


def _pool(kernel: int = 3, stride: int = 2) -> nn.Module:
    return nn.MaxPool2d(kernel, stride, ceil_mode=True)


@cache
def alexnet(groups: int = 1) -> nn.ModuleDict:
    """AlexNet as R-CNN uses it (T-Net): 227 px in, 96-256-384-384-256 channels; torchvision's is narrower.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.1, 3.1, 3.2. `groups` 2 is the layout for two GPUs.
    """
    with torch.device("meta"):
        pool5 = nn.Sequential(
            *_conv(3, 96, 11, 4), _pool(),
            *_conv(96, 256, 5, groups=groups), _pool(),
            *_conv(256, 384, 3),
            *_conv(384, 384, 3, groups=groups),
            *_conv(384, 256, 3, groups=groups), _pool())
        fc6, fc7 = nn.Linear(6 * 6 * 256, 4096), nn.Linear(4096, 4096)
    return nn.ModuleDict({"pool5": pool5, "fc6": fc6, "fc7": fc7})


@cache
def zf() -> nn.Sequential:
    """The five convolutions of ZF's fast version, stride 16.

    Source: Faster R-CNN (arXiv 1506.01497v3) Sec. 3.1, 4.1.
    """
    with torch.device("meta"):
        return nn.Sequential(
            *_conv(3, 96, 7, 2), _pool(),
            *_conv(96, 256, 5, 2), _pool(),
            *_conv(256, 384, 3), *_conv(384, 384, 3), *_conv(384, 256, 3))


@cache
def vgg16() -> torchvision.models.VGG:
    """torchvision's VGG16 without memory; `features[:-1]` ends at conv5_3, stride 16."""
    with torch.device("meta"):
        return torchvision.models.vgg16()


def parameters(module: nn.Module) -> int:
    """The number of weights and biases."""
    return sum(p.numel() for p in module.parameters())


def map_size(layers: nn.Module, height: int, width: int) -> tuple[int, int, int]:
    """(C, H, W) of what the layers make of an RGB image."""
    image = torch.empty(1, 3, height, width, device="meta")
    return tuple(layers(image).shape[1:])


def level_sizes(levels: Iterable[int], height: int, width: int) -> dict[int, tuple[int, int]]:
    """(H, W) of each pyramid level's map: the sides of the image over 2**level, rounded up."""
    sizes = {}
    for level in levels:
        sizes[level] = (math.ceil(height / 2**level), math.ceil(width / 2**level))
    return sizes


def receptive_field(layers: nn.Sequential) -> tuple[int, int]:
    """Side of the input window that one output unit sees, and the step between neighbours, both in px.

    Each layer widens the window by (kernel - 1) steps and multiplies the step by its stride.
    """
    field, step = 1, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            field += (_side(layer.kernel_size) - 1) * step
            step *= _side(layer.stride)
    return field, step


def _side(size: int | tuple[int, int]) -> int:
    """The side of a square kernel or stride: convolutions keep it as a pair, poolings as one number."""
    if isinstance(size, tuple):
        return size[0]
    return size
