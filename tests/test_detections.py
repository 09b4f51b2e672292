import torch
from test_boxes import DEVICES, nms_slow, random_boxes

from paperlib.parts import boxes
from paperlib.parts.detections import DetectConfig, select


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
