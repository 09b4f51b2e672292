"""Every exact claim is computed, agrees with the paper, and would not if the code were wrong."""
import copy
import math

import pytest
import torch
from torch import nn
from torchvision import ops

from paperlib.claims import compare, paper_nets, registry
from paperlib.claims.coco import computed as coco_computed
from paperlib.claims.fast_rcnn import computed as fast_rcnn_computed
from paperlib.claims.faster_rcnn import computed as faster_rcnn_computed
from paperlib.claims.focal_loss import computed as focal_loss_computed
from paperlib.claims.focal_loss import computed_retinanet as retinanet_computed
from paperlib.claims.fpn import computed as fpn_computed
from paperlib.claims.rcnn import computed as rcnn_computed
from paperlib.claims.sharpmask import computed as sharpmask_computed
from paperlib.papers.register import claims
from paperlib.parts import boxes, losses, matching, sampling
from paperlib.parts.anchors import AnchorConfig, base_anchors
from paperlib.parts.crops.warp import CropConfig
from paperlib.parts.heads import HeadConfig
from paperlib.parts.pyramids import PyramidConfig, pyramid

FACTS = registry.COMPUTED
EXACT = {c["id"]: c for c in claims() if c["kind"] == "exact"}


def test_every_exact_claim_has_its_fact_and_no_other():
    assert sorted(FACTS) == sorted(EXACT)


@pytest.mark.parametrize("claim", sorted(FACTS))
def test_computed_value_agrees(claim):
    value, agrees, formula = FACTS[claim]()
    assert agrees, f"{EXACT[claim]['say']} Computed: {value} by {formula}"


def test_receptive_field_is_what_a_gradient_reaches():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 1, 5, stride=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(1, 1, 3))
    for p in net.parameters():
        p.data = p.data.abs() + 0.1
    reached = set()
    for _ in range(40):  # a maximum passes one cell at a time, so many images together show the whole window
        image = torch.rand(1, 1, 41, 41, requires_grad=True)
        out = net(image)
        (grad,) = torch.autograd.grad(out[0, 0, 2, 2], image)
        reached |= {tuple(i) for i in grad[0, 0].nonzero().tolist()}
    field, step = paper_nets.receptive_field(net)
    assert step == 4
    assert {i for i, _ in reached} == {j for _, j in reached} == set(range(2 * step, 2 * step + field))


def tampered(table: str, variant: str, metric: str, value: float):
    """`compare.printed` with one cell changed."""
    def printed(name):
        rows = copy.deepcopy(compare.printed(name))
        if name == table:
            rows[variant][metric] = value
        return rows
    return printed


ENCODE, MATCH, GROUPED = boxes.encode, matching.match, paper_nets.alexnet(2)
BREAKS = {
    "rcnn-pool5-rf": (paper_nets, "receptive_field", lambda layers: (194, 32)),
    "rcnn-fc7-share": (paper_nets, "alexnet", lambda groups=1: GROUPED),
    "rcnn-pool5-share": (paper_nets, "alexnet", lambda groups=1: GROUPED),
    "rcnn-predictor-memory": (rcnn_computed, "GB", 10**9),
    "rcnn-warp-padding-geometry": (rcnn_computed, "CropConfig", lambda side, context: CropConfig(side, 20.0)),
    "rcnn-bbox-param": (boxes, "encode", lambda a, b: ENCODE(a, b) * torch.tensor([1, 1, 0.5, 0.5])),
    "rcnn-minibatch-mix": (sampling, "sample", lambda label, num, share, g: label),
    "rcnn-rel-61": (rcnn_computed, "printed", tampered("rcnn/2", "DPM v5", "mAP", 34.3)),
    "rcnn-seg-11of21": (rcnn_computed, "printed", tampered("rcnn/6", "O2P", "car", 59.0)),
    "frcn-svd-two-layers": (fast_rcnn_computed, "truncated", lambda layer, kept: nn.Sequential(
        nn.Linear(40, kept, bias=False, dtype=torch.float64), nn.Linear(kept, 24, dtype=torch.float64))),
    "frcn-smooth-l1": (losses, "smooth_l1", lambda pred, target, beta=1.0: (pred - target) ** 2 / 2),
    "frcn-roipool-backward": (ops, "roi_pool", lambda x, rois, size: ops.roi_align(x, rois, size)),
    "frcn-speed-arithmetic": (fast_rcnn_computed, "printed", tampered("fast_rcnn/4", "FRCN M", "test speedup", 90)),
    "faster-rf-zf": (paper_nets, "zf", lambda: paper_nets.alexnet()["pool5"]),
    "faster-inside-anchors": (faster_rcnn_computed, "inside", lambda anchors, size: anchors[..., 0] >= 0),
    "faster-anchor-count": (faster_rcnn_computed, "ANCHORS", AnchorConfig(levels=(4,), sizes=((128.0, 256.0),))),
    "faster-reg-only-positive": (faster_rcnn_computed, "match", lambda o, hi, lo, best: MATCH(o, 0.5, 0.4, best)),
    "faster-bbox-param": (boxes, "encode", lambda a, b: ENCODE(b, a)),
    "faster-timing-sums": (
        faster_rcnn_computed, "printed", tampered("faster_rcnn/5", "ZF, RPN + Fast R-CNN", "conv", 30)),
    "faster-coco-best-every-class": (faster_rcnn_computed, "printed", tampered("faster_rcnn/6", "SS, 07", "cat", 90.0)),
}


