"""Convolutions that several parts share, and the strides of the maps that they make."""
import torch.nn.functional as F
from torch import Tensor, nn


def stride_of(level: int, scale: float = 1.0) -> float:
    """Px between two neighbouring cells of level l: 2**l in the papers, that times the `scale` here."""
    return 2**level * scale


class ConvNorm(nn.Module):
    """Convolution and batch norm; with `frozen` the stored statistics are folded into the convolution."""

    def __init__(self, c_in: int, c_out: int, size: int, stride: int, frozen: bool, eps: float):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, size, stride, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(c_out, eps=eps).requires_grad_(not frozen)
        self.frozen = frozen
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        if not self.frozen:
            return self.norm(self.conv(x))
        gain = self.norm.weight * (self.norm.running_var + self.norm.eps).rsqrt()
        shift = self.norm.bias - self.norm.running_mean * gain
        weight = self.conv.weight * gain[:, None, None, None]
        return F.conv2d(x, weight, shift, self.conv.stride, self.conv.padding)


class Pointwise(nn.Conv2d):
    """A 1x1 convolution; the same as nn.Conv2d(c_in, c_out, 1), and faster on one CPU thread.

    There torch sends undilated 1x1 convolutions to a general matrix product and only the others to oneDNN.
    Dilation has no meaning for one tap, so on a CPU this layer claims to be dilated. On a chip of 250 GFLOP/s
    that was 2.5 times as fast. On an AMD EPYC of 100 GFLOP/s, with AVX-512 or without, it changes nothing in
    training and saves 1 to 2% of a ResNet-50's inference.
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu":
            return F.conv2d(x, self.weight, self.bias, dilation=2)
        return F.conv2d(x, self.weight, self.bias)


class Halving(nn.Conv2d):
    """A 3x3 convolution of stride 2, as nn.Conv2d(c_in, c_out, 3, 2, 1), whose gradients can be trusted.

    A map of one column gets a second one of zeros, which changes neither output nor gradient. Without it
    oneDNN (torch 2.15, CPU, bfloat16) leaves the gradient of the taps that see only padding unwritten: what
    lay in memory, NaN at times.
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__(c_in, c_out, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] == 1:
            x = F.pad(x, (0, 1))
        return super().forward(x)


def pointwise(net: nn.Module) -> None:
    """Make a network's undilated 1x1 convolutions `Pointwise`, in place; weights and names stay."""
    for layer in net.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1:
            layer.__class__ = Pointwise


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., arXiv 1512.03385, Fig. 2)."""

    def __init__(self, c_in: int, c_out: int, stride: int, frozen: bool, eps: float):
        super().__init__()
        self.first = ConvNorm(c_in, c_out, 3, stride, frozen, eps)
        self.second = ConvNorm(c_out, c_out, 3, 1, frozen, eps)
        self.shortcut = ConvNorm(c_in, c_out, 1, stride, frozen, eps) if stride > 1 or c_in != c_out else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.second(F.relu(self.first(x), inplace=True))
        if self.shortcut is not None:
            x = self.shortcut(x)
        return F.relu(y + x, inplace=True)
