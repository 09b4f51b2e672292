import math

import pytest
import torch
from test_boxes import DEVICES, nms_slow, random_boxes
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.ops import MultiScaleRoIAlign, roi_align

from paperlib.parts import boxes, roi_training
from paperlib.parts.detections import RoIDetectConfig, select_rois
from paperlib.parts.heads import BoxHead, BoxHeadConfig, truncated
from paperlib.parts.roi_pooling import RoIConfig, level_of, pool, to_rois
from paperlib.parts.roi_training import DeltaConfig, RoISampleConfig, sample_rois


def pool_slow(x, given, side, stride):
    """Fast R-CNN Sec. 2.1 and Eq. 4, cell by cell: x (N, C, H, W), given (R, 5) px -> (R, C, side, side)."""
    cells = []
    for image, *box in given.tolist():
        left, top, right, bottom = (math.floor((v - last) / stride + 0.5) for v, last in zip(box, (0, 0, 1, 1)))
        h, w = max(bottom - top + 1, 1) / side, max(right - left + 1, 1) / side
        for i in range(side):
            for j in range(side):
                window = x[int(image), :, max(top + math.floor(i * h), 0):max(top + math.ceil((i + 1) * h), 0),
                           max(left + math.floor(j * w), 0):max(left + math.ceil((j + 1) * w), 0)]
                cells.append(window.amax((1, 2)) if window.numel() else x.new_zeros(x.shape[1]))
    return torch.stack(cells).view(len(given), side, side, -1).permute(0, 3, 1, 2)


def case(dtype=torch.float64, num=12):
    given = torch.cat([torch.arange(num)[:, None] % 2, boxes.clip(random_boxes(num), (96, 112))], 1).to(dtype)
    x = torch.randn(2, 3, 12, 14, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return x, given


@pytest.mark.parametrize("device", DEVICES)
def test_pooling_and_its_gradient_equal_the_definition(device):
    x, given = case()
    grads = []
    for run in (lambda x: pool({3: x}, given.to(x.device), RoIConfig(side=5)), lambda x: pool_slow(x, given, 5, 8)):
        x = x.detach().to(device if not grads else "cpu").requires_grad_()
        out = run(x)
        weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype).to(x.device)
        grads.append((out.detach().cpu(), torch.autograd.grad((out * weight).sum(), x)[0].cpu()))
    torch.testing.assert_close(*grads, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["max", "align", "warp"])
def test_gradients_of_the_features(kind):
    x, given = case(num=3)
    assert torch.autograd.gradcheck(lambda x: pool({3: x}, given, RoIConfig(kind, side=3)), x.requires_grad_())


def test_align_equals_torchvision_and_warp_moves_boxes():
    x, given = case()
    given[:6, 1:] = 1.5 * given[:6, 1:] - 40  # past every edge
    want = roi_align(x, given, 7, 1 / 8, 2)
    for kind in ("align", "warp"):
        torch.testing.assert_close(pool({3: x}, given, RoIConfig(kind)), want, rtol=1e-12, atol=1e-12)
    given = case()[1]
    box = (given[:2, 1:] + 0.37).requires_grad_()
    image = given[:2, :1]
    assert torch.autograd.gradcheck(lambda b: pool({3: x}, torch.cat([image, b], 1), RoIConfig("warp", 3)), box)


@pytest.mark.parametrize("device", DEVICES)
def test_levels_equal_torchvision(device):
    features = {level: torch.randn(2, 4, 256 >> level, 256 >> level, device=device) for level in (2, 3, 4, 5)}
    given = torch.rand(40, 4, generator=torch.Generator().manual_seed(0)).to(device)
    given = torch.cat([given[:, :2] * 100, given[:, :2] * 100 + given[:, 2:] * 150 + 1], 1)
    theirs = MultiScaleRoIAlign(["2", "3", "4", "5"], 7, 2, canonical_scale=64, canonical_level=4)
    want = theirs({str(k): v for k, v in features.items()}, [given[:25], given[25:]], [(256, 256)] * 2)
    got = pool(features, to_rois([given[:25], given[25:]]), RoIConfig("align", canonical_size=64.0))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_levels_by_hand():
    sides = torch.tensor([1.0, 56, 111, 112, 223, 224, 448, 4000])
    b = torch.stack([sides * 0, sides * 0, sides, sides], 1)
    assert level_of(b, (2, 3, 4, 5)).tolist() == [2, 2, 2, 3, 3, 4, 5, 5]
    assert level_of(b, (4,)).tolist() == [4] * 8


