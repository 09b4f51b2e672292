import pytest
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file

from paperlib.config import override
from paperlib.parts.anchors import map_shapes
from paperlib.parts.convs import ConvNorm
from paperlib.parts.trunks import Block, TrunkConfig, trunk
from paperlib.systems.fast_rcnn import FastRCNN
from paperlib.systems.presets.fast_rcnn import vgg16


@pytest.mark.parametrize("name, channels", [("tiny", None), ("tiny_deep", None), ("resnet18", [64, 128, 256, 512]),
                                            ("resnet50", [256, 512, 1024, 2048])])
def test_levels_strides_and_channels(name, channels):
    net = trunk(TrunkConfig(name)).eval()
    with torch.no_grad():
        features = net(torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8))
    assert list(features) == list(net.channels) == ([1, 2, 3, 4, 5] if "tiny" in name else [2, 3, 4, 5])
    for level, x in features.items():
        assert x.shape == (1, net.channels[level], 64 >> level, 96 >> level)
    assert channels is None or list(net.channels.values()) == channels


def test_tiny_is_tiny():
    assert 0.15e6 < sum(p.numel() for p in trunk(TrunkConfig("tiny")).parameters()) < 0.4e6


def test_tiny_deep_has_twice_the_blocks():
    weights = {name: trunk(TrunkConfig(name)).state_dict() for name in ("tiny", "tiny_deep")}
    count = {name: sum("conv.weight" in k and v.shape[-1] == 3 for k, v in weights[name].items())
             for name in ("tiny", "tiny_deep")}
    assert count == {"tiny": 9, "tiny_deep": 17}


def test_odd_sizes_round_up_and_empty_batches_pass():
    net = trunk(TrunkConfig("tiny")).eval()
    assert net(torch.zeros(1, 3, 65, 33))[5].shape[-2:] == (3, 2)
    assert net(torch.zeros(0, 3, 64, 64))[5].shape == (0, net.channels[5], 2, 2)


@pytest.mark.parametrize("size", [(64, 96), (71, 93), (78, 63)])
@pytest.mark.parametrize("name", ["tiny", "tiny_deep", "small", "medium", "large", "vgg16", "resnet18", "resnet50"])
def test_the_sizes_of_maps_are_known_before_the_trunk_runs(name, size):
    net = trunk(TrunkConfig(name)).eval()
    with torch.no_grad():
        sizes = {level: tuple(x.shape[-2:]) for level, x in net(torch.zeros(1, 3, *size)).items()}
    assert map_shapes(size, tuple(net.channels), net.floored) == sizes


def test_bytes_and_fractions_are_the_same_image():
    net = trunk(TrunkConfig("tiny")).eval()
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    for a, b in zip(net(image).values(), net(image / 255).values()):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_resnet_equals_torchvision():
    theirs = torchvision.models.resnet18(weights=None).eval()
    ours = trunk(TrunkConfig("resnet18")).eval()
    ours.body.load_state_dict({k: v for k, v in theirs.state_dict().items() if not k.startswith("fc.")})
    image = torch.rand(2, 3, 64, 64)
    x = torchvision.transforms.functional.normalize(image, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(x))))
    x = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(x))))
    torch.testing.assert_close(ours(image)[5], x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["tiny", "resnet18"])
def test_frozen_norm_is_the_stored_statistics_in_training_too(name):
    learned = trunk(TrunkConfig(name))
    for module in learned.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -1, 1)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 2)
            torch.nn.init.uniform_(module.bias, -1, 1)
    frozen = trunk(TrunkConfig(name, frozen_norm=True))
    frozen.load_state_dict(learned.state_dict())
    image = torch.rand(2, 3, 64, 64)
    for a, b in zip(learned.eval()(image).values(), frozen.train()(image).values()):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    learns = {k for k, p in frozen.named_parameters() if p.requires_grad}
    assert learns and not any("norm" in k or "bn" in k for k in learns)


