"""Masks in windows: cutting, laying back, overlap, grids, and DeepMask's rule of the centred object."""
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pycocotools import mask as rle_tools

from paperlib.parts.masks import filled, polygons
from paperlib.parts.windows import resampling
from paperlib.parts.windows.centred import CentredConfig, label_windows, offsets, right_windows
from paperlib.parts.windows.grid import WindowConfig, around, grid
from paperlib.parts.windows.overlap import band, mask_iou, rle_iou, rles, tight_boxes

SCALE = WindowConfig(40, 4, 4)
RULE = CentredConfig()


def disc(size, x, y, radius):
    rows, columns = np.mgrid[:size, :size] + 0.5
    return torch.from_numpy((columns - x) ** 2 + (rows - y) ** 2 < radius**2)


@pytest.mark.parametrize("size", [7, 16, 40, 61])
def test_cutting_a_whole_image_is_torchs_resize(size):
    torch.manual_seed(0)
    image = torch.rand(1, 3, 40, 40)
    want = F.interpolate(image, (size, size), mode="bilinear", antialias=True, align_corners=False)
    cut = resampling.cut(image, torch.tensor([[0.0, 0, 40, 40]]), size)
    torch.testing.assert_close(cut, want, atol=2e-6, rtol=0)
    torch.testing.assert_close(resampling.resize(image[0], (size, size))[None], want)


def test_cutting_whole_pixels_copies_them_and_fills_what_is_beyond():
    image = torch.arange(48.0).view(1, 1, 6, 8)
    cut = resampling.cut(image, torch.tensor([[2.0, 1, 5, 4], [-1, 4, 2, 7]]), 3, fill=-5.0)
    assert cut[0, 0].tolist() == image[0, 0, 1:4, 2:5].tolist()
    assert cut[1, 0].tolist() == [[-5, 32, 33], [-5, 40, 41], [-5, -5, -5]]


def test_half_a_pixel_further_is_the_mean_of_two():
    image = torch.arange(48.0).view(1, 1, 6, 8)
    cut = resampling.cut(image, torch.tensor([[2.5, 1, 4.5, 3]]), 2)
    assert cut[0, 0].tolist() == [[10.5 + 0, 11.5], [18.5, 19.5]]


def test_a_middle_on_the_far_edge_is_beyond_the_image_as_pixels_end_before_it():
    ends = torch.tensor([[-0.5, 0, 0.5, 1], [7.5, 0, 8.5, 1]])
    assert resampling.cut(torch.ones(1, 1, 1, 8), ends, 1, fill=-5.0).flatten().tolist() == [1, -5]


def test_a_cell_that_an_object_covers_by_half_alone_is_not_the_objects():
    mask = torch.zeros(1, 2, 4, dtype=torch.bool)
    mask[..., 2:] = True
    half_a_pixel_off = torch.tensor([[1.5, 0, 3.5, 2]])  # cells of pixels 1 and 2, 2 and 3
    assert resampling.cut_masks(mask, half_a_pixel_off, 2)[0].tolist() == [[False, True]] * 2


def test_each_box_reads_its_own_image_and_one_image_may_serve_all():
    images, boxes = torch.rand(2, 3, 20, 20), torch.tensor([[1.0, 2, 11, 12], [-3, 4, 9, 16]])
    each = resampling.cut(images, boxes, 10)
    for i in range(2):
        torch.testing.assert_close(each[i], resampling.cut(images[i:i + 1], boxes[i:i + 1], 10)[0])
        torch.testing.assert_close(resampling.cut(images[:1], boxes, 10)[i],
                                   resampling.cut(images[:1], boxes[i:i + 1], 10)[0])


def test_laying_whole_pixels_back_copies_them():
    maps = torch.arange(1.0, 10).view(1, 3, 3)
    laid = resampling.lay(maps, torch.tensor([[1.0, -1, 4, 2]]), (4, 5), beyond=0.0)
    assert laid[0].tolist() == [[0, 4, 5, 6, 0], [0, 7, 8, 9, 0], [0] * 5, [0] * 5]


