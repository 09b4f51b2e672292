import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
import torchvision
from test_boxes import DEVICES

from paperlib.config import override, to_dict
from paperlib.data.named_sets import load
from paperlib.parts import boxes
from paperlib.parts.anchors import AnchorConfig, anchors_for
from paperlib.parts.fused_class_loss import class_loss
from paperlib.parts.losses import KINDS, focal, smooth_l1
from paperlib.parts.pyramids import PyramidConfig
from paperlib.parts.trunks import TrunkConfig
from paperlib.systems.presets.retinanet import load_torchvision, tiny, torchvision_resnet50
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.systems.retinanet import LossConfig, RetinaNet, RetinaNetConfig
from paperlib.training.recipes import budget, system_config

COLOURS = torch.tensor([[220, 40, 40], [40, 200, 60], [50, 80, 230]], dtype=torch.uint8)


def scenes(num=4, size=128, objects=3):
    """Coloured rectangles on grey noise; the colour is the class."""
    g = torch.Generator().manual_seed(0)
    images = torch.randint(90, 130, (num, 3, size, size), generator=g, dtype=torch.uint8)
    targets = []
    for image in images:
        found = []
        while len(found) < objects:
            w, h = torch.randint(14, 50, (2,), generator=g).tolist()
            x, y = (int(torch.randint(0, size - s, (1,), generator=g)) for s in (w, h))
            box = torch.tensor([[x, y, x + w, y + h]], dtype=torch.float32)
            if not found or boxes.iou(box, torch.cat(found)).max() == 0:
                found.append(box)
        labels = torch.randint(1, 4, (objects,), generator=g)
        for box, label in zip(found, labels):
            x1, y1, x2, y2 = box[0].int().tolist()
            image[:, y1:y2, x1:x2] = COLOURS[label - 1][:, None, None]
        targets.append({"boxes": torch.cat(found), "labels": labels})
    return images, targets


def model(num_classes=3, **changes):
    torch.manual_seed(0)
    return RetinaNet(dataclasses.replace(tiny(num_classes), **changes))


def test_the_config_is_data():
    def leaves(value):
        if dataclasses.is_dataclass(value):
            return [x for f in dataclasses.fields(value) for x in leaves(getattr(value, f.name))]
        return [x for v in value for x in leaves(v)] if isinstance(value, tuple) else [value]
    assert {type(x) for x in leaves(RetinaNetConfig())} <= {int, float, bool, str, type(None)}
    assert SYSTEMS["retinanet"] is RetinaNet
    for preset in PRESETS["retinanet"].values():
        assert isinstance(preset(7), RetinaNetConfig) and preset(7).num_classes == 7 and hash(preset())
    assert hash(tiny()) == hash(tiny())


