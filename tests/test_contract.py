"""Every system keeps the contract: the same signatures, declared facts, and losses that change nothing."""
import inspect

import pytest
import torch
from test_retinanet import scenes as boxed_scenes

from paperlib.config import override
from paperlib.parts.anchors import AnchorConfig
from paperlib.parts.matching import MatchConfig
from paperlib.systems.contract import AfterConfig, DetectionSystem, ProposalMaker, SystemConfig, Trainable
from paperlib.systems.registry import PRESETS, SYSTEMS

METHODS = {Trainable: ("losses", "observe"), DetectionSystem: ("predict", "detect")}


OF_MASKS = ("deepmask", "sharpmask", "fpn_masks")


def system(name, **changes):
    torch.manual_seed(0)
    preset = "scale" if name in OF_MASKS else "tiny"
    return SYSTEMS[name](override(PRESETS[name][preset](3), changes))


def scenes(count):
    """Images and targets whose masks fill their boxes."""
    images, targets = boxed_scenes(count)
    for target in targets:
        masks = torch.zeros(len(target["boxes"]), *images.shape[-2:], dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(masks, target["boxes"].round().long().tolist()):
            mask[y1:y2, x1:x2] = True
        target["masks"] = masks
    return images, targets


def given(net, targets, training=False):
    """Targets with proposals, and the proposals, for a system that needs them."""
    if not net.cfg.needs_proposals(training):
        return targets, None
    targets = [{**t, "proposals": torch.cat([t["boxes"] + 3, (t["boxes"] - 40).clamp(min=0) + 9])} for t in targets]
    return targets, [t["proposals"] for t in targets]


@pytest.mark.parametrize("name", SYSTEMS)
def test_signatures_are_those_of_the_contract(name):
    kind = SYSTEMS[name]
    assert DetectionSystem in kind.__mro__ and SystemConfig in type(system(name).cfg).__mro__
    for protocol, methods in METHODS.items():
        for method in methods:
            want = list(inspect.signature(vars(protocol)[method]).parameters.values())
            have = list(inspect.signature(getattr(kind, method)).parameters.values())
            assert [(p.name, p.default, p.kind) for p in have] == [(p.name, p.default, p.kind) for p in want], method
    for method in ("losses", "predict", "detect"):
        assert getattr(kind, method) is not getattr(DetectionSystem, method), f"{method} is the contract's own"


@pytest.mark.parametrize("name", SYSTEMS)
def test_facts_are_declared(name):
    net = system(name)
    assert net.trained is None and net.revision >= 1 and net.scored_by in ("coco", "recall", "segments")
    assert net.needs_masks == (net.scored_by == "segments") == (name in OF_MASKS)
    cfg = net.cfg
    assert cfg.num_classes == 3 and cfg.trunk_names() == (("slim",) if name in OF_MASKS else ("tiny",))
    assert cfg.in_stages == (name in ("rcnn", "sharpmask"))
    assert isinstance(cfg.after, AfterConfig) == (name in ("fast_rcnn", "faster_rcnn")) == cfg.pools_rois
    assert [cfg.needs_proposals(training) for training in (True, False)] == [name in ("fast_rcnn", "rcnn")] * 2
    anchors = cfg.trained_anchors()
    assert (anchors is None) == (name in ("fast_rcnn", "rcnn", *OF_MASKS))
    if anchors is not None:
        assert isinstance(anchors.anchors, AnchorConfig) and isinstance(anchors.match, MatchConfig)


def test_facts_follow_the_configuration():
    cfg = PRESETS["faster_rcnn"]["tiny"](3)
    first = override(cfg, {"training": "separate", "train_on": "given", "rpn_trunk": "tiny_deep"})
    assert first.in_stages and first.needs_proposals(training=True) and not first.needs_proposals()
    assert first.trunk_names() == ("tiny", "tiny_deep") and first.trained_anchors().match == cfg.rpn.match
    second = override(first, {"test_on": "given"})
    assert second.needs_proposals() and second.trained_anchors() is None
    assert PRESETS["rpn"]["small"](2).trained_anchors().border == 0.0
    assert override(cfg, {"rpn.border": 2.0}).trained_anchors().border == 2.0


@pytest.mark.parametrize("name", SYSTEMS)
def test_losses_change_no_state(name):
    changes = {"padding": "zeros"} if name in ("deepmask", "sharpmask") else {}
    net, (images, targets) = system(name, **{"trunk.frozen_norm": True}, **changes).train(), scenes(2)
    targets, _ = given(net, targets, training=True)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    facts = {key: value for key, value in vars(net).items() if not key.startswith("_")}
    keys = [list(target) for target in targets]
    losses = net.losses(images, targets)
    assert all(value.shape == () for value in losses.values())
    assert all(value.equal(before[key]) for key, value in net.state_dict().items())
    assert facts == {key: value for key, value in vars(net).items() if not key.startswith("_")}
    assert keys == [list(target) for target in targets]


@pytest.mark.parametrize("name", SYSTEMS)
def test_predictions_and_detections_have_the_shapes_of_the_contract(name):
    net, (images, targets) = system(name).eval(), scenes(2)
    _, proposals = given(net, targets)
    logits, deltas, regions = net.predict(images, proposals)
    on_rois = regions.shape == (len(logits), 5)
    assert on_rois == (net.cfg.pools_rois or name == "rcnn") and (on_rois or regions.shape == (logits.shape[1], 4))
    assert deltas.shape[-1] == 4 or (net.needs_masks and deltas.shape[-1] == deltas.shape[-2])
    assert logits.isfinite().all()
    for detected in net.detect(images, torch.tensor([[128, 128], [100, 90]]), proposals):
        more = {"windows", "window_masks", "threshold"} if net.needs_masks else set()
        assert set(detected) == {"boxes", "scores", "labels"} | more and (detected["scores"].diff() <= 0).all()
    assert net.proposes == (name in ("rpn", "faster_rcnn")) == (ProposalMaker in SYSTEMS[name].__mro__)
    if net.proposes:
        assert len(net.proposals(images, torch.tensor([[128, 128]] * 2))) == 2
        logits, deltas, anchors = net.predict_levels(images)
        assert [x.shape[1] for x in logits] == [x.shape[1] for x in deltas] == [len(x) for x in anchors]


@pytest.mark.parametrize(("name", "message"), [("retinanet", "expected none"), ("rpn", "expected none"),
                                               ("deepmask", "expected none"), ("sharpmask", "expected none"),
                                               ("fpn_masks", "expected none"),
                                               ("fast_rcnn", "2 images and 1 lists of proposals"),
                                               ("rcnn", "2 images and 1 lists of proposals")])
def test_proposals_that_a_system_cannot_use_are_refused(name, message):
    net, (images, targets) = system(name).eval(), scenes(2)
    for call in (net.predict, net.detect):
        with pytest.raises(ValueError, match=message):
            call(images, proposals=[targets[0]["boxes"]])


def test_fast_rcnn_asks_for_proposals():
    net, (images, _) = system("fast_rcnn").eval(), scenes(2)
    with pytest.raises(ValueError, match="2 images and 0 lists of proposals: expected one an image"):
        net.predict(images)