@pytest.mark.parametrize("window", [(10.0, 6, 50, 46), (3, 5, 58, 60), (-20, -12, 44, 52)])
def test_a_mask_cut_out_and_pasted_back_is_the_mask_again(window):
    mask, windows = disc(64, 28, 26, 13)[None], torch.tensor([window], dtype=torch.float32)
    again = resampling.paste(resampling.cut_masks(mask, windows, 40).float() * 2 - 1, windows, (64, 64))
    assert mask_iou(mask, again).item() > 0.95
    shifted = resampling.paste(resampling.cut_masks(mask, windows + 1, 40).float() * 2 - 1, windows, (64, 64))
    assert mask_iou(mask, shifted).item() < 0.93  # one pixel off would be seen


def test_the_threshold_is_a_probability_and_cuts_logits():
    logits = torch.tensor([[[-2.0, -1.3], [-1.5, 3.0]]])
    window = torch.tensor([[0.0, 0, 2, 2]])
    assert resampling.paste(logits, window, (2, 2), 0.2)[0].tolist() == [[False, True], [False, True]]
    assert resampling.paste(logits, window, (2, 2), 0.5)[0].tolist() == [[False, False], [False, True]]
    assert resampling.paste(logits[:0], window[:0], (2, 2)).shape == (0, 2, 2)


def test_nothing_is_pasted_outside_a_window():
    window = torch.tensor([[2.0, 2, 5, 5]])
    pasted = resampling.paste(torch.full((1, 6, 6), 9.0), window, (8, 8))
    assert pasted.sum() == 9 and pasted[0, 2:5, 2:5].all()


def test_overlap_equals_pycocotools_on_masks_and_run_lengths():
    masks = torch.stack([disc(40, 10 + 4 * i, 14 + 3 * i, 5 + i) for i in range(5)])
    want = rle_tools.iou(rles(masks), rles(masks), [0] * 5)
    np.testing.assert_allclose(mask_iou(masks, masks), want, atol=1e-6)
    np.testing.assert_allclose(rle_iou(rles(masks), rles(masks)), want)
    over_crowd = rle_iou(rles(masks), rles(masks[:1]), np.array([True]))[:, 0]
    assert over_crowd[2] == pytest.approx((masks[2] & masks[0]).sum() / masks[2].sum())
    assert rle_iou([], rles(masks)).shape == (0, 5) and rles(masks[:0]) == []
    assert mask_iou(masks[:0], masks).shape == (0, 5)


def test_tight_boxes_are_those_of_pycocotools():
    masks = torch.stack([disc(40, 12, 20, 6), disc(40, 2, 3, 5), torch.zeros(40, 40, dtype=torch.bool)])
    boxes = tight_boxes(masks)
    xywh = torch.tensor(rle_tools.toBbox(rles(masks)), dtype=torch.float32)
    torch.testing.assert_close(boxes[:2, 2:] - boxes[:2, :2], xywh[:2, 2:])
    torch.testing.assert_close(boxes[:, :2], xywh[:, :2])
    assert boxes[2].tolist() == [0, 0, 0, 0]


def test_a_hole_stays_a_hole():
    ring = disc(40, 20, 20, 12) & ~disc(40, 20, 20, 5)
    again = filled(polygons(ring.numpy()), 40, 40)
    assert (again == ring.numpy()).all()
    window = torch.tensor([[0.0, 0, 40, 40]])
    cells = resampling.cut_masks(ring[None], window, 20)
    assert not cells[0, 10, 10] and cells[0, 10, 3:5].any()


def test_the_band_is_on_both_sides_of_the_border_and_not_at_the_images_edge():
    mask = np.zeros((12, 12), bool)
    mask[:, :5] = True
    columns = band(mask, 2).all(0)
    assert columns.tolist() == [False] * 3 + [True] * 4 + [False] * 5
    assert not band(np.ones((6, 6), bool), 2).any()


