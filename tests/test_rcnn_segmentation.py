"""Segmentation by regions: masks, features with and without surroundings, pasting, VOC's accuracy."""
import numpy as np
import pytest
import torch
from test_rcnn import network

from paperlib.data.named_sets import load
from paperlib.scoring.coco_metrics import evaluate
from paperlib.scoring.segmentation import accuracy, confusion, paste, true_labels
from paperlib.systems.rcnn_config import SegmentationConfig
from paperlib.training.rcnn.regions import overlaps_of, region_features, regions_of
from paperlib.training.rcnn.regressors import fit_regressors, segment_stage


def blocks():
    """A picture of four flat quarters."""
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    image[0, :32, :32], image[1, :32, 32:], image[2, 32:, :32] = 250, 250, 250
    return image


def test_regions_are_the_segments_each_once():
    masks = regions_of(blocks(), SegmentationConfig(scales=(100.0, 300.0)))
    quarters = torch.zeros(4, 64, 64, dtype=torch.bool)
    quarters[0, :32, :32] = quarters[1, :32, 32:] = quarters[2, 32:, :32] = quarters[3, 32:, 32:] = True
    iou = torch.stack([(masks & q).sum((1, 2)) / (masks | q).sum((1, 2)) for q in quarters])
    assert (iou.amax(1) > 0.9).all() and len({mask.numpy().tobytes() for mask in masks}) == len(masks)
    assert len(regions_of(blocks(), SegmentationConfig(most=2))) == 2


def test_the_largest_regions_come_first():
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    image[0, :, :16], image[1, :, 16:36] = 250, 250
    masks = regions_of(image, SegmentationConfig(scales=(100.0,)))
    areas = masks.flatten(1).sum(1).tolist()
    assert areas == sorted(areas, reverse=True) and areas[0] > areas[1]
    assert regions_of(image, SegmentationConfig(scales=(100.0,), most=1)).equal(masks[:1])


def test_foreground_features_do_not_see_the_rest():
    net, image = network(), blocks()
    mask = torch.zeros(1, 64, 64, dtype=torch.bool)
    mask[0, 8:40, 8:40] = True
    mask[0, 8:20, 8:20] = False
    changed = image.clone()
    changed[:, 8:20, 8:20] = 99  # inside the rectangle, outside the region
    for strategy, same in (("fg", True), ("full", False)):
        before, after = (region_features(net, picture, mask, "fc6", strategy) for picture in (image, changed))
        assert before.allclose(after, atol=1e-6) == same
    both = region_features(net, image, mask, "fc6", "full+fg")
    assert both.shape == (1, 128)
    torch.testing.assert_close(both[:, 64:], region_features(net, image, mask, "fc6", "fg"))
    with pytest.raises(ValueError, match="strategy 'bg': expected one of full, fg"):
        region_features(net, image, mask, "fc6", "bg")


def test_overlaps_are_with_the_best_object_of_each_class():
    masks = torch.zeros(2, 8, 8, dtype=torch.bool)
    masks[0, :4], masks[1, 4:] = True, True
    objects = torch.zeros(3, 8, 8, dtype=torch.bool)
    objects[0, :4], objects[1, :2], objects[2, 2:6] = True, True, True
    target = {"masks": objects, "labels": torch.tensor([1, 1, 3])}
    np.testing.assert_allclose(overlaps_of(masks, target, 3), [[1, 0, 1 / 3], [0, 0, 1 / 3]], atol=1e-6)


def test_the_best_region_lies_on_top_and_weak_ones_are_left_out():
    masks = torch.zeros(3, 4, 4, dtype=torch.bool)
    masks[0], masks[1, :2], masks[2, :, :1] = True, True, True
    scores = np.array([[0.5, 0.1], [0.2, 0.9], [0.29, 0.1]])
    for threshold in (0.3, 0.5):  # .5 itself is enough
        assert paste(masks, scores, threshold).tolist() == [[2] * 4] * 2 + [[1] * 4] * 2


def test_accuracy_counts_both_kinds_of_errors_and_background():
    truth, guess = torch.tensor([[0, 0, 1, 1, 2, 2]]), torch.tensor([[0, 1, 1, 1, 0, 2]])
    np.testing.assert_allclose(accuracy(confusion(guess, truth, 3)), [1 / 3, 2 / 3, 1 / 2, np.nan])
    target = {"size": torch.tensor([2, 2]), "masks": torch.tensor([[[1, 1], [0, 0]], [[0, 1], [0, 0]]]).bool(),
              "labels": torch.tensor([3, 1])}
    assert true_labels(target).tolist() == [[3, 1], [0, 0]]


def test_regressors_learn_a_linear_rule():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5))
    overlaps = np.stack([features @ [0.2, 0, 0.1, 0, 0] + 0.4, features @ [0, -0.1, 0, 0, 0.2]], 1)
    weights, constants = fit_regressors(features, overlaps, SegmentationConfig(c=10.0, epsilon=0.0))
    np.testing.assert_allclose(features @ weights.T + constants, overlaps, atol=0.05)


@pytest.mark.parametrize("strategy", ["full", "full+fg"])
def test_drawn_scenes_go_through(strategy):
    train, test = (load("minivoc", split, limit=4) for split in ("trainval", "test"))
    shape = {"segment.strategy": strategy, "segment.scales": [200.0], "segment.most": 20, "segment.images": 0.5,
             "segment.epsilon": 0.0}
    nets = [network(**shape, layer=layer) for layer in ("fc6", "fc6", "fc7")]
    records = [segment_stage(net, train, seed) for net, seed in zip(nets, (0, 3, 0))]
    assert nets[0].regressors.weight.shape == (20, 64 * len(strategy.split("+")))
    assert not nets[0].regressors.weight.equal(nets[1].regressors.weight)  # a seed draws the images
    assert all(0 < record["loss"] < 1 for record in records)
    metrics = evaluate(nets[0], test, torch.device("cpu"), draws=3)
    assert 0 < metrics["background"] <= 1 and len(metrics["draws"]["mean accuracy"]) == 3
    each = [metrics[name] for name in ("background", *test.classes)]
    assert metrics["mean accuracy"] == pytest.approx(np.nanmean(each))


def test_a_strategy_that_is_none_is_refused():
    with pytest.raises(ValueError, match="strategy 'bg': expected one of full, fg, full\\+fg, or ''"):
        network(**{"segment.strategy": "bg"})