@pytest.mark.parametrize("name", ["tiny", "resnet18"])
def test_frozen_stages_do_not_learn_and_keep_their_statistics(name):
    net = trunk(TrunkConfig(name, frozen_stages=2)).train()
    frozen = {id(t) for stage in net.stages()[:2] for t in (*stage.parameters(), *stage.buffers())}
    state = {**dict(net.named_parameters()), **dict(net.named_buffers())}
    before = {k: v.detach().clone() for k, v in state.items()}
    net(torch.rand(2, 3, 64, 64))[5].square().sum().backward()
    torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1).step()
    changed = {k for k, v in state.items() if not v.equal(before[k])}
    assert frozen and not {k for k, v in state.items() if id(v) in frozen} & changed
    assert {k for k, v in state.items() if id(v) not in frozen and k.endswith(("weight", "running_mean"))} <= changed


def test_weights_from_files(tmp_path, monkeypatch):
    source = trunk(TrunkConfig("tiny"))
    save_file({k: v.contiguous() for k, v in source.state_dict().items()}, tmp_path / "tiny.safetensors")
    torch.save(source.state_dict(), tmp_path / "mine.pth")
    monkeypatch.setenv("PAPERLIB_WEIGHTS", str(tmp_path))
    for weights in ("mininet", str(tmp_path / "mine.pth")):
        loaded = trunk(TrunkConfig("tiny", weights, frozen_norm=weights == "mininet")).state_dict()
        assert all(v.equal(loaded[k]) for k, v in source.state_dict().items())
    with pytest.raises(ValueError, match="does not fit trunk 'resnet18'"):
        trunk(TrunkConfig("resnet18", str(tmp_path / "mine.pth")))
    state = source.state_dict() | {"stem.0.conv.weight": torch.zeros(1, 3, 3, 3)}
    torch.save(state, tmp_path / "wrong.pth")
    with pytest.raises(ValueError, match=r"stem\.0\.conv\.weight has shape \(1, 3, 3, 3\)"):
        trunk(TrunkConfig("tiny", str(tmp_path / "wrong.pth")))


