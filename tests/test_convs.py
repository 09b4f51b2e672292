import pytest
import torch
from torch import nn

from paperlib.parts.convs import Halving, Pointwise, pointwise


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


@pytest.mark.parametrize("height, width", [(1, 1), (2, 1), (1, 2), (5, 4)])
def test_halving_equals_an_ordinary_convolution(height, width):
    ours, plain = Halving(16, 16), nn.Conv2d(16, 16, 3, 2, 1)
    plain.load_state_dict(ours.state_dict())
    x = torch.randn(2, 16, height, width)
    torch.testing.assert_close(ours(x), plain(x))
    for a, b in zip(torch.autograd.grad(ours(x).square().sum(), list(ours.parameters())),
                    torch.autograd.grad(plain(x).square().sum(), list(plain.parameters()))):
        torch.testing.assert_close(a, b)


def test_halving_a_map_of_one_cell_in_bfloat16_leaves_no_gradient_unwritten():
    layer, x = Halving(32, 32), torch.randn(2, 32, 1, 1)
    for _ in range(5):
        stale = [torch.full((size,), torch.nan) for size in (1024, 9216, 18432, 36864)]
        del stale                                                       # memory that the gradient may lie in next
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            layer(x).square().sum().backward()
        gradient = layer.weight.grad.clone()
        assert gradient[:, :, 1, 1].isfinite().all()
        gradient[:, :, 1, 1] = 0
        assert not gradient.any()                                        # the other taps see padding alone
