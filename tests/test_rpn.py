"""The region proposal network: proposals, targets, Eq. 1, and its switches."""
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from test_boxes import DEVICES, random_boxes
from test_retinanet import scenes

from paperlib.config import override
from paperlib.parts import boxes
from paperlib.parts.anchors import inside
from paperlib.parts.losses import smooth_l1
from paperlib.parts.matching import match
from paperlib.parts.proposals import ProposalConfig, propose
from paperlib.scoring.coco_metrics import evaluate
from paperlib.systems.presets.faster_rcnn import rpn_small, rpn_tiny
from paperlib.systems.rpn import RPN
from paperlib.training.recipes import budget, system_config

NONE = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}


def model(**changes):
    torch.manual_seed(0)
    return RPN(override(rpn_tiny(3), changes))


def outputs(num=2, sizes=(60, 20), seed=0):
    """Dense outputs of two levels over random anchors."""
    g = torch.Generator().manual_seed(seed)
    logits = [torch.randn(num, n, generator=g) for n in sizes]
    deltas = [torch.randn(num, n, 4, generator=g) * 0.2 for n in sizes]
    return logits, deltas, [random_boxes(n, seed=seed + n) for n in sizes]


def propose_slow(logits, deltas, anchors, size, cfg):
    """One image: level by level, box by box."""
    pool = []
    for level, (x, d, a) in enumerate(zip(logits, deltas, anchors)):
        for i in x.argsort(descending=True)[: cfg.pre_nms].tolist():
            box = boxes.clip(boxes.decode(a[i], d[i]) if cfg.regressed else a[i], size)
            if (box[2:] - box[:2]).min() >= cfg.min_size:
                pool.append((float(x[i]), level, box))
    kept = []
    for score, level, box in sorted(pool, key=lambda p: -p[0]):
        rivals = [k for k in kept if k[1] == level]
        if cfg.nms is None or all(boxes.iou(box[None], k[2][None]) <= cfg.nms for k in rivals):
            kept.append((score, level, box))
    return kept[: cfg.keep]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cfg", [
    ProposalConfig(30, 0.5, 25), ProposalConfig(1000, 0.7, 1000, min_size=4), ProposalConfig(30, None, 40),
    ProposalConfig(50, 0.5, 30, regressed=False)])
def test_proposals_equal_the_slow_form(cfg, device):
    dense, sizes = outputs(), torch.tensor([[90, 80], [100, 100]])
    moved = [[x.to(device) for x in part] for part in dense]
    for i, found in enumerate(propose(*moved, sizes, cfg)):
        want = propose_slow([x[i] for x in dense[0]], [d[i] for d in dense[1]], dense[2], sizes[i].tolist(), cfg)
        torch.testing.assert_close(found["boxes"].cpu(), torch.stack([w[2] for w in want]))
        torch.testing.assert_close(found["scores"].cpu(), torch.tensor([w[0] for w in want]).sigmoid())


def test_without_scores_any_anchor_may_be_proposed():
    dense, sizes = outputs(), torch.tensor([[100, 100]] * 2)
    first = propose(*dense, sizes, ProposalConfig(5, 0.7, 30, scored=False))
    assert all(len(f["boxes"]) == 30 for f in first)
    every = propose(*dense, sizes, ProposalConfig(5, 0.7, 80, scored=False))[0]["boxes"]
    want = boxes.clip(boxes.decode(torch.cat(dense[2]), torch.cat(dense[1], 1)[0]), (100, 100))
    assert sorted(every.tolist()) == sorted(want.tolist())


@pytest.mark.parametrize("device", DEVICES)
def test_the_order_without_scores_is_the_images_own(device):
    """A scoring that goes on after an interrupt must draw what it would have drawn, and move no other draw."""
    (logits, deltas, anchors), sizes = outputs(num=3), torch.tensor([[100, 100]] * 3)
    logits[0][1], logits[1][1] = logits[0][0], logits[1][0]              # images 0 and 1 score alike
    dense = [[x.to(device) for x in part] for part in (logits, deltas, anchors)]
    cfg = ProposalConfig(5, 0.7, 30, scored=False, regressed=False)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, alike, other = (found["scores"] for found in propose(*dense, sizes, cfg))
    assert torch.get_rng_state().equal(before)
    torch.rand(5)
    assert propose(*dense, sizes, cfg)[0]["scores"].equal(first) and alike.equal(first)
    assert sorted(first.tolist(), reverse=True) != first.tolist() and not first.equal(other)


