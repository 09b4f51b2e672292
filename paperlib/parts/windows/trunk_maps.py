"""A trunk that ends at one level, the padding of its convolutions, and the maps before each halving.

Legend: N pictures of H x W px.
"""
import torch
from torch import Tensor, nn

from paperlib.parts.convs import ConvNorm
from paperlib.parts.trunks import TrunkConfig, trunk

PADDINGS = ("zeros", "reflect", "replicate")


def cut_trunk(cfg: TrunkConfig, level: int, padding: str) -> nn.Module:
    """The trunk that `cfg` names, without what comes after `level`; its convolutions pad as `padding` says.

    Errors: ValueError for a level that it lacks, an unknown padding, or one that its fixed norms cannot have.
    """
    net = trunk(cfg)
    if level not in net.levels:
        raise ValueError(f"level {level} of trunk {cfg.name!r}: expected one of {sorted(net.levels)}")
    net.fc = None
    keep = 1 + len([one for one in net.levels if one <= level])  # stages, the stem among them
    for name in ("blocks", "groups"):
        if hasattr(net, name):
            del getattr(net, name)[keep - (name == "blocks"):]
    for stage in range(level, 5):
        if hasattr(net, "body") and hasattr(net.body, f"layer{stage}"):
            setattr(net.body, f"layer{stage}", nn.Identity())
    net.levels = tuple(one for one in net.levels if one <= level)
    pad_with(net, padding)
    return net


def pad_with(net: nn.Module, padding: str) -> None:
    """Let all convolutions of a network pad in one way, in place.

    Source: Sec. 3.5, "reflective-padding instead of 0-padding at every convolutional layer". "reflect"
            mirrors around the outermost pixel; the published code mirrors with it,
            which for one pixel is "replicate".
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding {padding!r}: expected one of {', '.join(PADDINGS)}")
    for layer in net.modules():
        if isinstance(layer, ConvNorm) and layer.frozen and padding != "zeros":
            raise ValueError(f"padding {padding!r} with trunk.frozen_norm: expected 'zeros'")
        if isinstance(layer, nn.Conv2d) and layer.padding != (0, 0):
            layer.padding_mode = padding


def normalised(net: nn.Module, images: Tensor) -> Tensor:
    """Images (N, 3, H, W), uint8 or float in [0, 1], as the trunk sees them: the mean colour is 0."""
    scale = 255 if images.dtype == torch.uint8 else 1
    return (images.to(net.mean.dtype) / scale - net.mean) / net.std


def maps_of(net: nn.Module, x: Tensor) -> list[Tensor]:
    """A trunk's maps of normalised pictures, coarse to fine: the last, then the one before each halving.

    These are SharpMask's F^1, F^2, ...: "the last convolutional layer prior to pooling" (Sec. 3.3.2).
    Shapes: (N, 3, H, W) -> [(N, C_1, H / stride, W / stride), (N, C_2, 2 H / stride, ...), ...], no picture.
    """
    stem, *stages = net.stages()
    if not isinstance(stem, nn.Sequential):
        stem = [stem]
    picture = x
    x = x.contiguous(memory_format=torch.channels_last)
    maps = []
    for layer in [*stem, *stages[:len(net.levels)]]:
        before, x = x, layer(x)
        if x.shape[-1] < before.shape[-1] and before.shape[1] != picture.shape[1]:
            maps.append(before)
    maps.append(x)
    return maps[::-1]


@torch.no_grad()
def channels_of(net: nn.Module, side: int = 64) -> list[int]:
    """The channels of each of `maps_of`, coarse to fine."""
    was_training = net.training
    net.eval()
    channels = [m.shape[1] for m in maps_of(net, net.mean.new_zeros(1, 3, side, side))]
    net.train(was_training)
    return channels