@pytest.mark.parametrize("device", DEVICES)
def test_contract(device):
    net, (images, targets) = model().to(device), scenes()
    images, targets = images.to(device), [{k: v.to(device) for k, v in t.items()} for t in targets]
    logits, deltas, anchors = net.predict(images)
    assert logits.shape == (4, 12276, 3) and deltas.shape == (4, 12276, 4) and anchors.shape == (12276, 4)
    torch.testing.assert_close(logits.sigmoid(), torch.full_like(logits, 0.01), atol=8e-3, rtol=0)
    losses = net.losses(images, targets)
    assert set(losses) == {"cls", "box"} and all(v.shape == () and v > 0 for v in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    for found in net.eval().detect(images):
        assert set(found) == {"boxes", "scores", "labels"} and len(found["boxes"]) == len(found["scores"])


def losses_slow(net, images, targets):
    """STYLE's form: image by image, one-hot targets, the image's own count of positives."""
    logits, deltas, anchors = net.predict(images)
    cls = box = 0.0
    for logit, delta, target in zip(logits, deltas, targets):
        overlaps, count, hot = boxes.iou(target["boxes"], anchors), 0, torch.zeros_like(logit)
        used = torch.ones(len(anchors), dtype=torch.bool)
        if len(target["boxes"]):
            top, gt = overlaps.max(0)
            pos = (top >= 0.5) | ((overlaps == overlaps.amax(1, keepdim=True)) & (overlaps > 0)).any(0)
            used = pos | (top < 0.4)
            hot[pos, target["labels"][gt[pos]] - 1] = 1
            count = pos.sum()
            goal = boxes.encode(anchors[pos], target["boxes"][gt[pos]])
            box = box + smooth_l1(delta[pos], goal, 1 / 9).sum() / count
        cls = cls + focal(logit[used], hot[used]).sum() / max(count, 1)
    return {"cls": cls / len(images), "box": box / len(images)}


def test_losses_equal_the_slow_form():
    net, (images, targets) = model(loss=LossConfig(normaliser="image")), scenes()
    targets[1] = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    fast, slow = net.losses(images, targets), losses_slow(net, images, targets)
    for key in fast:
        torch.testing.assert_close(fast[key], slow[key], rtol=1e-4, atol=1e-5)
    params = [p for p in net.parameters() if p.requires_grad]
    for a, b in zip(torch.autograd.grad(sum(fast.values()), params), torch.autograd.grad(sum(slow.values()), params)):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


def test_normalisers():
    images, targets = scenes()
    targets[0] = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    scale = {}
    for kind in ("image", "batch", "running"):
        net = model(loss=LossConfig(normaliser=kind))
        labels, matched = net.assign(net.predict(images)[2], targets)
        count = (labels > 0).sum(1)
        assert len(matched) == count.sum() and count[0] == 0
        net.observe(images, targets)
        scale[kind] = net.scale(labels)
    torch.testing.assert_close(scale["image"], 1 / (4 * count.clamp(min=1)))
    torch.testing.assert_close(scale["batch"], (1 / count.sum()).expand(4))
    torch.testing.assert_close(scale["running"], scale["batch"])  # the first batch is its own mean
    net.observe(images, targets[:1] * 4)  # without an object
    torch.testing.assert_close(net.scale(labels), (1 / (count.sum() * 0.99 / 1.99)).expand(4))


def test_only_observing_moves_the_running_mean_and_losses_read_what_it_assigned(monkeypatch):
    net, (images, targets) = model(), scenes()
    before = {name: value.clone() for name, value in net.state_dict().items() if "num_batches" not in name}
    plain = net.eval().losses(images, targets)
    assert all(net.state_dict()[name].equal(value) for name, value in before.items())
    observed = net.train().observe(images, targets)
    assert net.positives[1] == pytest.approx(0.01) and "anchor_labels" not in targets[0]
    monkeypatch.setattr(net, "assign", lambda *_: pytest.fail("the anchors are assigned again"))
    torch.testing.assert_close(net.eval().losses(images, observed), plain)  # the first batch is its own mean


def test_maps_of_another_size_than_observed_are_assigned_anew():
    net, (images, targets) = model(), scenes()
    observed = net.observe(images, targets)
    short = [{**t, "anchor_labels": t["anchor_labels"][1:]} for t in observed]
    torch.testing.assert_close(net.losses(images, short), net.losses(images, observed))


@pytest.mark.parametrize("name", ["vgg16", "small", "tiny"])
def test_the_running_mean_counts_the_anchors_of_the_loss_on_odd_sizes(name):
    levels = (3, 4, 5)
    net = model(trunk=TrunkConfig(name), pyramid=PyramidConfig(levels, dim=8), anchors=AnchorConfig(levels))
    images = torch.zeros(1, 3, 71, 93, dtype=torch.uint8)  # 8 x 11 cells of P3 where halves round down, else 9 x 12
    targets = [{"boxes": torch.tensor([[3.0, 5.0, 40.0, 70.0], [62.0, 40.0, 93.0, 71.0]]),
                "labels": torch.tensor([1, 2])}]
    counted = net.observe(images, targets)[0]["anchor_labels"]
    in_loss, _ = net.assign(net.predict(images)[2], targets)
    assert counted.equal(in_loss[0]) and (counted > 0).any()
    assert (net.positives[0] / net.positives[1]).item() == pytest.approx(int((in_loss > 0).sum()))


@pytest.mark.parametrize("kind", KINDS)
def test_no_objects_and_every_loss(kind):
    net, (images, targets) = model(loss=LossConfig(kind)), scenes()
    none = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    for wanted in (targets, [none] * 4):
        losses = net.losses(images, wanted)
        sum(losses.values()).backward()
        assert all(v.isfinite() for v in losses.values())
        assert all(p.grad.isfinite().all() for p in net.parameters())


def test_ohem_uses_the_stated_number_of_anchors():
    net, (images, targets) = model(loss=LossConfig("ohem", ohem_num=64)), scenes()
    logits, _, anchors = net.predict_levels(images)
    logits, labels = torch.cat(logits, 1), net.assign(torch.cat(anchors), targets)[0]
    used = net.hard_examples(logits, labels, torch.cat(anchors))
    assert (used.sum(1) == 64).all() and not used[labels < 0].any()
    loss = F.softplus(logits).sum(2)
    pos = (labels > 0).nonzero(as_tuple=True)
    loss[pos] -= logits[(*pos, labels[pos] - 1)]
    assert all(used[i, loss[i].masked_fill(labels[i] < 0, -1).argmax()] for i in range(4))  # the hardest is in


@pytest.mark.parametrize("kind", ["ohem", "ohem_1_3"])
def test_the_loss_of_hard_examples_is_that_of_all_with_the_others_ignored(kind):
    net, (images, targets) = model(loss=LossConfig(kind, ohem_num=64, normaliser="image")), scenes()
    logits, _, anchors = net.predict_levels(images)
    logits, labels = torch.cat(logits, 1).detach().double().requires_grad_(), net.assign(torch.cat(anchors), targets)[0]
    scale, cfg = torch.linspace(0.5, 1, len(labels)), net.cfg.loss
    used = net.hard_examples(logits, labels, torch.cat(anchors))
    want = class_loss(logits, labels.masked_fill(~used, -1), cfg, scale)
    got = net.hard_loss(logits, labels, torch.cat(anchors), scale)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(*(torch.autograd.grad(loss, logits)[0] for loss in (got, want)))


def test_crowds_and_difficult_objects_are_never_positive():
    net, (images, targets) = model(), scenes(1)
    anchors = net.predict(images)[2]
    plain, _ = net.assign(anchors, targets)
    for flag in ("crowd", "difficult"):
        flagged = [{**targets[0], flag: torch.tensor([True, False, False])}]
        labels, matched = net.assign(anchors, flagged)
        rest, _ = net.assign(anchors, [{k: v[1:] for k, v in targets[0].items()}])
        assert (labels > 0).equal(rest > 0) and len(matched) == (rest > 0).sum() < (plain > 0).sum()
        inside = boxes.coverage(anchors, targets[0]["boxes"][:1])[:, 0] > 0.5
        assert (labels[0][inside & (rest[0] == 0)] == -1).all() and labels[0][~inside].equal(rest[0][~inside])


def test_batch_of_two_equals_one_twice():
    net, (images, targets) = model(loss=LossConfig(normaliser="batch")).eval(), scenes(1)
    twice = net.losses(images.repeat(2, 1, 1, 1), targets * 2)
    for key, value in net.losses(images, targets).items():
        torch.testing.assert_close(twice[key], value, rtol=1e-4, atol=1e-6)
    net.head.cls[-1].bias.data += 3
    a, b = net.detect(images.repeat(2, 1, 1, 1))
    (c,) = net.detect(images)
    for key in c:
        torch.testing.assert_close(a[key], b[key])
        torch.testing.assert_close(a[key], c[key], rtol=1e-4, atol=1e-3)


def test_switches_reach_the_network():
    images, targets = scenes()
    cfg = tiny(3)
    spread = model(head=dataclasses.replace(cfg.head, class_agnostic=False))
    assert spread.predict(images)[1].shape == (4, 12276, 3, 4)
    sum(spread.losses(images, targets).values()).backward()
    assert spread.detect(images)[0]["boxes"].shape[1] == 4
    dense = model(anchors=AnchorConfig(levels=(2, 3), scales=(1.0,), ratios=(1.0,)))
    assert dense.predict(images)[0].shape == (4, 32 * 32 + 16 * 16, 3)
    sum(dense.losses(images, targets).values()).backward()
    assert dense.detect(images) is not None


@pytest.mark.parametrize("changes, message", [
    ({"loss": LossConfig("focall")}, "'focall'"), ({"loss": LossConfig(normaliser="anchors")}, "'anchors'"),
    ({"anchors": AnchorConfig(levels=(2, 7))}, r"\[7\]"), ({"trunk": TrunkConfig("vgg")}, "'vgg'")])
def test_clear_errors(changes, message):
    with pytest.raises(ValueError, match=message):
        model(**changes)


def test_a_label_that_the_model_lacks_is_named():
    net, (images, targets) = model(), scenes()
    targets[2] = {**targets[2], "labels": torch.tensor([1, 4, 2]), "image_id": 77}
    with pytest.raises(ValueError, match=r"target 2 \(image 77\) has label 4: expected 1 to num_classes = 3"):
        net.losses(images, targets)


def test_any_image_size():
    net, (images, targets) = model(), scenes()
    images = images[..., :100, :75]
    logits, _, anchors = net.predict(images)
    assert logits.shape[1] == len(anchors) == 9 * sum(-(-100 // 2**k) * -(-75 // 2**k) for k in range(2, 7))
    assert all(v.isfinite() for v in net.losses(images, targets).values())


def test_learns_four_scenes_by_heart():
    net, (images, targets) = model().train(), scenes()
    opt = torch.optim.AdamW(net.parameters(), 0.003)
    for _ in range(120):
        loss = sum(net.losses(images, targets).values())
        opt.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
    for found, target in zip(net.eval().detect(images), targets):
        best = slice(len(target["boxes"]))  # the best detections are the objects, each found once
        assert found["scores"][best].min() > 0.5
        overlaps = boxes.iou(target["boxes"], found["boxes"][best])
        same = target["labels"][:, None] == found["labels"][best]
        assert ((overlaps > 0.7) & same).sum(1).eq(1).all()


# torchvision's RetinaNet

@pytest.fixture(scope="module")
def pair():
    torch.manual_seed(0)
    theirs = torchvision.models.detection.retinanet_resnet50_fpn(
        weights=None, weights_backbone=None, num_classes=6, min_size=256, max_size=352, detections_per_img=100)
    for module in theirs.backbone.modules():  # statistics that fit the weights, or the features explode
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        theirs.train().backbone(torch.randn(2, 3, 128, 128))
    theirs.eval()
    torch.nn.init.normal_(theirs.head.classification_head.cls_logits.weight, std=0.05)
    torch.nn.init.normal_(theirs.head.regression_head.bbox_reg.weight, std=0.05)
    with torch.no_grad():
        theirs.head.classification_head.cls_logits.bias.view(9, 6)[:, 0] = -1e4  # their column of background
    return theirs, load_torchvision(RetinaNet(torchvision_resnet50(5)).eval(), theirs.state_dict())


def test_torchvisions_weights_give_its_raw_outputs(pair):
    theirs, ours = pair
    images = torch.rand(1, 3, 256, 352, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        want = theirs.head(list(theirs.backbone(theirs.transform([images[0]])[0].tensors).values()))
        logits, deltas, _ = ours.predict(images)
    assert want["cls_logits"][..., 1:].std() > 0.1 and want["bbox_regression"].std() > 0.01  # not all alike
    torch.testing.assert_close(logits, want["cls_logits"][..., 1:], rtol=0, atol=1e-4)
    torch.testing.assert_close(deltas, want["bbox_regression"], rtol=0, atol=1e-4)


def test_torchvisions_weights_give_its_detections(pair):
    theirs, ours = pair
    images = torch.rand(2, 3, 256, 352, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        want = theirs(list(images))
    for mine, other in zip(ours.detect(images), want):
        assert len(other["scores"]) == len(mine["scores"]) > 10
        alike = mine["labels"][:, None] == other["labels"]
        alike &= (mine["boxes"][:, None] - other["boxes"]).abs().amax(-1) < 0.01
        alike &= (mine["scores"][:, None] - other["scores"]).abs() < 1e-4
        assert (alike.sum(0) == 1).all() and (alike.sum(1) == 1).all()  # scores that differ by rounding change places
        torch.testing.assert_close(mine["scores"], other["scores"], rtol=0, atol=1e-4)


def test_the_papers_p6_differs_from_torchvisions():
    ours, paper = RetinaNetConfig(), torchvision_resnet50()
    assert (ours.pyramid.extra_from, paper.pyramid.extra_from) == ("C", "P")
    with pytest.raises(KeyError, match=r"'backbone\.extra'"):
        load_torchvision(None, {"backbone.extra": torch.zeros(1)})


def test_prior_init_bias():
    assert model().head.cls[-1].bias.eq(-math.log(99)).all()


def test_configs_survive_json_and_overrides():
    def flat(tree, prefix=""):
        for key, value in tree.items():
            yield from flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    for preset in PRESETS["retinanet"].values():
        again = override(RetinaNetConfig(), dict(flat(to_dict(preset()))))
        assert again == preset() and hash(again) == hash(preset())


def test_the_mini_recipe_has_thousands_of_class_scores_for_each_positive():
    """Imbalance is what the focal loss is for; 20,067 were found over all 8,000 training images."""
    seen = load("minicoco", "val", limit=200)
    net = RetinaNet(system_config("retinanet", budget("mini").recipe("retinanet"), len(seen.classes)))
    grid = anchors_for(net.cfg.anchors, {level: (128 >> level,) * 2 for level in net.cfg.anchors.levels})
    positive = sum(int((net.assign(grid, [seen.target(i)])[0] > 0).sum()) for i in range(len(seen)))
    assert net.cfg.anchors.size_per_stride == 1.125
    assert len(grid) * len(seen.classes) * len(seen) / positive > 18_000


# what the configuration says reaches losses and detections

def outputs_of(net, monkeypatch, num, num_classes=3, agnostic=True):
    """Let the network say given logits and deltas of one level of anchors; returns them, ready for gradients."""
    anchors = anchors_for(AnchorConfig(levels=(3,)), {3: (8, 8)})
    g = torch.Generator().manual_seed(3)
    logits = torch.randn(num, len(anchors), num_classes, generator=g).requires_grad_()
    deltas = torch.randn(num, len(anchors), *([] if agnostic else [num_classes]), 4, generator=g).requires_grad_()
    monkeypatch.setattr(net, "predict_levels", lambda images: ([logits], [deltas], [anchors]))
    return logits, deltas, anchors


def test_the_box_loss_is_weighted_and_speaks_of_the_objects_own_class(monkeypatch):
    cfg = tiny(3)
    images, targets = scenes(2, 64)
    found = {}
    for weight in (1.0, 3.0):
        net = model(loss=LossConfig(box_weight=weight), head=dataclasses.replace(cfg.head, class_agnostic=False))
        _, deltas, anchors = outputs_of(net, monkeypatch, 2, agnostic=False)
        labels = net.assign(anchors, targets)[0]
        found[weight] = net.losses(images, targets)["box"]
        moved = torch.autograd.grad(found[weight], deltas)[0].abs().sum(-1) > 0  # (N, A, K)
        assert moved.any() and moved.equal(F.one_hot(labels.clamp(min=0), 4)[..., 1:].bool())
    torch.testing.assert_close(found[3.0], 3 * found[1.0])


def test_measuring_a_loss_divides_by_the_running_mean_of_training():
    net, labels = model(), torch.zeros(2, 50, dtype=torch.int64)
    labels[0, :20] = 1
    torch.testing.assert_close(net.scale(labels), torch.tensor([1 / 20, 1 / 20]))  # nothing observed yet: its own
    net.positives.copy_(torch.tensor([0.2, 0.01]))
    labels[0, 10:20] = 0
    torch.testing.assert_close(net.scale(labels), torch.tensor([1 / 20, 1 / 20]))


@pytest.mark.parametrize("normaliser", ["batch", "running", "image"])
def test_without_any_positive_nothing_is_divided_by_zero(normaliser):
    net = model(loss=LossConfig(normaliser=normaliser))
    assert net.scale(torch.zeros(2, 50, dtype=torch.int64)).tolist() == [{"image": 0.5}.get(normaliser, 1.0)] * 2


def test_hard_examples_follow_the_losses_settings(monkeypatch):
    targets = scenes(2, 64)[1]

    def chosen(**changes):
        net = model(loss=LossConfig(**changes))
        logits, _, anchors = outputs_of(net, monkeypatch, 2)
        labels = net.assign(anchors, targets)[0]
        return net.hard_examples(logits, labels, anchors), labels, anchors

    used, labels, _ = chosen(kind="ohem_1_3", ohem_num=64)
    positives = (used & (labels > 0)).sum(1)
    assert (positives > 0).all() and (used & (labels == 0)).sum(1).equal(3 * positives)
    for limit in (0.3, 0.7):
        used, _, anchors = chosen(kind="ohem", ohem_num=64, ohem_nms=limit)
        overlaps = [boxes.iou(anchors[row], anchors[row]).fill_diagonal_(0).max() for row in used]
        assert limit - 0.15 < max(overlaps) <= limit


def test_the_rule_of_matching_is_the_configurations():
    images, targets = scenes(1)
    net = model(match=dataclasses.replace(tiny(3).match, hi=0.8, lo=0.2, best=False))
    anchors = net.predict(images)[2]
    top = boxes.iou(anchors, targets[0]["boxes"]).amax(1)
    labels = net.assign(anchors, targets)[0][0]
    assert (labels > 0).equal(top >= 0.8) and (labels == 0).equal(top < 0.2)


def test_detections_stay_in_the_image_without_padding_and_obey_the_configuration(monkeypatch):
    images = scenes(2, 64)[0]
    net = model(detect=dataclasses.replace(tiny(3).detect, score=0.9, keep=7)).eval()
    outputs_of(net, monkeypatch, 2)
    found = net.detect(images, torch.tensor([[64, 64], [30, 40]]))
    assert all(len(f["scores"]) == 7 and f["scores"].min() > 0.9 for f in found)
    assert found[1]["boxes"][:, 2].max() == 40 and found[1]["boxes"][:, 3].max() == 30
    assert found[0]["boxes"].amax() > 40
    logits, _, _ = outputs_of(net, monkeypatch, 2)
    logits.data -= 20
    assert [len(f["scores"]) for f in net.detect(images)] == [0, 0]


def test_a_crowd_hides_the_background_in_it_from_the_loss(monkeypatch):
    images, targets = scenes(1, 64)
    net = model(loss=LossConfig(normaliser="batch"))
    logits, _, anchors = outputs_of(net, monkeypatch, 1)
    crowd = {**targets[0], "crowd": torch.tensor([True, False, False])}
    touched = torch.autograd.grad(net.losses(images, [crowd])["cls"], logits)[0][0].abs().sum(1) > 0
    rest = net.assign(anchors, [{k: v[1:] for k, v in targets[0].items()}])[0][0]
    hidden = (boxes.coverage(anchors, targets[0]["boxes"][:1])[:, 0] > 0.5) & (rest == 0)
    assert hidden.sum() > 3 and touched.equal((rest >= 0) & ~hidden)