def test_vgg16_is_torchvisions_and_its_fc_layers_become_the_heads(tmp_path):
    real = torchvision.models.vgg16(init_weights=False)
    torch.save(real.state_dict(), tmp_path / "vgg16.pth")
    net = FastRCNN(override(vgg16(20), {"trunk.weights": str(tmp_path / "vgg16.pth")})).eval()
    layers = 14_714_688 + 102_764_544 + 16_781_312                       # convolutions, fc6, fc7
    assert sum(p.numel() for p in net.parameters()) == layers + 4097 * (21 + 80)
    images = torch.randint(0, 256, (1, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        want = real.features((images - net.trunk.mean * 255) / (net.trunk.std * 255))
        found = net.trunk(images)
        assert {k: v.shape[1:] for k, v in found.items()} == {
            1: (128, 112, 112), 2: (256, 56, 56), 3: (512, 28, 28), 4: (512, 14, 14)}
        torch.testing.assert_close(F.max_pool2d(found[4], 2), want, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(net.head.features(want), real.eval().classifier[:6](want.flatten(1)))
    first = {k: v.clone() for k, v in net.trunk.state_dict().items()}
    box = torch.tensor([[20.0, 20.0, 120.0, 150.0]])
    parts = net.train().losses(images, [{"boxes": box, "labels": torch.tensor([3]), "crowd": torch.tensor([False]),
                                         "proposals": torch.cat([box + 5, box + 60])}])
    sum(parts.values()).backward()
    torch.optim.SGD([p for p in net.parameters() if p.requires_grad], 0.1).step()
    moved = {int(k.split(".")[2]) for k, v in net.trunk.state_dict().items() if not v.equal(first[k])}
    assert moved == {10, 12, 14, 17, 19, 21, 24, 26, 28}                 # conv3_1 and up


def test_a_file_of_convolutions_alone_leaves_the_head_its_own_layers(tmp_path):
    real = torchvision.models.vgg16(init_weights=False).features.state_dict()
    torch.save({f"features.{k}": v for k, v in real.items()}, tmp_path / "vgg16.pth")
    net = trunk(TrunkConfig("vgg16", str(tmp_path / "vgg16.pth")))
    assert net.fc is None and net.state_dict()["body.features.28.weight"].equal(real["28.weight"])


def test_clear_errors(tmp_path, monkeypatch):
    monkeypatch.setenv("PAPERLIB_WEIGHTS", str(tmp_path))
    with pytest.raises(ValueError, match="expected one of"):
        trunk(TrunkConfig("resnet49"))
    with pytest.raises(FileNotFoundError, match=r"no file .*resnet18\.safetensors"):
        trunk(TrunkConfig("resnet18", "mininet"))
    with pytest.raises(ValueError, match="none for 'tiny'"):
        trunk(TrunkConfig("tiny", "imagenet"))
    with pytest.raises(ValueError, match="frozen_stages 9"):
        trunk(TrunkConfig("tiny", frozen_stages=9))


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["tiny", "small", "resnet18"])
def test_the_norms_epsilon_is_the_configurations(name, frozen):
    net = trunk(TrunkConfig(name, frozen_norm=frozen, norm_eps=0.5))
    norms = [m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d | torchvision.ops.FrozenBatchNorm2d)]
    assert norms and {norm.eps for norm in norms} == {0.5}


def test_a_folded_norm_adds_its_epsilon_to_the_variance():
    layer = ConvNorm(3, 4, 3, 1, frozen=True, eps=0.5)
    torch.nn.init.uniform_(layer.norm.running_var, 0.1, 0.2)
    x = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(layer.eval()(x), layer.norm(layer.conv(x)))


@pytest.mark.parametrize("c_in, c_out, stride, kept", [(8, 8, 1, True), (8, 8, 2, False), (8, 12, 1, False)])
def test_a_shortcut_is_the_input_itself_where_shapes_stay(c_in, c_out, stride, kept):
    block = Block(c_in, c_out, stride, False, 1e-5)
    assert (block.shortcut is None) == kept
    assert block(torch.rand(2, c_in, 8, 8)).shape == (2, c_out, 8 // stride, 8 // stride)


@pytest.mark.parametrize("name", ["small", "medium", "large"])
def test_the_plain_trunks_are_pooled_before_their_second_and_third_group(name):
    net = trunk(TrunkConfig(name)).eval()
    x, sides = torch.rand(1, 3, 64, 96), []
    for group in net.stages():
        x = group(x)
        sides.append(tuple(x.shape[2:]))
    assert sides == [(32, 48), (16, 24), (8, 12), (8, 12), (8, 12)]
    features = net(torch.rand(1, 3, 64, 96))
    assert {level: tuple(x.shape[1:]) for level, x in features.items()} == {
        2: (net.channels[2], 16, 24), 3: (net.channels[3], 8, 12)}


@pytest.mark.parametrize("change, words", [
    (lambda state: state.pop("stem.0.conv.weight"), r"missing \['stem\.0\.conv\.weight'\], unexpected \[\]"),
    (lambda state: state.update(spare=torch.zeros(1)), r"missing \[\], unexpected \['spare'\]")])
def test_a_key_too_few_or_too_many_is_named(tmp_path, change, words):
    state = trunk(TrunkConfig("tiny")).state_dict()
    change(state)
    torch.save(state, tmp_path / "tiny.pth")
    with pytest.raises(ValueError, match=words):
        trunk(TrunkConfig("tiny", str(tmp_path / "tiny.pth")))


def test_counters_of_batches_may_be_missing(tmp_path):
    state = trunk(TrunkConfig("tiny")).state_dict()
    counters = [key for key in state if key.endswith("num_batches_tracked")]
    for key in counters:
        del state[key]  # in place: the state's own notes, which torch reads, stay those of a whole one
    torch.save(state, tmp_path / "tiny.pth")
    net = trunk(TrunkConfig("tiny", str(tmp_path / "tiny.pth")))
    assert counters and net.stem[0].conv.weight.equal(state["stem.0.conv.weight"])


def test_imagenet_is_torchvisions_first_set_of_weights_without_the_classifier(monkeypatch):
    states = {"IMAGENET1K_V1": torchvision.models.resnet18(weights=None).state_dict(), "IMAGENET1K_V2": {}}
    asked = []

    class Stored:
        def __init__(self, name):
            self.name = name

        def get_state_dict(self, progress):
            return states[self.name]

    monkeypatch.setattr(torchvision.models, "get_model_weights",
                        lambda name: asked.append(name) or {key: Stored(key) for key in states})
    net = trunk(TrunkConfig("resnet18", "imagenet"))
    assert asked == ["resnet18"] and "fc.weight" in states["IMAGENET1K_V1"]
    for key, value in net.state_dict().items():
        assert value.equal(states["IMAGENET1K_V1"][key.removeprefix("body.")]), key
