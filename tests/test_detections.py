import pytest
import torch
from test_boxes import DEVICES, nms_slow, random_boxes

from paperlib.parts import boxes
from paperlib.parts.detections import DetectConfig, RoIDetectConfig, select, select_rois
from paperlib.parts.proposals import ProposalConfig, propose
from paperlib.parts.roi_pooling import to_rois
from paperlib.parts.roi_training import DeltaConfig

LARGE, THIRD = (800, 1333), 0.3  # px (h, w) of an image; an IoU


def select_slow(logits, deltas, anchors, size, cfg):
    rows = []
    for x, d, a in zip(logits, deltas, anchors):
        level = [(x[i, k].sigmoid().item(), i, k) for i in range(x.shape[0]) for k in range(x.shape[1])]
        level = sorted((t for t in level if t[0] > cfg.score), reverse=True)[: cfg.pre_nms]
        rows += [(score, k + 1, boxes.clip(boxes.decode(a[i], d[i]), size)) for score, i, k in level]
    scores, labels = torch.tensor([r[0] for r in rows]), torch.tensor([r[1] for r in rows])
    found = torch.stack([r[2] for r in rows])
    keep = nms_slow(found, scores, labels, cfg.nms)[: cfg.keep]
    return found[keep], scores[keep], labels[keep]


def case(n=2):
    g = torch.Generator().manual_seed(0)
    anchors = [random_boxes(40), random_boxes(10, seed=1)]
    logits = [torch.randn(n, len(a), 3, generator=g) * 2 for a in anchors]
    deltas = [torch.randn(n, len(a), 4, generator=g) * 0.3 for a in anchors]
    return logits, deltas, anchors


def test_equals_the_slow_spec():
    logits, deltas, anchors = case()
    sizes = torch.tensor([[90, 100], [50, 60]])
    for cfg in (DetectConfig(), DetectConfig(score=0.4, pre_nms=20, nms=0.3, keep=12)):
        got = select(logits, deltas, anchors, sizes, cfg)
        for i, one in enumerate(got):
            want = select_slow([x[i] for x in logits], [d[i] for d in deltas], anchors, sizes[i], cfg)
            for a, b in zip(one.values(), want):
                torch.testing.assert_close(a, b)


def test_batch_of_two_equals_one_twice():
    for device in DEVICES:
        logits, deltas, anchors = ([t.to(device) for t in part] for part in case(1))
        twice = [[t.repeat(2, 1, 1) for t in part] for part in (logits, deltas)]
        a, b = select(*twice, anchors, torch.tensor([[90, 100]] * 2))
        (c,) = select(logits, deltas, anchors, torch.tensor([[90, 100]]))
        assert all(a[k].equal(b[k]) and a[k].equal(c[k]) for k in a)


def test_nothing_found():
    logits, deltas, anchors = case(1)
    (got,) = select([x - 100 for x in logits], deltas, anchors, torch.tensor([[90, 100]]))
    assert got["boxes"].shape == (0, 4) and got["scores"].shape == got["labels"].shape == (0,)
    assert select(logits, deltas, anchors, torch.zeros(0, 2)) == []


def test_a_box_per_class():
    logits, deltas, anchors = case(1)
    spread = [torch.stack([d, d + 1, d - 1], 2) for d in deltas]  # (N, A, K, 4)
    (got,) = select(logits, spread, anchors, torch.tensor([[900, 900]]), DetectConfig(nms=1.0, keep=1000))
    (base,) = select(logits, deltas, anchors, torch.tensor([[900, 900]]), DetectConfig(nms=1.0, keep=1000))
    first = base["labels"] == 1
    torch.testing.assert_close(got["boxes"][got["labels"] == 1], base["boxes"][first])
    assert len(got["labels"]) == len(base["labels"]) and not got["boxes"].equal(base["boxes"])


def test_scores_must_be_above_the_threshold_and_a_level_gives_no_more_than_asked():
    logits, deltas, anchors = case(1)
    cfg = DetectConfig(score=0.5, pre_nms=3, nms=1.0)
    (got,) = select(logits, deltas, anchors, torch.tensor([[900, 900]]), cfg)
    best = [x.sigmoid().flatten().topk(3).values for x in logits]
    torch.testing.assert_close(got["scores"], torch.cat(best).sort(descending=True).values)
    (none,) = select([x * 0 for x in logits], deltas, anchors, torch.tensor([[900, 900]]), cfg)
    assert not len(none["scores"])                                       # each scores 0.5 exactly


