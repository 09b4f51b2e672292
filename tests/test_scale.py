"""A model's scale stands in one place, trunk.scale: maps, anchors and windows follow it."""
from dataclasses import replace

import pytest
import torch

from paperlib.config import override
from paperlib.papers.printed import published
from paperlib.parts.anchors import AnchorConfig, anchors_for, map_shapes
from paperlib.parts.roi_pooling import RoIConfig, pool
from paperlib.parts.trunks import TrunkConfig, trunk
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.training.loop import learning_rate
from paperlib.training.recipes import Recipe

SCALES = (0.25, 0.5, 1.0)
BOXES = torch.tensor([[3.0, 5, 40, 30], [20, 20, 60, 62]])


def slim(scale, name="slim"):
    return trunk(TrunkConfig(name, scale=scale)).eval()


@pytest.mark.parametrize("size", [(64, 96), (71, 45)])
@pytest.mark.parametrize("scale", SCALES)
def test_a_levels_stride_is_the_papers_times_the_scale(scale, size):
    net = slim(scale)
    with torch.no_grad():
        features = net(torch.rand(1, 3, *size))
    assert list(features) == [2, 3, 4, 5]
    for level, (h, w) in map_shapes(size, (2, 3, 4, 5), net.floored, scale).items():
        stride = 2**level * scale
        assert features[level].shape == (1, net.channels[level], h, w)
        assert (h, w) == (-(-size[0] // stride), -(-size[1] // stride))


def test_all_scales_have_the_same_weights():
    shapes = [{key: value.shape for key, value in slim(scale).state_dict().items()} for scale in SCALES]
    assert shapes[0] == shapes[1] == shapes[2]


def test_the_finest_level_is_shallow_and_the_coarsest_deep():
    def layers(name):
        net = slim(0.5, name)
        counts = [sum(m.kernel_size == (3, 3) for m in s.modules() if isinstance(m, torch.nn.Conv2d))
                  for s in net.stages()]
        return torch.tensor(counts).cumsum(0).tolist()[1:]
    assert layers("slim") == [3, 5, 9, 13] and layers("slim_deep") == [3, 5, 17, 21]


@pytest.mark.parametrize("name, scale, words", [("tiny", 0.5, r"'tiny': expected one of \(1.0,\)"),
                                                ("slim", 2.0, "expected one of .0.25, 0.5, 1.0.")])
def test_a_scale_that_a_trunk_does_not_have_is_refused(name, scale, words):
    with pytest.raises(ValueError, match=rf"trunk\.scale {scale} of .*{words}"):
        trunk(TrunkConfig(name, scale=scale))


def test_anchors_of_half_the_scale_are_half_as_large_and_as_far_apart():
    cfg, shapes = AnchorConfig(levels=(3, 4)), {3: (4, 5), 4: (2, 3)}
    torch.testing.assert_close(2 * anchors_for(cfg, shapes, scale=0.5), anchors_for(cfg, shapes))


@pytest.mark.parametrize("kind", ["max", "align", "warp"])
def test_windows_of_half_the_scale_are_those_of_rois_twice_as_large(kind):
    torch.manual_seed(0)
    maps = {level: torch.rand(1, 3, 128 >> level, 128 >> level) for level in (2, 3)}
    rois = torch.cat([torch.zeros(2, 1), BOXES.round()], 1)
    twice = torch.cat([rois[:, :1], 2 * rois[:, 1:]], 1)
    cfg = RoIConfig(kind, side=3, canonical_size=40.0, canonical_level=3)
    if kind == "max":  # which takes the last px as part of a RoI
        twice[:, 3:] -= 1
    windows = pool(maps, rois, cfg, 0.5)
    torch.testing.assert_close(windows, pool(maps, twice, replace(cfg, canonical_size=80.0)))
    assert (windows - pool(maps, rois, cfg)).abs().max() > 0.1


@pytest.mark.parametrize("system", ["retinanet", "rpn", "faster_rcnn"])
@pytest.mark.parametrize("scale", [0.25, 0.5])
def test_the_systems_train_and_detect_at_a_scale(system, scale):
    torch.manual_seed(0)
    net = SYSTEMS[system](override(PRESETS[system]["scale"](3), {"trunk.scale": scale}))
    images = torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8)
    targets = [{"boxes": BOXES, "labels": torch.tensor([1, 3])}] * 2
    losses = net.losses(images, net.observe(images, targets))
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values())
    logits, _, anchors = net.predict_levels(images)
    finest = min(net.cfg.trained_anchors().anchors.levels)
    cells = (64 / (2**finest * scale)) * (96 / (2**finest * scale))
    assert logits[0].shape[1] == len(anchors[0]) == cells * net.cfg.trained_anchors().anchors.shapes_per_position
    torch.testing.assert_close(anchors[0].unflatten(0, (int(cells), -1))[0].mean(0).reshape(2, 2).mean(0),
                               torch.full((2,), 2**finest * scale / 2))  # the first cell's centre
    assert len(net.eval().detect(images)) == 2


@pytest.mark.parametrize("table", ["fpn/1", "fpn/2", "fpn/3", "fpn/5", "focal_loss/1d", "focal_loss/1e",
                                   "focal_loss/2"])
def test_the_tables_rows_can_be_built_from_the_scale_model(table):
    body, built = published()[table], 0
    system = body["run"]["system"]
    for row in body["rows"]:
        setting = row.get("set")
        if setting is None:
            continue
        setting = setting.get("scale", {} if "resnet50" in setting else setting)
        changes = {key: value for key, value in setting.items() if not key.startswith("recipe.")}
        SYSTEMS[system](override(PRESETS[system]["scale"](3), changes))
        built += 1
    assert built >= 2


def test_linear_decay_goes_from_the_warm_up_straight_to_nothing():
    recipe = Recipe(steps=110, lr=1.0, warmup=10, decay="linear")
    rates = [learning_rate(step, recipe) for step in (0, 5, 10, 60, 109)]
    assert rates == pytest.approx([0.1, 0.55, 1.0, 0.5, 0.01])
    with pytest.raises(ValueError, match=r"recipe\.decay is 'cosine', expected 'steps' or 'linear'"):
        learning_rate(0, replace(recipe, decay="cosine"))
