"""Convolutions that several parts share."""
import torch.nn.functional as F
from torch import Tensor, nn


class Pointwise(nn.Conv2d):
    """A 1x1 convolution; the same as nn.Conv2d(c_in, c_out, 1), and faster on one CPU thread.

    There torch sends undilated 1x1 convolutions to a general matrix product and only the others to oneDNN,
    which is twice as fast. Dilation has no meaning for one tap, so on a CPU this layer claims to be dilated.
    """

    def __init__(self, c_in: int, c_out: int):
        super().__init__(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, self.bias, dilation=2 if x.device.type == "cpu" else 1)


def pointwise(net: nn.Module) -> None:
    """Make the undilated 1x1 convolutions of somebody else's network `Pointwise`, in place;
    weights and names stay."""
    for layer in net.modules():
        if type(layer) is nn.Conv2d and layer.kernel_size == layer.stride == (1, 1) and layer.groups == 1:
            layer.__class__ = Pointwise