def test_windows_lie_a_stride_apart_with_their_middles_from_edge_to_edge():
    for octaves in (-1.5, 0.0, 0.5):
        of_scale = grid((96, 128), octaves, SCALE)
        windows = of_scale.windows.view(*of_scale.shape, 4)
        middle = (windows[..., :2] + windows[..., 2:]) / 2
        h, w = of_scale.scaled
        for i, j in ((0, 0), (1, 2), (of_scale.shape[0] - 1, of_scale.shape[1] - 1)):
            want = torch.tensor((4 * j * 128 / w, 4 * i * 96 / h))  # stride * i / scale
            torch.testing.assert_close(middle[i, j], want)
        assert middle[-1, -1, 0] >= 128 > middle[-1, -2, 0] and middle[-1, -1, 1] >= 96
        assert of_scale.padded[0] == 4 * (of_scale.shape[0] - 1) + 48 and of_scale.offset == 24


def test_the_windows_of_table_3_1_have_its_density():
    for size, stride, cells in ((224, 16, 14), (160, 16, 10), (112, 16, 7), (112, 8, 14), (40, 4, 10)):
        assert WindowConfig(size, stride, 0).cells == cells
    odd = grid((64, 64), 0.0, WindowConfig(112, 16, 16))
    assert (odd.windows[0, :2] + 56).tolist() == [-8, -8]  # half a stride beside the corner
    assert grid((1, 64), -2.5, SCALE).scaled == (1, 11)  # a line of pixels keeps one


def test_clear_errors():
    with pytest.raises(ValueError, match="window of 42 px, context 4 px, stride 4"):
        WindowConfig(42, 4, 4).check()
    with pytest.raises(ValueError, match="scales is empty"):
        WindowConfig(40, 4, 4, scales=()).check()
    with pytest.raises(ValueError, match="0 < shift <= far"):
        CentredConfig(far=0.05)


def test_context_surrounds_a_window_on_all_sides():
    assert around(torch.tensor([[0.0, 0, 20, 20]]), SCALE).tolist() == [[-2, -2, 22, 22]]


def label_slow(windows, boxes, cfg, rule):
    """Window by window, object by object, everything in px of the enlarged image."""
    labels, objects = [], []
    for x1, y1, x2, _ in windows.tolist():
        scale = cfg.size / (x2 - x1)
        fits, near = [], False
        for g, (bx1, by1, bx2, by2) in enumerate(boxes.tolist()):
            dx = ((bx1 + bx2) / 2 - x1) * scale - cfg.size / 2
            dy = ((by1 + by2) / 2 - y1) * scale - cfg.size / 2
            octaves = math.log2(max(bx2 - bx1, by2 - by1) * scale / cfg.object_size)
            if max(abs(dx), abs(dy)) <= rule.shift * cfg.size and abs(octaves) <= rule.octaves:
                fits.append((abs(octaves), g))
            near = near or (math.hypot(dx, dy) < rule.far * cfg.size and abs(octaves) < rule.other)
        labels.append(1 if fits else -1 if near else 0)
        objects.append(min(fits)[1] if fits else -1)
    return labels, objects


def test_labels_equal_the_slow_rule_at_every_scale():
    boxes = torch.tensor([[20.0, 30, 44, 50], [70, 10, 78, 18], [60, 60, 120, 110], [24, 34, 40, 56]])
    for octaves in (-1.5, 0.0, 1.0):
        windows = grid((128, 128), octaves, SCALE).windows
        gt, label = label_windows(windows, boxes, SCALE, RULE)
        want, objects = label_slow(windows, boxes, SCALE, RULE)
        assert label.tolist() == want and {-1, 0} <= set(want)
        assert [g for g, y in zip(gt.tolist(), want) if y == 1] == [g for g in objects if g >= 0]


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_a_scene_and_its_enlargement_have_the_same_labels(factor):
    """Positives and negatives are measured in one frame: what a window shows decides, not how large it is."""
    boxes = torch.tensor([[20.0, 30, 44, 50], [70, 10, 78, 18]])
    windows = torch.rand(400, 2, generator=torch.Generator().manual_seed(0)) * 100
    windows = torch.cat([windows, windows + 36], 1)
    _, label = label_windows(windows, boxes, SCALE, RULE)
    _, enlarged = label_windows(windows * factor, boxes * factor, SCALE, RULE)
    assert enlarged.equal(label) and {-1, 0, 1} == set(label.tolist())


