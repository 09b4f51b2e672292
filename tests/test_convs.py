import torch
from torch import nn

from paperlib.parts.convs import Pointwise, pointwise


def test_equals_an_ordinary_1x1_convolution():
    ours, plain = Pointwise(6, 4), nn.Conv2d(6, 4, 1)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 6, 5, 7)
    torch.testing.assert_close(ours(x), plain(x))
    for a, b in zip(torch.autograd.grad(ours(x).square().sum(), list(ours.parameters())),
                    torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))):
        torch.testing.assert_close(a, b)


def test_only_plain_1x1_convolutions_of_a_network_become_pointwise():
    class Own(nn.Conv2d):
        """A layer of somebody's own, which may do more."""

    layers = {"plain": nn.Conv2d(8, 8, 1), "grouped": nn.Conv2d(8, 8, 1, groups=2), "strided": nn.Conv2d(8, 8, 1, 2),
              "wide": nn.Conv2d(8, 8, 3), "own": Own(8, 8, 1)}
    net, x = nn.ModuleDict(layers), torch.randn(2, 8, 6, 6)
    before = {name: layer(x) for name, layer in layers.items()}
    pointwise(net)
    assert [name for name, layer in net.items() if isinstance(layer, Pointwise)] == ["plain"]
    for name, layer in net.items():
        torch.testing.assert_close(layer(x), before[name])