def test_without_scores_every_anchor_is_proposed_as_often_in_every_place():
    num, rounds = 6, 3000                                                # expected: 500 times each, sd 20
    logits, anchors = torch.randn(rounds, num, generator=torch.Generator().manual_seed(0)), random_boxes(num)
    cfg = ProposalConfig(keep=num, scored=False, regressed=False)
    found = propose([logits], [torch.zeros(rounds, num, 4)], [anchors], torch.full((rounds, 2), 100), cfg)
    anchors, counts = boxes.clip(anchors, (100, 100)), torch.zeros(num, num)
    for image in found:
        counts += (image["boxes"][:, None] == anchors).all(2)            # place by anchor
    assert counts.sum() == num * rounds
    assert (counts - rounds / num).abs().max() < 100


@pytest.mark.parametrize("device", DEVICES)
def test_contract(device):
    net, (images, targets) = model().to(device), scenes()
    images, targets = images.to(device), [{k: v.to(device) for k, v in t.items()} for t in targets]
    logits, deltas, anchors = net.predict(images)
    assert logits.shape == (4, 4092) and deltas.shape == (4, 4092, 4) and anchors.shape == (4092, 4)
    losses = net.losses(images, targets)
    assert set(losses) == {"objectness", "proposal"} and all(v.shape == () and v > 0 for v in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    for found in net.eval().detect(images):
        assert len(found["boxes"]) > 100 and (found["labels"] == 1).all()
        assert found["scores"].equal(found["scores"].sort(descending=True).values)


def losses_slow(net, images, targets):
    """Eq. 1 of the paper over every labelled anchor, image by image."""
    cfg, (logits, deltas, anchors) = net.cfg.rpn, net.predict(images)
    cls = box = 0.0
    for logit, delta, target in zip(logits, deltas, targets):
        keep = inside(anchors, (128, 128)) if cfg.border == 0 else torch.ones(len(anchors), dtype=torch.bool)
        gt, label = match(boxes.iou(target["boxes"], anchors[keep]), 0.7, 0.3, best=True)
        n_cls = (label >= 0).sum()
        for i, y in enumerate(label.tolist()):
            if y >= 0:
                cls = cls + F.softplus(-logit[keep][i] if y else logit[keep][i]) / n_cls
            if y == 1:
                goal = boxes.encode(anchors[keep][i], target["boxes"][gt[i]])
                n_reg = cfg.locations * n_cls
                box = box + cfg.box_weight / n_reg * smooth_l1(delta[keep][i], goal, cfg.box_beta).sum()
    return {"objectness": cls / len(images), "proposal": box / len(images)}


@pytest.mark.parametrize("border", [None, 0.0])
def test_losses_equal_the_papers_equation(border):
    net = model(**{"rpn.samples": None, "rpn.border": border, "rpn.box_weight": 10.0, "rpn.locations": 2400 / 256})
    images, targets = scenes(2)
    fast, slow = net.losses(images, targets), losses_slow(net, images, targets)
    for key in fast:
        torch.testing.assert_close(fast[key], slow[key], rtol=1e-4, atol=1e-5)


def test_sampling_balances_and_costs_no_more_than_it_says():
    net, (images, targets) = model(), scenes()
    _, _, anchors = net.predict(images)
    sizes = torch.tensor([[128, 128]] * 4)
    gt, label = net.rpn.assign(anchors, targets, sizes)
    assert gt.shape == (4, 4092) and ((label == 1).sum(1) > 0).all()
    outputs = net.predict_levels(images)
    grads = torch.autograd.grad(net.rpn.losses(outputs, targets, sizes)["objectness"], outputs[0])
    touched = torch.cat(grads, 1) != 0
    assert (touched.sum(1) == 128).all() and ((touched & (label == 1)).sum(1) <= 64).all()
    assert not (touched & (label == -1)).any()


def test_border_crossing_anchors_take_no_part():
    net, (images, targets) = model(**{"rpn.border": 0.0}), scenes()
    _, _, anchors = net.predict(images)
    sizes = torch.tensor([[128, 128], [128, 128], [100, 128], [128, 128]])
    _, label = net.rpn.assign(anchors, targets, sizes)
    for row, size in zip(label, sizes.tolist()):
        assert (row[~inside(anchors, size)] == -1).all() and (row == 1).any()
    _, free = model().rpn.assign(anchors, targets, sizes)
    assert (free[0][~inside(anchors, (128, 128))] >= 0).any()


def test_crowds_are_neither_found_nor_background():
    net, (images, targets) = model(), scenes(1)
    _, _, anchors = net.predict(images)
    sizes = torch.tensor([[128, 128]])
    _, label = net.rpn.assign(anchors, [{**targets[0], "crowd": torch.tensor([True, False, False])}], sizes)
    _, rest = net.rpn.assign(anchors, [{k: v[1:] for k, v in targets[0].items()}], sizes)
    hidden = boxes.coverage(anchors, targets[0]["boxes"][:1])[:, 0] > 0.5
    assert (label > 0).equal(rest > 0) and (label[0][hidden & (rest[0] == 0)] == -1).all()


def test_images_without_objects_and_batches():
    net, (images, targets) = model(**{"rpn.samples": None}).eval(), scenes(1)
    for wanted in ([NONE] * 4, [targets[0], NONE, targets[0], NONE]):
        losses = net.losses(images.repeat(4, 1, 1, 1), wanted)
        assert all(v.isfinite() for v in losses.values())
    twice = net.losses(images.repeat(2, 1, 1, 1), targets * 2)
    for key, value in net.losses(images, targets).items():
        torch.testing.assert_close(twice[key], value, rtol=1e-4, atol=1e-6)


SINGLE = {"pyramid.kind": "single", "pyramid.levels": [4], "rpn.anchors.levels": [4],
          "rpn.anchors.scales": [0.25, 0.5, 1.0, 2.0, 4.0]}


@pytest.mark.parametrize("changes, anchors, heads", [
    (SINGLE, 960, 1), ({"rpn.apart": True}, 4092, 5), ({"pyramid.top_down": False}, 4092, 1),
    ({"rpn.anchors.levels": [2], "rpn.anchors.scales": [1.0, 2.0, 4.0, 8.0, 16.0]}, 15360, 1)])
def test_switches_reach_the_network(changes, anchors, heads):
    net, (images, targets) = model(**changes), scenes()
    assert net.predict(images)[0].shape == (4, anchors) and len(net.rpn.heads) == heads
    sum(net.losses(images, targets).values()).backward()
    assert len(net.detect(images)) == 4


def test_anchors_of_a_level_that_is_not_there():
    with pytest.raises(ValueError, match=r"\[7\], which pyramid.levels"):
        model(**{"rpn.anchors.levels": [2, 7]})


def test_learns_where_four_scenes_hold_objects():
    net, (images, targets) = model(**{"rpn.samples": 128}).train(), scenes()
    opt = torch.optim.AdamW(net.parameters(), 0.002)
    for _ in range(120):
        loss = sum(net.losses(images, targets).values())
        opt.zero_grad()
        loss.backward()
        opt.step()
    for found, target in zip(net.eval().detect(images), targets):
        overlaps = boxes.iou(target["boxes"], found["boxes"][:6])
        assert (overlaps.amax(1) > 0.6).all()


def test_scored_by_recall(scenes):
    from paperlib.data.named_sets import load
    scores = evaluate(model(), load(str(scenes), None), torch.device("cpu"))
    assert {"AR100", "AR1000", "AR1000s", "AR20l", "AR2"} <= set(scores)
    found = {k: v for k, v in scores.items() if k in ("AR2", "AR20", "AR100", "AR1000")}
    assert sorted(found.values()) == list(found.values()) and found["AR1000"] > 0.2


def test_paper_geometry_of_anchors():
    cfg = system_config("rpn", dataclasses.replace(budget("smoke").recipe("rpn"), preset="resnet50"), 80)
    assert cfg.rpn.anchors.size_per_stride * 4 == 32 and cfg.rpn.anchors.shapes_per_position == 3
    assert cfg.rpn.samples == 256 and (cfg.rpn.match.hi, cfg.rpn.match.lo, cfg.rpn.match.best) == (0.7, 0.3, True)


def test_recall_of_perfect_proposals_is_one(monkeypatch, scenes):
    from paperlib.data.named_sets import load
    dataset = load(str(scenes), None)
    found = iter([{"boxes": t["boxes"], "scores": torch.ones(len(t["boxes"])), "labels": t["labels"]}
                  for _, t in (dataset[i] for i in range(len(dataset)))])
    net = model()
    monkeypatch.setattr(net, "detect", lambda images, sizes, proposals: [next(found) for _ in images])
    assert evaluate(net, dataset, torch.device("cpu"))["AR2"] == 1


# what the configuration says reaches losses and proposals

def test_anchors_may_cross_the_edge_by_the_border_alone():
    net, (images, targets) = model(**{"rpn.border": 6.0}), scenes()
    anchors = net.predict(images)[2]
    label = net.rpn.assign(anchors, targets, torch.tensor([[128, 128]] * 4))[1]
    assert (label[:, ~inside(anchors, (128, 128), 6)] == -1).all()
    assert (label[0][inside(anchors, (128, 128), 6) & ~inside(anchors, (128, 128))] >= 0).any()


def test_the_rule_of_matching_and_the_share_of_positives_are_the_configurations():
    net = model(**{"rpn.match.hi": 0.5, "rpn.match.lo": 0.2, "rpn.match.best": False, "rpn.positive_fraction": 0.1,
                   "rpn.samples": 20})
    images, targets = scenes()
    sizes, said = torch.tensor([[128, 128]] * 4), net.predict_levels(images)
    top = torch.stack([boxes.iou(net.predict(images)[2], t["boxes"]).amax(1) for t in targets])
    label = net.rpn.assign(net.predict(images)[2], targets, sizes)[1]
    assert (label == 1).equal(top >= 0.5) and (label == 0).equal(top < 0.2) and ((label == 1).sum(1) > 2).all()
    grads = torch.autograd.grad(net.rpn.losses(said, targets, sizes)["objectness"], said[0])
    touched = torch.cat(grads, 1) != 0
    assert (touched.sum(1) == 20).all() and ((touched & (label == 1)).sum(1) == 2).all()


def test_more_proposals_are_made_for_training_than_for_testing():
    net, images = model(**{"rpn.train.keep": 9, "rpn.test.keep": 4}).eval(), scenes(2)[0]
    sizes = torch.tensor([[128, 128]] * 2)
    assert [len(b) for b in net.proposals(images, sizes, training=True)] == [9, 9]
    assert [len(b) for b in net.proposals(images, sizes)] == [4, 4] == [len(f["boxes"]) for f in net.detect(images)]


def test_heads_that_are_apart_speak_for_their_own_level():
    net, images = model(**{"rpn.apart": True}).eval(), scenes(1)[0]
    before = net.predict_levels(images)[0]
    net.rpn.heads[2].cls.bias.data += 5
    changed = [not a.equal(b) for a, b in zip(before, net.predict_levels(images)[0])]
    assert changed == [False, False, True, False, False]


def test_the_head_begins_as_wide_and_as_small_as_it_should():
    head = model(**{"rpn.dim": 48, "rpn.std": 0.2, "rpn.hidden_std": 0.05}).rpn.heads[0]
    assert head.conv.out_channels == 48 and head.conv.weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert head.cls.weight.std().item() == pytest.approx(0.2, rel=0.2)


def test_boxes_end_where_the_image_ends_whatever_the_canvas():
    net, images = model().eval(), scenes(2)[0][..., :96]  # 128 high, 96 wide
    assert all(f["boxes"][:, 2].max() == 96 and f["boxes"][:, 3].max() == 128 for f in net.detect(images))
    small = net.detect(images, torch.tensor([[128, 96], [70, 50]]))[1]["boxes"]
    assert small[:, 2].max() == 50 and small[:, 3].max() == 70


def test_the_border_of_padded_images_is_that_of_their_targets():
    net, images = model(**{"rpn.border": 0.0, "rpn.samples": None}), scenes(1)[0]
    box = {"boxes": torch.tensor([[4.0, 4, 36, 36]])}
    padded = net.losses(images, [{**box, "size": torch.tensor([64, 64])}])
    torch.testing.assert_close(padded, net.rpn.losses(net.predict_levels(images), [box], torch.tensor([[64, 64]])))
    assert not padded["objectness"].isclose(net.losses(images, [box])["objectness"], 1e-6)  # the whole canvas


def test_the_order_of_the_images_of_a_batch_changes_no_loss():
    net, (images, targets) = model(**{"rpn.samples": None, "rpn.match.lo": 0.05}).eval(), scenes(2)
    targets[1] = NONE
    there, back = net.losses(images, targets), net.losses(images.flip(0), targets[::-1])
    torch.testing.assert_close(there, back, rtol=1e-4, atol=1e-7)


def test_fully_connected_layers_of_the_trunk_are_left_out():
    net = RPN(override(rpn_small(3), {}))
    assert not any("trunk.fc" in key for key in net.state_dict())


def test_a_proposal_as_wide_as_the_smallest_stays_and_levels_stay_apart():
    a, near = [[10.0, 10, 50, 50], [10.0, 10, 52, 50]]
    levels = [torch.tensor([[5.0, 5, 7, 40], a, [60.0, 60, 64, 80]]), torch.tensor([near])]
    logits = [torch.tensor([[1.0, 3.0, 2.0]]), torch.tensor([[2.5]])]
    deltas = [torch.zeros(1, len(x), 4) for x in levels]
    cfg = ProposalConfig(100, 0.5, 100, min_size=4, regressed=False)
    (found,) = propose(logits, deltas, levels, torch.tensor([[100, 100]]), cfg)
    assert found["boxes"].tolist() == [a, near, [60.0, 60, 64, 80]]
