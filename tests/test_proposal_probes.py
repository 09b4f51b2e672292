"""What runs record of proposals, and the verdicts that are drawn from it."""
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from paperlib.claims.faster_rcnn import curves
from paperlib.claims.joining import joined
from paperlib.claims.registry import CURVES
from paperlib.claims.verdicts import judged
from paperlib.data.given_proposals import with_proposals
from paperlib.data.named_sets import load
from paperlib.papers.printed import published
from paperlib.papers.register import claims
from paperlib.parts import boxes
from paperlib.parts.anchors import anchors_for, base_anchors
from paperlib.parts.proposals import ProposalSource
from paperlib.scoring.coco_metrics import covered, evaluate
from paperlib.scoring.proposal_recall import (
    COUNTS,
    IOUS,
    learnt_sizes,
    own_margin,
    own_margins,
    proposal_facts,
    proposals_of,
    recall_by_iou,
)
from paperlib.studies import proposals, world
from paperlib.systems.presets.faster_rcnn import rpn_small, rpn_vgg16
from paperlib.systems.registry import PRESETS, SYSTEMS
from paperlib.training.recipes import budget, system_config
from paperlib.training.weights import save_weights
from paperlib.world import build

CPU = torch.device("cpu")


def system(name, preset, **changes):
    torch.manual_seed(0)
    return SYSTEMS[name](system_config(name, replace(budget("smoke").recipe(name), preset=preset), 1, changes)).eval()


def test_recall_by_iou_counts_objects(scenes):
    dataset = load(str(scenes), None)
    truth = [dataset.target(i)["boxes"] for i in range(len(dataset))]
    exact = recall_by_iou(dataset, truth, (1, 5))
    assert exact.shape == (5, 2) and (exact == 1).all()
    shifted = [b + torch.tensor([0.0, 0, (b[0, 2] - b[0, 0]) * 0.3, 0]) for b in truth]      # IoU 1 / 1.3 = .77
    assert recall_by_iou(dataset, shifted, (1,))[:, 0].tolist() == [1, 1, 1, 0, 0]
    late = [torch.cat([torch.tensor([[0.0, 0, 4, 4]]).repeat(3, 1), b]) for b in truth]      # fourth in the list
    assert recall_by_iou(dataset, late, (3, 4))[0].tolist() == [0, 1]


def test_margin_of_own_anchors():
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 20, 20], [0, 0, 10, 40]])
    sides = anchors[:, 2:]
    assert own_margin(sides, anchors) == pytest.approx(2**0.5 * torch.tensor(2.0).log().item(), rel=1e-4)
    assert own_margin(sides[[1, 0, 2]], anchors) < 0


def test_an_untrained_network_proposes_its_anchors(scenes):
    dataset, net = load(str(scenes), None), system("rpn", "small", **{"trunk.weights": None})
    torch.nn.init.zeros_(net.rpn.heads[0].box.weight)
    sizes = learnt_sizes(net, dataset, CPU)
    torch.testing.assert_close(sizes, (2 * base_anchors(net.cfg.rpn.anchors, 3)[:, 2:]).float())
    assert own_margin(sizes, base_anchors(net.cfg.rpn.anchors, 3)) > 0.3


def test_facts_of_own_and_of_given_proposals(scenes):
    dataset = load(str(scenes), None)
    found = proposal_facts(system("faster_rcnn", "small"), dataset, CPU)
    assert {f"recall_{t:g}_{n}" for t in IOUS for n in COUNTS} < set(found) and "own_margin" in found
    dense = system("faster_rcnn", "small", training="separate", train_on="given", test_on="given",
                   **{"proposals.kind": "dense"})
    given = proposals_of(dense, dataset, CPU)
    assert len(given) == 4 and boxes.area(given[0]).min() > 0
    assert "own_margin" not in proposal_facts(dense, dataset, CPU)


