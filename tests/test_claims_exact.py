"""Every exact claim of the R-CNN line is computed, agrees with the paper, and would not if the code were wrong."""
import copy

import pytest
import torch
from torch import nn

from paperlib.experiments import facts, facts_fast_rcnn, facts_faster_rcnn, facts_rcnn, geometry
from paperlib.experiments.published import claims
from paperlib.parts import boxes, losses, matching
from paperlib.parts.anchors import AnchorConfig

FACTS = facts.all_facts()
EXACT = {c["id"]: c for c in claims() if c["kind"] == "exact" and c["paper"] in facts.PAPERS}


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
    field, step = geometry.receptive_field(net)
    assert step == 4
    assert {i for i, _ in reached} == {j for _, j in reached} == set(range(2 * step, 2 * step + field))


def tampered(table: str, variant: str, metric: str, value: float):
    """`facts.printed` with one cell changed."""
    def printed(name):
        rows = copy.deepcopy(facts.printed(name))
        if name == table:
            rows[variant][metric] = value
        return rows
    return printed


ENCODE, MATCH, GROUPED = boxes.encode, matching.match, geometry.alexnet(2)
BREAKS = {
    "rcnn-pool5-rf": (geometry, "receptive_field", lambda layers: (194, 32)),
    "rcnn-fc7-share": (geometry, "alexnet", lambda groups=1: GROUPED),
    "rcnn-pool5-share": (geometry, "alexnet", lambda groups=1: GROUPED),
    "rcnn-predictor-memory": (facts_rcnn, "GB", 10**9),
    "rcnn-bbox-param": (boxes, "encode", lambda a, b: ENCODE(a, b) * torch.tensor([1, 1, 0.5, 0.5])),
    "rcnn-minibatch-mix": (matching, "sample", lambda label, num, share, g: label),
    "rcnn-rel-61": (facts_rcnn, "printed", tampered("rcnn/2", "DPM v5", "mAP", 34.3)),
    "rcnn-seg-11of21": (facts_rcnn, "printed", tampered("rcnn/6", "O2P", "car", 59.0)),
    "frcn-svd-two-layers": (facts_fast_rcnn, "compressed", lambda layer, kept: nn.Sequential(
        nn.Linear(40, kept, bias=False, dtype=torch.float64), nn.Linear(kept, 24, dtype=torch.float64))),
    "frcn-smooth-l1": (losses, "smooth_l1", lambda pred, target, beta=1.0: (pred - target) ** 2 / 2),
    "frcn-roipool-backward": (facts_fast_rcnn.ops, "roi_pool", lambda x, rois, size: facts_fast_rcnn.ops.roi_align(
        x, rois, size)),
    "frcn-speed-arithmetic": (facts_fast_rcnn, "printed", tampered("fast_rcnn/4", "FRCN M", "test speedup", 90)),
    "faster-rf-zf": (geometry, "zf", lambda: geometry.alexnet()["pool5"]),
    "faster-inside-anchors": (facts_faster_rcnn, "inside", lambda anchors, size: anchors[..., 0] >= 0),
    "faster-anchor-count": (facts_faster_rcnn, "ANCHORS", AnchorConfig(levels=(4,), sizes=((128.0, 256.0),))),
    "faster-reg-only-positive": (facts_faster_rcnn, "match", lambda o, hi, lo, best: MATCH(o, 0.5, 0.4, best)),
    "faster-bbox-param": (boxes, "encode", lambda a, b: ENCODE(b, a)),
    "faster-timing-sums": (facts_faster_rcnn, "printed", tampered("faster_rcnn/5", "ZF, RPN + Fast R-CNN", "conv", 30)),
    "faster-coco-best-every-class": (facts_faster_rcnn, "printed", tampered("faster_rcnn/6", "SS, 07", "cat", 90.0)),
}


@pytest.mark.parametrize("claim", BREAKS)
def test_a_broken_part_breaks_the_claim(claim, monkeypatch):
    owner, name, broken = BREAKS[claim]
    monkeypatch.setattr(owner, name, broken)
    _, agrees, _ = FACTS[claim]()
    assert not agrees