def test_rois_are_decoded_by_their_code_and_small_or_weak_ones_go():
    given = to_rois([torch.tensor([[10.0, 10, 50, 50], [20, 10, 60, 30], [10, 20, 30, 21]])])
    code = DeltaConfig(mean=(0.1, 0.0, 0.0, 0.2), std=(0.3, 0.3, 0.5, 0.5))
    deltas, scores = torch.full((3, 1, 4), 0.4), torch.tensor([[0.9], [0.5], [0.8]])
    moved = boxes.decode(given[:, 1:], torch.tensor([0.22, 0.12, 0.2, 0.4]).expand(3, 4))
    for cfg, left in ((RoIDetectConfig(0.5, nms=0.9), [0, 2]), (RoIDetectConfig(0.4, nms=0.9, min_size=5.0), [0, 1])):
        (got,) = select_rois(scores, deltas, given, torch.tensor([[90, 90]]), code, cfg)
        torch.testing.assert_close(got["boxes"], moved[left])
    (got,) = select_rois(scores, deltas, given, torch.tensor([[90, 90]]), code,
                         RoIDetectConfig(nms=0.9, min_size=1.0, boxes=False))
    torch.testing.assert_close(got["boxes"], given[[0, 2, 1], 1:])       # one is 1 px high, just enough


def close_pairs(seed=0, num=30):
    """Boxes of 10 px in pairs, one shifted by 10 * 7 / 13 px, at which their IoU is .3, give or take 0.002 px."""
    corner = torch.rand(num, 2, generator=torch.Generator().manual_seed(seed)) * (torch.tensor(LARGE[::-1]) - 20)
    shift = torch.zeros(num, 4)
    shift[:, ::2] = 70 / 13 + torch.linspace(-0.002, 0.002, num)[:, None]
    first = torch.cat([corner, corner + 10], 1)
    return torch.cat([first, first + shift])


def of_the_last_class(images, num_classes=80):
    """Detections on a batch of images, (R, 4) boxes each, all RoIs of which show the class with the largest number."""
    scores = torch.zeros(sum(map(len, images)), num_classes)
    scores[:, -1] = torch.cat([torch.linspace(0.9, 0.1, len(b)) for b in images])
    deltas, sizes = torch.zeros(len(scores), 1, 4), torch.tensor([LARGE] * len(images))
    return select_rois(scores, deltas, to_rois(images), sizes, DeltaConfig())


@pytest.mark.parametrize("num", [2, 16])
def test_rois_of_a_large_image_give_the_same_wherever_it_stands_in_a_batch(num):
    """Half the second boxes of the pairs overlap too much, as they do where nothing is shifted."""
    (alone,), batch = of_the_last_class([close_pairs()]), of_the_last_class([close_pairs()] * num)
    assert len(alone["boxes"]) == 45
    assert all(found[k].equal(alone[k]) for found in batch for k in alone)


def test_a_batch_of_two_large_images_equals_each_alone():
    images = [close_pairs(1), close_pairs(2)]
    for found, image in zip(of_the_last_class(images), images):
        (alone,) = of_the_last_class([image])
        assert all(found[k].equal(alone[k]) for k in alone)


def test_classes_and_levels_of_a_large_image_are_thinned_as_one_class_is():
    b, logits = close_pairs(), torch.linspace(2, -2, 60)
    kept = b[boxes.nms(b, logits, None, THIRD)]
    many = torch.full((1, 60, 80), -100.0)
    many[0, :, -1] = logits
    (found,) = select([many], [torch.zeros(1, 60, 4)], [b], torch.tensor([LARGE]), DetectConfig(nms=THIRD))
    torch.testing.assert_close(found["boxes"], kept, rtol=0, atol=1e-3)
    levels = [logits[None, :0]] * 4 + [logits[None]]
    anchors = [b[:0]] * 4 + [b]
    still = [torch.zeros(1, len(a), 4) for a in anchors]
    (found,) = propose(levels, still, anchors, torch.tensor([LARGE]), ProposalConfig(nms=THIRD))
    torch.testing.assert_close(found["boxes"], kept, rtol=0, atol=1e-3)
