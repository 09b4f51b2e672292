"""The exact claims of FPN that our pyramid and detector must meet: `FACTS[id]()` as in `computed`.

Each calls the library's own part, and agrees if it does what the paper states.
"""
import math
from collections import Counter
from dataclasses import replace

import torch
from torch import Tensor

from paperlib.claims.compare import stated
from paperlib.parts import roi_pooling
from paperlib.parts.pyramids import PyramidConfig, pyramid
from paperlib.parts.trunks import Trunk, TrunkConfig, trunk
from paperlib.parts.windows.levels import LevelWindowConfig, label_cells, level_windows
from paperlib.systems.faster_rcnn import FasterRCNN
from paperlib.systems.presets.faster_rcnn import tiny

LAYERS = PyramidConfig(levels=(2, 3, 4, 5, 6), extra="pool")  # the paper's pyramid, P6 by subsampling


def _level(width: float, height: float) -> int:
    """The level that a box of this size is pooled from, of P2 to P5."""
    return int(roi_pooling.level_of(torch.tensor([[0.0, 0, width, height]]), (2, 3, 4, 5)))


def roi_levels():
    levels, printed_levels = [], []
    for text in stated("fpn-roi-level"):
        side, level = map(int, text.split(" -> "))
        levels.append(_level(side, side))
        printed_levels.append(level)
    edges = [_level(223.9, 224), _level(448, 112), _level(447.9, 447.9), _level(20, 20), _level(2000, 2000)]
    fits = levels == printed_levels and edges == [3, 4, 4, 2, 5]
    return levels, fits, "floor(4 + log2(sqrt(w h) / 224)), kept to 2 to 5"


@torch.no_grad()
def _features_and_maps(height: int = 128, width: int = 192) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """{l: C_l} and {l: P_l} of one image."""
    torch.manual_seed(0)
    body = trunk(TrunkConfig("resnet18")).eval()
    features = body(torch.rand(1, 3, height, width))
    return features, pyramid(LAYERS, body.channels)(features)


def strides():
    features, maps = _features_and_maps()
    fits = torch.equal(maps[6], maps[5][..., ::2, ::2])
    for level in (2, 3, 4, 5):
        fits = fits and maps[level].shape[2:] == features[level].shape[2:]
    steps = []
    for p_l in maps.values():
        steps.append(128 // p_l.shape[2])
        fits = fits and p_l.shape[1] == 256
    return steps, fits and steps == stated("fpn-strides"), "image side / map side of P2 to P6"


def _random_maps(channels: dict[int, int]) -> dict[int, Tensor]:
    maps = {}
    for level, depth in channels.items():
        maps[level] = torch.randn(1, depth, 64 >> level, 96 >> level, dtype=torch.float64)
    return maps


def _combined(first: dict[int, Tensor], second: dict[int, Tensor]) -> dict[int, Tensor]:
    """2 `first` - 3 `second`, level by level."""
    maps = {}
    for level in first:
        maps[level] = 2 * first[level] - 3 * second[level]
    return maps


@torch.no_grad()
def linear_layers():
    torch.manual_seed(0)
    channels = {2: 6, 3: 8, 4: 10, 5: 12}
    layers = pyramid(LAYERS, channels).double()
    for p in layers.parameters():
        if p.dim() > 1:
            p.copy_(torch.randn_like(p))
        else:
            p.zero_()
    first, second = _random_maps(channels), _random_maps(channels)
    of_the_sum, sum_of_each = layers(_combined(first, second)), _combined(layers(first), layers(second))
    gap = max((of_the_sum[level] - sum_of_each[level]).abs().max().item() for level in of_the_sum)
    return gap, gap < 1e-9, "max |P(2 C - 3 C') - (2 P(C) - 3 P(C'))| without biases"


def mask_regions():
    """Sides of the windows of the 5x5 MLP, level by level; those of the 7x7 one must be sqrt(2) larger."""
    laid = level_windows(LevelWindowConfig(), dict.fromkeys(LAYERS.levels, (1, 1)))
    plain, half = (laid.windows[:, 2] - laid.windows[:, 0]).view(-1, 2).T
    fits = plain.tolist() == stated("fpn-mask-regions") and torch.allclose(half, math.sqrt(2) * plain)
    return plain.tolist(), fits and abs(7 / 5 / math.sqrt(2) - 1) < 0.011, (
        "1.25 * 32, 64, 128, 256, 512; the 7x7 window is sqrt(2) larger to 1%")


def centre_rule():
    """How far an object's middle is from the windows that answer for it, in cells, on every level."""
    laid = level_windows(LevelWindowConfig(), dict.fromkeys(LAYERS.levels, (8, 8)))
    reached = set()
    for place, size in enumerate(laid.sizes.round().tolist()):
        stride = laid.stride[laid.place == place][0].item()
        distances = []
        for eighth in range(8):
            middle = (3.5 + eighth / 8) * stride
            box = torch.tensor([[middle - size / 2, 3.5 * stride - 1, middle + size / 2, 3.5 * stride + 1]])
            answers = label_cells(laid, box, LevelWindowConfig().reach)[1] == 1
            distances += ((laid.middles[answers, 0] - middle) / stride).tolist()
        reached.add((min(distances), max(distances)))
    fits = reached == {tuple(stated("fpn-mask-center-rule"))}
    return list(max(reached)), fits, "cells from an object's middle that answer for it, at every level"


@torch.no_grad()
def _trunk_passes(training: str) -> int:
    """How often a detector of tiny size runs a trunk to test one image."""
    torch.manual_seed(0)
    passes, net = Counter(), FasterRCNN(replace(tiny(), training=training)).eval()
    for module in net.modules():
        if isinstance(module, Trunk):
            module.register_forward_hook(lambda *_: passes.update(["trunk"]))
    net.detect(torch.rand(1, 3, 128, 128))
    return passes["trunk"]


def shared_features():
    shared, separate = _trunk_passes("joint"), _trunk_passes("separate")
    fits = (shared < separate) == (stated("fpn-sharing-reduces-test-time") == "less")
    return [shared, separate], fits, "passes of a trunk for one image at test: shared features; separate ones"


FACTS = {
    "fpn-roi-level": roi_levels, "fpn-strides": strides, "fpn-linear-extra": linear_layers,
    "fpn-mask-regions": mask_regions, "fpn-mask-center-rule": centre_rule,
    "fpn-sharing-reduces-test-time": shared_features,
}
