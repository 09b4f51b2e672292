import pytest
import torch
from test_boxes import DEVICES, random_boxes

from paperlib.parts import boxes
from paperlib.parts.matching import ignore_crowds, match
from paperlib.parts.sampling import pad_targets, sample


def match_slow(overlaps, hi, lo, best):
    num_gt, num_anchors = overlaps.shape
    gt, label = [0] * num_anchors, [0] * num_anchors
    for a in range(num_anchors):
        column = overlaps[:, a].tolist()
        top = max(column, default=0.0)
        gt[a] = column.index(top) if column else 0
        label[a] = 1 if top >= hi else 0 if top < lo else -1
    for g in range(num_gt if best else 0):
        top = max(overlaps[g].tolist())
        for a in range(num_anchors):
            if top > 0 and overlaps[g, a] == top:
                label[a] = 1
    return gt, label


@pytest.mark.parametrize("best", [False, True])
@pytest.mark.parametrize("device", DEVICES)
def test_match_equals_the_slow_spec(device, best):
    for seed in range(5):
        overlaps = boxes.iou(random_boxes(4, seed=seed), random_boxes(80, seed=seed + 10))
        gt, label = match(overlaps.to(device), 0.5, 0.3, best)
        assert (gt.tolist(), label.tolist()) == match_slow(overlaps, 0.5, 0.3, best)


def test_match_by_hand():
    overlaps = torch.tensor([[0.5, 0.45, 0.1, 0.2, 0.0], [0.0, 0.0, 0.3, 0.3, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]])
    assert match(overlaps, 0.5, 0.4)[1].tolist() == [1, -1, 0, 0, 0]  # .5 is positive, .4 to .5 takes no part
    gt, label = match(overlaps, 0.5, 0.4, best=True)
    assert label.tolist() == [1, -1, 1, 1, 0]  # both anchors that share object 1's best IoU; none for object 2
    assert gt[:4].tolist() == [0, 0, 1, 1]


def test_padded_objects_are_never_matched():
    overlaps = torch.rand(3, 5, 40, generator=torch.Generator().manual_seed(0))
    valid = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]]).bool()
    gt, label = match(overlaps, 0.7, 0.3, best=True, valid=valid)
    for i, count in enumerate((3, 5)):
        want = match(overlaps[i, :count], 0.7, 0.3, best=True)
        assert gt[i].equal(want[0]) and label[i].equal(want[1])
    assert (label[2] == 0).all()


def test_no_objects_and_no_anchors():
    gt, label = match(torch.zeros(2, 0, 7), 0.5, 0.4, best=True)
    assert gt.shape == label.shape == (2, 7) and not label.any()
    assert match(torch.zeros(3, 0), 0.5, 0.4, best=True)[1].shape == (0,)


def test_crowds_turn_background_into_ignored():
    crowd_box = torch.tensor([[0.0, 0, 50, 50]])
    anchors = torch.tensor([[10.0, 10, 20, 20], [45, 0, 65, 20], [10, 10, 20, 20], [70, 70, 90, 90]])
    label = torch.tensor([0, 0, 1, 0])
    covered = boxes.coverage(anchors, crowd_box)
    assert ignore_crowds(label, covered, torch.tensor([True])).tolist() == [-1, 0, 1, 0]
    assert ignore_crowds(label, covered, torch.tensor([False])).equal(label)
    assert ignore_crowds(label, covered[:, :0], torch.zeros(0, dtype=torch.bool)).equal(label)


def test_an_anchor_that_a_crowd_covers_by_half_stays_background():
    anchors = torch.tensor([[0.0, 0, 20, 10], [1, 0, 21, 10]])
    covered = boxes.coverage(anchors, torch.tensor([[10.0, 0, 50, 50]]))
    assert ignore_crowds(torch.tensor([0, 0]), covered, torch.tensor([True])).tolist() == [0, -1]


def test_sample_counts():
    label = torch.full((3, 1000), 0)
    label[0, :400], label[1, :10], label[2, :] = 1, 1, -1
    got = sample(label, 256, 0.5, torch.Generator().manual_seed(0))
    assert [(int((row == 1).sum()), int((row == 0).sum())) for row in got] == [(128, 128), (10, 246), (0, 0)]
    assert ((got == label) | (got == -1)).all()
    other = sample(label, 256, 0.5, torch.Generator().manual_seed(1))
    assert not got.equal(other)
    assert got.equal(sample(label, 256, 0.5, torch.Generator().manual_seed(0)))
    assert sample(label[:, :0], 256, 0.5).shape == (3, 0)
    assert int((sample(label[0], 5, 0.5) == 1).sum()) == 2  # half at most


def test_sample_is_uniform():
    label = torch.zeros(500, 20, dtype=torch.int64)
    share = (sample(label, 5, 0.5, torch.Generator().manual_seed(0)) == 0).float().mean(0)
    assert (share - 0.25).abs().max() < 0.08


def test_pad_targets():
    targets = [{"boxes": random_boxes(2), "labels": torch.tensor([3, 4]), "crowd": torch.tensor([False, True])},
               {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
               {"boxes": random_boxes(3), "labels": torch.tensor([1, 2, 3]),
                "difficult": torch.tensor([True, False, False])}]
    b, labels, valid, crowd = pad_targets(targets)
    assert b.shape == (3, 3, 4) and labels[0].tolist() == [3, 4, 0]
    assert valid.tolist() == [[True, False, False], [False] * 3, [False, True, True]]
    assert crowd.tolist() == [[False, True, False], [False] * 3, [True, False, False]]
    assert pad_targets([])[0].shape == (0, 0, 4) and pad_targets(targets[1:2])[0].shape == (1, 0, 4)


def test_an_anchor_at_the_lower_threshold_takes_no_part():
    assert match(torch.tensor([[0.25, 0.2]]), 0.5, 0.25)[1].tolist() == [-1, 0]