def test_no_rois_and_unknown_kinds():
    x, given = case()
    assert pool({3: x, 4: x}, given[:0]).shape == (0, 3, 7, 7)
    with pytest.raises(ValueError, match=r"roi.kind 'mean'.*'align'"):
        pool({3: x}, given, RoIConfig("mean"))


def test_normalised_deltas_go_back():
    src, dst = random_boxes(9), random_boxes(9, seed=1)
    torch.testing.assert_close(roi_training.decode(src, roi_training.encode(src, dst)), dst, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(roi_training.encode(src, dst), boxes.encode(src, dst) * torch.tensor([10.0, 10, 5, 5]))


def targets():
    flags = torch.zeros(2, dtype=torch.bool)
    one = {"boxes": torch.tensor([[10.0, 10, 50, 50], [60, 60, 90, 90]]), "labels": torch.tensor([3, 7]),
           "crowd": flags, "difficult": flags}
    return [one, {k: v[:0] for k, v in one.items()}]


@pytest.mark.parametrize("device", DEVICES)
def test_sampled_rois_follow_the_rules(device):
    given = [random_boxes(400, seed=s).to(device) for s in (0, 1)]
    found, labels, goals = sample_rois(given, [{k: v.to(device) for k, v in t.items()} for t in targets()])
    assert (found[:, 0] == 0).all()                            # the image without objects has no IoU above .1
    assert len(found) == 64 and 2 < (labels > 0).sum() <= 16
    best, gt = boxes.iou(found[:, 1:], targets()[0]["boxes"].to(device)).max(1)
    positive = labels > 0
    assert (best[positive] >= 0.5).all() and ((best[~positive] >= 0.1) & (best[~positive] < 0.5)).all()
    assert (labels[positive] == torch.tensor([3, 7], device=device)[gt[positive]]).all()
    assert (goals[positive] == targets()[0]["boxes"].to(device)[gt[positive]]).all()
    background = sample_rois(given, targets() if device == "cpu" else
                             [{k: v.to(device) for k, v in t.items()} for t in targets()],
                             RoISampleConfig(background=(0.0, 0.5)))
    assert (background[0][:, 0] == 1).sum() == 64              # all background


def test_truth_is_a_proposal_unless_switched_off_or_difficult():
    far = [torch.tensor([[0.0, 0, 5, 5]])] * 2
    found, labels, _ = sample_rois(far, targets())
    assert found[:, 1:].tolist() == targets()[0]["boxes"].tolist() and labels.tolist() == [3, 7]
    assert not len(sample_rois(far, targets(), RoISampleConfig(add_truth=False))[0])
    hard = targets()
    hard[0] = {**hard[0], "difficult": torch.tensor([True, False])}
    assert sample_rois(far, hard)[1].tolist() == [3, 7]
    assert sample_rois(far, hard, RoISampleConfig(difficult=False))[1].tolist() == [7]


def test_head_equals_torchvision():
    head, mlp, out = BoxHead(8, 3, 5, BoxHeadConfig((16, 12))), TwoMLPHead(72, 16), FastRCNNPredictor(12, 6)
    mlp.fc6.load_state_dict(head.fc6.state_dict())
    mlp.fc7 = head.fc7
    out.cls_score.load_state_dict(head.cls.state_dict())
    out.bbox_pred.weight.data[4:], out.bbox_pred.bias.data[4:] = head.box.weight, head.box.bias
    x = torch.randn(6, 8, 3, 3)
    logits, deltas = head(x)
    want = out(mlp(x))
    torch.testing.assert_close(logits, want[0])
    torch.testing.assert_close(deltas, want[1].view(6, 6, 4)[:, 1:])
    assert head.cls.weight.std().item() == pytest.approx(0.01, rel=0.3)
    assert head.box.weight.std().item() == pytest.approx(0.001, rel=0.3)


def test_truncated_layer():
    layer, x = torch.nn.Linear(40, 24), torch.randn(8, 40)
    torch.testing.assert_close(truncated(layer, 24)(x), layer(x), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in truncated(layer, 5).parameters()) == 5 * (40 + 24) + 24
    with pytest.raises(ValueError, match=r"25 singular values.*expected 1 to 24"):
        truncated(layer, 25)


@pytest.mark.parametrize("device", DEVICES)
def test_detections_equal_the_slow_spec(device):
    g = torch.Generator().manual_seed(0)
    given = to_rois([random_boxes(30), random_boxes(20, seed=1)])
    scores, deltas = torch.rand(50, 4, generator=g), torch.randn(50, 4, 4, generator=g)
    sizes, cfg = torch.tensor([[90, 100], [50, 60]]), RoIDetectConfig(0.3, keep=15)
    got = select_rois(*(t.to(device) for t in (scores, deltas, given, sizes)), DeltaConfig(), cfg)
    for i, size in enumerate(sizes):
        rows = [(scores[r, k], k + 1, boxes.clip(roi_training.decode(given[r, 1:], deltas[r, k]), size))
                for r in range(50) for k in range(4) if given[r, 0] == i and scores[r, k] > 0.3]
        s, labels, found = (torch.stack([torch.as_tensor(row[n]) for row in rows]) for n in range(3))
        keep = nms_slow(found, s, labels, 0.3)[:15]
        for a, b in zip(got[i].values(), (found[keep], s[keep], labels[keep])):
            torch.testing.assert_close(a.cpu(), b)
    still = select_rois(scores, deltas, given, sizes, DeltaConfig(), RoIDetectConfig(0.3, boxes=False))
    assert (still[0]["boxes"][:, None] == boxes.clip(given[:, 1:], (90, 100))).all(-1).any(1).all()
    assert [len(d["boxes"]) for d in select_rois(scores * 0, deltas, given, sizes, DeltaConfig())] == [0, 0]


def test_losses_of_the_head_equal_torchvision():
    """The normaliser that later systems share: the mean over all sampled RoIs, background too."""
    g = torch.Generator().manual_seed(0)
    logits, deltas = torch.randn(20, 4, generator=g), torch.randn(20, 3, 4, generator=g)
    labels, src, dst = torch.randint(0, 4, (20,), generator=g), random_boxes(20), random_boxes(20, seed=1)
    with_background = torch.cat([torch.zeros(20, 1, 4), deltas], 1).flatten(1)
    cls, box = fastrcnn_loss(logits, with_background, [labels], [roi_training.encode(src, dst)])
    got = roi_training.losses(logits, deltas, to_rois([src]), labels, dst, beta=1 / 9)
    torch.testing.assert_close((got["cls"], got["box"]), (cls, box))
    plain = roi_training.losses(logits, deltas, to_rois([src]), labels, dst, beta=math.inf)["box"]
    nearly = roi_training.losses(logits, deltas, to_rois([src]), labels, dst, beta=1e6)["box"]
    torch.testing.assert_close(plain, nearly * 1e6)
    nothing = roi_training.losses(logits, deltas, to_rois([src]), labels * 0, dst * 0)["box"]
    assert nothing == 0


def test_a_box_a_hair_under_a_size_stays_on_its_level():
    b = torch.tensor([[0.0, 0, 223.9999, 223.9999]])  # 224 px but for rounding
    assert level_of(b, (2, 3, 4, 5)).tolist() == [4]


def test_levels_are_those_of_the_configuration():
    features = {level: torch.full((1, 1, 256 >> level, 256 >> level), float(level)) for level in (2, 3, 4, 5)}
    given = torch.tensor([[0.0, 0, 0, 60, 60], [0.0, 0, 0, 250, 250]])

    def read(**changes):
        return pool(features, given, RoIConfig("max", **changes))[:, 0, 2, 2].tolist()

    assert read() == [2, 4] and read(canonical_level=5) == [3, 5] and read(canonical_size=56.0) == [4, 5]
    assert read(levels=(3,)) == [3, 3] and read(levels=(2, 3)) == [2, 3]


def test_align_moves_no_boxes_and_half_precision_maps_are_read_in_full():
    x, given = case(torch.float32)
    assert not pool({3: x}, given.requires_grad_(), RoIConfig("align")).requires_grad
    halves = x.bfloat16()
    for kind in ("max", "align"):
        got = pool({3: halves}, given.detach(), RoIConfig(kind))
        assert got.dtype == torch.float32 and got.equal(pool({3: halves.float()}, given.detach(), RoIConfig(kind)))


def test_the_mean_of_deltas_is_taken_off_and_put_back():
    code = DeltaConfig((0.1, 0.2, 0.3, 0.4), (0.1, 0.1, 0.2, 0.2))
    src, dst = random_boxes(9), random_boxes(9, seed=1)
    want = (boxes.encode(src, dst) - torch.tensor(code.mean)) * torch.tensor([10.0, 10, 5, 5])
    torch.testing.assert_close(roi_training.encode(src, dst, code), want)
    torch.testing.assert_close(roi_training.decode(src, want, code), dst, rtol=1e-4, atol=1e-4)


def test_a_crowd_is_never_shown_and_hides_its_background():
    target = {"boxes": torch.tensor([[10.0, 10, 50, 50], [10.0, 10, 50, 45], [60.0, 0, 100, 100]]),
              "labels": torch.tensor([1, 2, 3]), "crowd": torch.tensor([False, True, True])}
    inside, outside = [70.0, 10, 80, 20], [0.0, 80, 40, 100]
    cfg = RoISampleConfig(background=(0.0, 0.5))
    found, labels, _ = sample_rois([torch.tensor([inside, outside])], [target], cfg)
    assert found[:, 1:].tolist() == [outside, [10.0, 10, 50, 50]] and labels.tolist() == [0, 1]


def test_only_real_proposals_are_sampled_by_the_configured_thresholds_and_the_generator():
    given = [random_boxes(400, seed=0), random_boxes(3, seed=1)]
    cfg = RoISampleConfig(num=8, positive=1.0, hi=0.7, background=(0.2, 0.4), add_truth=False)
    found, labels, _ = sample_rois(given, targets(), cfg)
    best = boxes.iou(found[:, 1:], targets()[0]["boxes"]).amax(1)
    assert (best[labels > 0] >= 0.7).all() and ((best >= 0.2) & (best < 0.4))[labels == 0].all() and len(labels)
    free = RoISampleConfig(background=(0.0, 0.5), add_truth=False)
    assert (sample_rois(given, targets(), free)[0][:, 0] == 1).sum() == 3
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(drawn))
        drawn.append(sample_rois(given, targets(), free, torch.Generator().manual_seed(seed))[0])
    assert drawn[0].equal(drawn[1]) and not drawn[0].equal(drawn[2])


def test_a_share_between_the_thresholds_of_roi_sampling_is_left_out():
    near = torch.tensor([[10.0, 10, 50, 34], [10.0, 10, 50, 30], [10.0, 10, 50, 22]])  # IoU .6, .5, .3 with object 1
    cfg = RoISampleConfig(hi=0.55, background=(0.1, 0.4), add_truth=False)
    found, labels, _ = sample_rois([near, near[:0]], targets(), cfg)
    assert found[:, 4].tolist() == [34.0, 22.0] and labels.tolist() == [3, 0]


def test_levels_that_no_map_has_are_named():
    features = {2: torch.rand(1, 3, 8, 8), 3: torch.rand(1, 3, 4, 4)}
    with pytest.raises(ValueError, match=r"roi\.levels is \(4, 5\); expected levels of the features, \[2, 3\]"):
        pool(features, torch.zeros(1, 5), RoIConfig(levels=(4, 5)))
