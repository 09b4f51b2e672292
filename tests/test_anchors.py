import math

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

from paperlib.parts.anchors import AnchorConfig, anchors_for, base_anchors, inside


def anchors_slow(cfg, shapes):
    out = []
    for level in cfg.levels:
        for row in range(shapes[level][0]):
            for col in range(shapes[level][1]):
                x, y = (col + 0.5) * 2**level, (row + 0.5) * 2**level
                for ratio in cfg.ratios:
                    for scale in cfg.scales:
                        side = cfg.size_per_stride * 2**level * scale
                        w, h = side / ratio**0.5, side * ratio**0.5
                        out.append([x - w / 2, y - h / 2, x + w / 2, y + h / 2])
    return torch.tensor(out)


def test_equals_the_slow_spec():
    cfg, shapes = AnchorConfig(), {3: (4, 5), 4: (2, 3), 5: (1, 2), 6: (1, 1), 7: (1, 1)}
    torch.testing.assert_close(anchors_for(cfg, shapes), anchors_slow(cfg, shapes))


def test_the_papers_shapes():
    cfg = AnchorConfig()
    sides = [base_anchors(cfg, level) for level in cfg.levels]
    areas = torch.cat([(b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in sides])
    assert areas.min().sqrt().item() == pytest.approx(32)
    assert areas.max().sqrt().item() == pytest.approx(813, abs=0.5)  # "32 to 813 pixels"
    wide, square, tall = base_anchors(AnchorConfig(scales=(1.0,)), 3)
    assert (square[2] * 2, wide[2] / wide[3], tall[3] / tall[2]) == (32, pytest.approx(2), pytest.approx(2))
    assert cfg.shapes_per_position == 9
    given = AnchorConfig(levels=(3,), sizes=((32.0, 64.0),))             # sides in px count instead of scales
    assert given.shapes_per_position == len(base_anchors(given, 3)) == 6


@pytest.mark.parametrize("size", [(256, 384), (800, 1088)])
def test_rounded_anchors_equal_torchvision(size):
    sizes = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in (32, 64, 128, 256, 512))
    shapes = {level: tuple(math.ceil(side / 2**level) for side in size) for level in range(3, 8)}
    theirs = AnchorGenerator(sizes, ((0.5, 1.0, 2.0),) * 5)(
        ImageList(torch.zeros(1, 3, *size), [size]), [torch.zeros(1, 1, *s) for s in shapes.values()])[0]
    ours = anchors_for(AnchorConfig(sizes=sizes, rounded=True, offset=0.0, fit_image=True), shapes, image_size=size)
    torch.testing.assert_close(ours, theirs)


def test_faster_rcnn_has_nine_anchors_on_one_level():
    cfg = AnchorConfig(levels=(4,), sizes=((128, 256, 512),))
    got = anchors_for(cfg, {4: (2, 3), 5: (1, 2)})
    assert got.shape == (2 * 3 * 9, 4) and cfg.shapes_per_position == 9
    assert got[4].tolist() == [8 - 128, 8 - 128, 8 + 128, 8 + 128]  # ratio 1, side 256, first cell of stride 16


def test_border_rule_by_hand():
    a = torch.tensor([[0.0, 0, 10, 10], [-1, 0, 5, 5], [0, 0, 21, 10], [0, 0, 20, 30]])
    assert inside(a, (30, 20)).tolist() == [True, False, False, True]
    assert inside(a, (30, 20), border=1).all() and inside(a, (1, 1), border=math.inf).all()
    assert inside(a[:0], (1, 1)).shape == (0,)


def test_empty_maps_and_errors():
    assert anchors_for(AnchorConfig(levels=(3,)), {3: (0, 4)}).shape == (0, 4)
    with pytest.raises(KeyError, match="level 4"):
        anchors_for(AnchorConfig(levels=(3, 4)), {3: (1, 1)})
    with pytest.raises(ValueError, match="one tuple of sides per level"):
        anchors_for(AnchorConfig(levels=(3, 4), sizes=((32,),)), {3: (1, 1), 4: (1, 1)})
    with pytest.raises(ValueError, match="image_size"):
        anchors_for(AnchorConfig(levels=(3,), fit_image=True), {3: (1, 1)})


def test_anchors_made_during_inference_can_be_trained_on():
    cfg, shapes = AnchorConfig(levels=(3,), size_per_stride=5.0), {3: (2, 2)}
    with torch.inference_mode():
        anchors_for(cfg, shapes)
    x = torch.ones(4, requires_grad=True)
    (anchors_for(cfg, shapes) * x).sum().backward()
    assert x.grad.isfinite().all()