def without_crowds(gt, results):
    flat = [{**record, "iscrowd": 0} for record in gt["annotations"]]
    return METRICS({**gt, "annotations": flat}, results)


def rectified(cfg, channels):
    net = pyramid(cfg, channels)
    net.register_forward_hook(lambda module, inputs, maps: {level: x.relu() for level, x in maps.items()})
    return net


LOSS, RETINA = focal_loss_computed, retinanet_computed
FPN, COCO, SHARP = fpn_computed, coco_computed, sharpmask_computed
METRICS = coco_computed.coco_metrics
SHARPER = ("focal", lambda x, t, gamma=2.0, alpha=None: losses.focal(x, t, gamma + 0.1, alpha))
SHIFTED = ("focal_star", lambda x, t, gamma, beta, alpha: losses.focal_star(x, t, gamma, beta + 0.1, alpha))
HEAVIER = ("cross_entropy", lambda x, t, alpha=None: 1.01 * losses.cross_entropy(x, t, alpha) ** 1.01)
FEWER = ("AnchorConfig", lambda **settings: AnchorConfig(**{"scales": (1.0,), **settings}))
BREAKS |= {
    "focal-gamma0-is-ce": (LOSS, *SHARPER), "focal-100x": (LOSS, *SHARPER), "focal-1000x": (LOSS, *SHARPER),
    "focal-at-most-4x": (LOSS, *SHARPER), "focal-dfl": (LOSS, *SHARPER), "focal-dflstar": (LOSS, *SHIFTED),
    "focal-flstar-reduces": (LOSS, *SHIFTED), "focal-dce": (LOSS, *HEAVIER), "focal-limits": (LOSS, *HEAVIER),
    "focal-prior-loss": (LOSS, *HEAVIER),
    "focal-small-gradient": (LOSS, "focal", lambda x, t, gamma, alpha: losses.focal(x, t, 1.0, alpha)),
    "focal-prior-bias": (LOSS, "HeadConfig", lambda prior: HeadConfig(prior=2 * prior)),
    "focal-normalise-assigned": (LOSS, "ClassLossConfig", lambda gamma: losses.ClassLossConfig(gamma=0.0)),
    "focal-implicit-alpha": (LOSS, "sample", lambda label, num, share, g: sampling.sample(label, num, 0.125, g)),
    "focal-anchor-range": (RETINA, "base_anchors", lambda cfg, level: 1.01 * base_anchors(cfg, level)),
    "focal-100k-anchors": (RETINA, *FEWER),
    "focal-subnet-shape": (RETINA, "HeadConfig", lambda: HeadConfig(convs=3)),
    "focal-class-agnostic-params": (RETINA, "HeadConfig", lambda class_agnostic: HeadConfig()),
    "focal-assignment": (RETINA, "match", lambda overlaps, hi, lo: MATCH(overlaps, 0.6, 0.3)),
    "focal-r50-500": (RETINA, "printed", tampered("focal_loss/1e", "101-600", "AP", 33.0)),
    "focal-deltas": (RETINA, "printed", tampered("focal_loss/1d", "FL", "AP", 36.1)),
    "fpn-anchors-fpn": (FPN, "SPREAD", AnchorConfig(levels=(2, 3, 4, 5), scales=(1.0,))),
    "fpn-15-anchors": (FPN, "SPREAD", AnchorConfig(levels=(2, 3, 4, 5, 6), scales=(1.0,))),
    "fpn-roi-level": (FPN, "level_of", lambda w, h: round(4 + math.log2(math.sqrt(w * h) / 224))),
    "fpn-strides": (FPN, "LAYERS", PyramidConfig(levels=(2, 3, 4, 5, 6), extra="conv")),
    "fpn-linear-extra": (FPN, "pyramid", rectified),
    "fpn-mask-fps": (FPN, "printed", tampered("fpn/6", "7x7 windows", "time", 0.15)),
    "fpn-deltas": (FPN, "printed", tampered("fpn/3", "FPN", "AP50", 57.0)),
    "coco-crowd-ignored": (COCO, "coco_metrics", without_crowds),
    "coco-dpm-averages": (COCO, "printed", tampered("coco/1", "VOC to COCO", "dog", 8.5)),
    "coco-dpm-6of20": (COCO, "printed", tampered("coco/1", "COCO to VOC", "car", 53.6)),
    "coco-splits": (COCO, "printed", tampered("coco/stats", "2015 test images", "value", 81435)),
    "coco-verify-vote": (COCO, "segment_is_kept", lambda votes: sum(votes) >= 3),
    "sharp-kernel-size": (SHARP, "printed", tampered("sharpmask/1", "W112-P4-D39", "P", 3)),
    "sharp-full-resolution": (SHARP, "_up", lambda x: x),
    "sharp-time-arithmetic": (SHARP, "printed", tampered("sharpmask/2", "DeepMask", "total time", 1.32)),
}


@pytest.mark.parametrize("claim", BREAKS)
def test_a_broken_part_breaks_the_claim(claim, monkeypatch):
    owner, name, broken = BREAKS[claim]
    monkeypatch.setattr(owner, name, broken)
    _, agrees, _ = FACTS[claim]()
    assert not agrees
