"""The papers' first networks, without weights, for counting: parameters, map sizes, receptive fields."""
from functools import cache

import torch
import torchvision
from torch import nn


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups), nn.ReLU()]


def _pool(kernel: int = 3, stride: int = 2) -> nn.Module:
    return nn.MaxPool2d(kernel, stride, ceil_mode=True)


@cache
def alexnet(groups: int = 1) -> nn.ModuleDict:
    """AlexNet as R-CNN uses it (T-Net): 227 px in, 96-256-384-384-256 channels; torchvision's is a narrower one.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.1, 3.1, 3.2. `groups` 2 is the layout for two GPUs.
    """
    with torch.device("meta"):
        return nn.ModuleDict({
            "pool5": nn.Sequential(
                *_conv(3, 96, 11, 4), _pool(), *_conv(96, 256, 5, groups=groups), _pool(), *_conv(256, 384, 3),
                *_conv(384, 384, 3, groups=groups), *_conv(384, 256, 3, groups=groups), _pool()),
            "fc6": nn.Linear(6 * 6 * 256, 4096), "fc7": nn.Linear(4096, 4096)})


@cache
def zf() -> nn.Sequential:
    """The five convolutions of ZF's fast version, stride 16 (Faster R-CNN, arXiv 1506.01497v3, Sec. 3.1, 4.1)."""
    with torch.device("meta"):
        return nn.Sequential(*_conv(3, 96, 7, 2), _pool(), *_conv(96, 256, 5, 2), _pool(),
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
    return tuple(layers(torch.empty(1, 3, height, width, device="meta")).shape[1:])


def receptive_field(layers: nn.Sequential) -> tuple[int, int]:
    """Side of the input window that one output unit sees, and the step between neighbours, both in px.

    Source: each layer widens the window by (kernel - 1) steps and multiplies the step by its stride.
    """
    field, step = 1, 1
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
            kernel, stride = (v[0] if isinstance(v, tuple) else v for v in (layer.kernel_size, layer.stride))
            field, step = field + (kernel - 1) * step, step * stride
    return field, step