def test_the_grey_zone_lies_between_both_labels():
    box = torch.tensor([[28.0, 28, 28 + SCALE.object_size, 28 + SCALE.object_size]])
    window = right_windows(box, SCALE)
    torch.testing.assert_close(window[0, 2] - window[0, 0], torch.tensor(40.0))
    for shift, want in ((0, 1), (3.9, 1), (4.1, -1), (11.9, -1), (12.1, 0)):
        moved = window + torch.tensor([shift, 0.0, shift, 0.0])
        assert label_windows(moved, box, SCALE, RULE)[1].item() == want
    for octaves, want in ((0.24, 1), (-0.24, 1), (0.26, -1), (-0.26, -1), (2.4, -1), (2.6, 0), (-2.6, 0)):
        larger = right_windows(torch.cat([(box[:, :2] + box[:, 2:]) / 2] * 2, 1)
                               + torch.tensor([-1.0, -1, 1, 1]) * SCALE.object_size / 2 * 2**octaves, SCALE)
        assert label_windows(larger, box, SCALE, RULE)[1].item() == want


def test_of_two_objects_that_fit_a_window_is_about_the_nearer_in_size():
    side = SCALE.object_size
    boxes = torch.tensor([[20 - side * 0.57, 10, 20 + side * 0.57, 30], [23 - side / 2, 10, 23 + side / 2, 30]])
    gt, label = label_windows(torch.tensor([[0.0, 0, 40, 40]]), boxes, SCALE, RULE)
    assert label.tolist() == [1] and gt.tolist() == [1]  # the first is nearer in place, and 14% too large


def test_crowds_are_no_objects_and_no_background():
    boxes = torch.tensor([[20.0, 30, 43, 50], [60, 60, 100, 100]])
    crowd = torch.tensor([False, True])
    windows = grid((128, 128), 0.0, SCALE).windows
    gt, label = label_windows(windows, boxes, SCALE, RULE, crowd)
    alone = label_windows(windows, boxes[:1], SCALE, RULE)[1]
    middle = (windows[:, :2] + windows[:, 2:]) / 2
    hidden = ((middle >= 60) & (middle < 100)).all(1)
    assert (label[hidden] == -1).all() and label[~hidden].equal(alone[~hidden]) and (gt == 0).all()
    other, same = label_windows(windows, boxes.flip(0), SCALE, RULE, crowd.flip(0))
    assert same.equal(label) and (other[same == 1] == 1).all()  # the object comes second there
    around = torch.cat([boxes[:1], torch.tensor([[-99.0, -99, 299, 299]])])
    within = label_windows(windows, around, SCALE, RULE, crowd)[1]
    assert within.equal(torch.where(alone == 1, 1, -1)) and (alone == 1).any()
    only = label_windows(windows, boxes[1:], SCALE, RULE, crowd[1:])[1]
    assert set(only.tolist()) == {-1, 0}


def test_no_objects_at_all():
    windows = grid((64, 64), 0.0, SCALE).windows
    gt, label = label_windows(windows, torch.zeros(0, 4), SCALE, RULE)
    assert (label == 0).all() and len(gt) == len(windows)
    off, octaves = offsets(windows, torch.zeros(0, 4), SCALE)
    assert off.shape == (len(windows), 0, 2) and octaves.shape == (len(windows), 0)