def test_probes_of_the_stored_detector_are_recorded_and_judged(tmp_path, monkeypatch):
    build.build("minivoc", tmp_path / "voc", 1, {"trainval": 1, "test": 10})
    for name in ("RESULTS", "WEIGHTS"):
        monkeypatch.setenv(f"PAPERLIB_{name}", str(tmp_path))
    monkeypatch.setattr(proposals, "load", lambda name, split, limit: load(str(tmp_path / "voc"), split, limit=limit))
    torch.manual_seed(0)
    net = SYSTEMS["faster_rcnn"](PRESETS["faster_rcnn"]["small"](20))
    monkeypatch.setattr(proposals, "evaluate", lambda *given: evaluate(*given) | {"mAP": -covered(given[1])})
    torch.nn.init.zeros_(net.rpn.heads[0].box.weight)
    save_weights(tmp_path / proposals.STORED, "faster_rcnn", net)
    nms, proxy, counted = world.bench(list(proposals.PROBES))
    anchors = boxes.clip(anchors_for(net.cfg.rpn.anchors, {3: (16, 16)}), (128, 128))
    flat = [len(boxes.nms(anchors, torch.rand(len(anchors)), None, 0.7)) for _ in range(5)]
    assert len(nms["values"]["number"]) == 5 and nms["metrics"]["number"] == pytest.approx(sum(flat) / 5, rel=0.1)
    assert nms["metrics"]["share"] == pytest.approx(nms["metrics"]["number"] / len(anchors))
    assert len(proxy["values"]) == 2 * 13 + 1 and proxy["values"]["correlation"] == pytest.approx([-1] * 5)
    image = load(str(tmp_path / "voc"), "trainval")
    searched = with_proposals(image, ProposalSource()).proposals[0]
    half = [any(float(boxes.iou(b[None], o[None])) >= 0.5 for o in image.target(0)["boxes"]) for b in searched]
    assert counted["values"] == {"objects": [len(image.target(0)["boxes"])], "proposals": [len(half)],
                                 "positives": [sum(half)]}
    (line,) = [line for line in judged("smoke", "faster_rcnn") if line.id == "faster-recall-loose-proxy"]
    assert (line.verdict, line.n, line.n_of, line.measured) == ("holds", 13, "lists", pytest.approx(-100))
    save_weights(tmp_path / proposals.STORED, "faster_rcnn", net, half=True)
    assert [of.verdict for of in judged("smoke", "faster_rcnn") if of.id == line.id] == ["stale"]


@pytest.mark.parametrize("claim, few, many, amid", [
    ("rcnn-biased-sampling", "holds", "contradicted", 50),
    ("rcnn-jittered-positives", "contradicted", "holds", 45)])
def test_positives_are_counted(claim, few, many, amid, monkeypatch):
    record = next(c for c in claims() if c["id"] == claim)
    for positives, verdict in ((20, few), (80, many), (amid, "unresolved")):
        values = {"positives": [positives, positives + 2, positives - 1], "proposals": [1000, 1010, 990],
                  "objects": [3, 3, 3]}
        monkeypatch.setattr(world, "measured", lambda _, v=values: {"rcnn-positives": {
            "stale": False, "provenance": {}, "values": v, "metrics": {"proposals": 900.0}}})
        assert joined(CURVES[claim](record, None).comparisons).verdict == verdict


@pytest.mark.parametrize("apart, verdict", [(0, "contradicted"), (20, "holds"), (6, "unresolved")])
def test_recall_is_a_loose_proxy_if_many_lists_are_out_of_order(apart, verdict, monkeypatch):
    lists = 30
    order = np.arange(lists) + apart * np.random.default_rng(0).normal(size=lists)
    values = {}
    for k in range(lists):
        values |= {f"AR list {k}": [k / 100, (k + 1) / 100], f"mAP list {k}": [order[k] / 100]}
    record = {"stale": False, "provenance": {}, "values": values | {"correlation": [0.5]}}
    monkeypatch.setattr(world, "measured", lambda _: {"faster-recall-loose-proxy": record})
    outcome = curves.CURVES["faster-recall-loose-proxy"]({"id": "faster-recall-loose-proxy"}, None)
    result = joined(outcome.comparisons)
    assert result.verdict == verdict and outcome.before_rules
    assert result.parts[0].n == lists
    assert result.parts[0].measured == pytest.approx(100 * stats.spearmanr(range(lists), order).statistic, abs=0.01)


class Trained:
    """Two rows of faster_rcnn/2: of 60 points of recall the RPN loses 5, selective search `lost` and more."""

    def __init__(self, lost=20.0, sizes=None):
        self.lost, self.sizes = lost, sizes

    def points(self, table, row, metric):
        side, _, shape = metric.partition("_")
        if side in ("width", "height"):
            return {s: 100 * float(self.sizes[int(shape), int(side == "height")]) * (1 + s / 100) for s in range(3)}
        low = metric.endswith(f"_{min(COUNTS)}")
        return {s: 60 - low * (5 if row.startswith("RPN") else self.lost + s / 10) for s in range(3)}


