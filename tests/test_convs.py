import torch
from torch import nn

from paperlib.parts.convs import Pointwise


def test_equals_an_ordinary_1x1_convolution():
    ours, plain = Pointwise(6, 4), nn.Conv2d(6, 4, 1)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(ours(x), plain(x))
    for a, b in zip(torch.autograd.grad(ours(x).square().sum(), list(ours.parameters())),
                    torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))):
        torch.testing.assert_close(a, b)
