import pytest
import torch
import torch.nn.functional as F
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

from paperlib.parts.pyramids import PyramidConfig, pyramid

CHANNELS = {2: 8, 3: 16, 4: 24, 5: 32}


def features(n=2, size=64, seed=0):
    g = torch.Generator().manual_seed(seed)
    return {level: torch.randn(n, c, size >> level, size >> level, generator=g) for level, c in CHANNELS.items()}


@pytest.mark.parametrize("extra_from", ["C", "P"])
def test_equals_torchvision(extra_from):
    ours = pyramid(PyramidConfig(dim=12, extra_from=extra_from), CHANNELS)
    blocks = LastLevelP6P7(32 if extra_from == "C" else 12, 12)
    theirs = FeaturePyramidNetwork([16, 24, 32], 12, extra_blocks=blocks)
    for i, level in enumerate("345"):
        theirs.inner_blocks[i][0].load_state_dict(ours.lateral[level].state_dict())
        theirs.layer_blocks[i][0].load_state_dict(ours.smooth[level].state_dict())
    blocks.p6.load_state_dict(ours.down["6"].state_dict())
    blocks.p7.load_state_dict(ours.down["7"].state_dict())
    x = features()
    want = theirs({str(level): x[level] for level in (3, 4, 5)})
    got = ours(x)
    assert list(got) == [3, 4, 5, 6, 7]
    for a, b in zip(got.values(), want.values()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("lateral, top_down, relu, residual", [
    (True, True, False, False), (True, False, False, False), (False, True, False, False), (True, True, True, False),
    (True, True, False, True)])
def test_switches_equal_the_recursion(lateral, top_down, relu, residual):
    cfg = PyramidConfig((2, 3, 4, 5), 12, lateral, top_down, extra=None, relu=relu, residual=residual)
    net, x = pyramid(cfg, CHANNELS), features()
    act = F.relu if relu else torch.clone
    top = act(net.lateral["5"](x[5]))
    merged = {5: top}
    for level in (4, 3, 2):
        up = F.interpolate(merged[level + 1], scale_factor=2, mode="nearest")
        merged[level] = (up if top_down else 0) + (act(net.lateral[str(level)](x[level])) if lateral else 0)
    for level, got in net(x).items():
        torch.testing.assert_close(got, act(net.smooth[str(level)](merged[level])))
    out = sum(v.sum() for v in net(x).values())
    assert all(g is not None for g in torch.autograd.grad(out, list(net.parameters())))  # nothing is left unused


def test_a_residual_lateral_is_the_plain_one_and_a_bottleneck():
    block, x = pyramid(PyramidConfig((2, 3, 4, 5), 12, extra=None, residual=True), CHANNELS).lateral["4"], features()[4]
    squeezed = F.relu(F.conv2d(x, block.squeeze.weight, block.squeeze.bias))
    assert squeezed.shape[1] == 3                          # a quarter of 12 channels, as in a ResNet
    middle = F.relu(F.conv2d(squeezed, block.middle.weight, block.middle.bias, padding=1))
    wide = F.conv2d(middle, block.widen.weight, block.widen.bias)
    torch.testing.assert_close(block(x), F.conv2d(x, block.projection.weight, block.projection.bias) + wide)


def test_pool_takes_every_second_pixel():
    net = pyramid(PyramidConfig((2, 3, 4, 5, 6), 12, extra="pool"), CHANNELS)
    out = net(features(size=128))
    torch.testing.assert_close(out[6], F.max_pool2d(out[5], 1, 2))


def test_single_is_the_trunks_own_map():
    net, x = pyramid(PyramidConfig((4,), kind="single"), CHANNELS), features()
    assert net.dim == 24 and net(x) == {4: x[4]}


def test_odd_sizes_and_batches():
    net = pyramid(PyramidConfig((2, 3, 4, 5, 6), 12), CHANNELS)
    x = {level: torch.randn(1, c, *s) for (level, c), s in zip(CHANNELS.items(), [(17, 9), (9, 5), (5, 3), (3, 2)])}
    one = net(x)
    assert one[2].shape == (1, 12, 17, 9) and one[6].shape == (1, 12, 2, 1)
    for level, two in net({level: v.repeat(2, 1, 1, 1) for level, v in x.items()}).items():
        torch.testing.assert_close(two, one[level].repeat(2, 1, 1, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cfg, message", [
    (PyramidConfig((3, 4), kind="single"), "exactly one"), (PyramidConfig((2, 3, 4, 5, 6), extra=None), "levels"),
    (PyramidConfig((2, 4)), "consecutive"), (PyramidConfig((1, 2)), "levels"), (PyramidConfig((6, 7)), "levels"),
    (PyramidConfig(lateral=False, top_down=False), "no input"), (PyramidConfig(extra="deconv"), "'deconv'")])
def test_clear_errors(cfg, message):
    with pytest.raises(ValueError, match=message):
        pyramid(cfg, CHANNELS)


def test_weights_begin_as_a_linear_layers_would():
    torch.manual_seed(0)
    made = pyramid(PyramidConfig(dim=12), CHANNELS)
    for conv in (m for m in made.modules() if isinstance(m, torch.nn.Conv2d)):
        bound = (3 / conv.weight[0].numel()) ** 0.5                      # uniform, variance 1 / fan-in
        assert 0.95 * bound < conv.weight.abs().max() <= bound and not conv.bias.any()