def judge(name, trained):
    claim = {"judge": {"table": "faster_rcnn/2", "row": "SS / SS 2000"}}
    return joined(curves.CURVES[name](claim, trained).comparisons)


def test_recall_is_lost_in_shares_at_every_iou():
    result = judge("faster-recall-graceful", Trained())
    assert result.verdict == "holds" and len(result.parts) == 5
    assert result.parts[0].measured == pytest.approx(100 * 15.1 / 60, abs=1e-3)
    assert judge("faster-recall-graceful", Trained(lost=2)).verdict == "contradicted"


def test_eight_of_nine_sizes_are_nearest_to_their_own_anchor():
    cfg = rpn_small().rpn.anchors
    own = base_anchors(cfg, 3)
    own = own[:, 2:] - own[:, :2]  # (9, 2): width, height
    assert judge("faster-learned-sizes", Trained(sizes=own)).verdict == "holds"
    one, two = own.clone(), own.clone()
    one[0] = own[1]
    two[:2] = own[2]
    assert judge("faster-learned-sizes", Trained(sizes=one)).verdict == "holds"
    assert judge("faster-learned-sizes", Trained(sizes=two)).verdict == "contradicted"


def test_the_printed_table_has_eight_of_nine():
    cfg = rpn_vgg16().rpn.anchors
    anchors = base_anchors(cfg, cfg.levels[0])
    printed = {row["label"]: list(row["values"].values()) for row in published()["faster_rcnn/1"]["rows"]}
    ordered = [f"{side}^2, {ratio}" for ratio, side in product(("2:1", "1:1", "1:2"), (128, 256, 512))]
    assert anchors[0, 2:].tolist() > anchors[6, 2:].tolist() and len(printed) == 9  # 2:1 is the wide one
    margins = own_margins(torch.tensor([printed[name] for name in ordered]), anchors)
    assert [ordered[k] for k in (margins < 0).nonzero()[:, 0]] == ["128^2, 1:2"]


def test_learnt_sizes_are_weighted_by_objectness(scenes):
    net = system("rpn", "small", **{"trunk.weights": None})
    shapes = net.cfg.rpn.anchors.shapes_per_position
    sides = torch.arange(1.0, 2 * shapes + 1).view(2, shapes, 1).expand(-1, -1, 2)              # two places
    anchors = torch.cat([torch.zeros(2, shapes, 2), sides], 2).reshape(-1, 4)
    logits = torch.tensor([0.0, 2.0]).repeat_interleave(shapes).expand(4, -1)
    net.predict_levels = lambda images: (
        [logits[: len(images)]], [torch.zeros(len(images), 2 * shapes, 4)], [anchors])
    weights = logits[0, ::shapes].sigmoid()
    wanted = (sides[:, :, 0] * weights[:, None]).sum(0) / weights.sum()
    for batch in (4, 3):
        sizes = learnt_sizes(net, load(str(scenes), None), CPU, batch)
        torch.testing.assert_close(sizes, wanted[:, None].expand(-1, 2).to(sizes.dtype))


def test_own_proposals_lie_on_the_images_as_stored_and_are_those_that_train(scenes):
    asked = []

    class Whole(torch.nn.Module):
        """Proposes the whole image, and says in which mode it was asked."""

        cfg = PRESETS["rpn"]["tiny"](1)

        def proposals(self, images, sizes, training):
            asked.append((training, self.training))
            return [torch.tensor([[0.0, 0.0, w, h]]) for h, w in sizes.tolist()]

    for short in (None, 96):
        found = proposals_of(Whole(), load(str(scenes), None), CPU, short, batch=3)
        assert [b.tolist() for b in found] == [[[0, 0, 64, 64]]] * 4
    assert asked == [(True, False)] * 4                              # two batches each


def test_facts_of_sizes_are_of_images_as_stored_and_of_so_many(scenes):
    dataset, net = load(str(scenes), None), system("rpn", "small", **{"trunk.weights": None})
    assert "width_0" in proposal_facts(net, dataset, CPU)
    assert "width_0" not in proposal_facts(net, dataset, CPU, short=96)
    assert proposal_facts(net, dataset, CPU, images=2) == proposal_facts(net, dataset.subset(2), CPU)
    one = system("rpn", "small", **{"trunk.weights": None, "rpn.anchors.scales": (1.0,), "rpn.anchors.ratios": (1.0,)})
    assert "own_margin" not in proposal_facts(one, dataset, CPU)
