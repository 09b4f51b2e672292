import math

import pytest
import torch
from torchvision.models.detection.retinanet import RetinaNetHead

from paperlib.parts.heads import BoxHead, BoxHeadConfig, DenseHead, HeadConfig, ProposalHead, box_head
from paperlib.parts.trunks import TrunkConfig, trunk


def features(n=2, dim=16):
    return {level: torch.randn(n, dim, 32 >> level, 64 >> level) for level in (2, 3)}


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_equals_torchvision(layout):
    ours, theirs = DenseHead(16, 9, 5), RetinaNetHead(16, 9, 5)
    for mine, other, last in ((ours.cls, theirs.classification_head, "cls_logits"),
                              (ours.box, theirs.regression_head, "bbox_reg")):
        for i in range(4):
            other.conv[i][0].load_state_dict(mine[2 * i].state_dict())
        torch.nn.init.normal_(mine[-1].weight)
        getattr(other, last).load_state_dict(mine[-1].state_dict())
    x = features()
    logits, deltas = ours.to(memory_format=layout)({k: v.contiguous(memory_format=layout) for k, v in x.items()})
    want = theirs(list(x.values()))
    torch.testing.assert_close(torch.cat(logits, 1), want["cls_logits"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(torch.cat(deltas, 1), want["bbox_regression"], rtol=1e-4, atol=1e-4)


def test_before_training_every_score_is_the_prior():
    for prior in (0.01, 0.5):
        logits, deltas = DenseHead(16, 9, 5, HeadConfig(prior=prior))(features())
        scores = torch.cat(logits, 1).sigmoid()
        torch.testing.assert_close(scores, torch.full_like(scores, prior), rtol=1e-3, atol=1e-4)
        assert torch.cat(deltas, 1).abs().max() < 0.01


def test_initial_weights():
    head = DenseHead(64, 9, 5, HeadConfig(hidden_std=0.05))
    for subnet in (head.cls, head.box):
        convs = [m for m in subnet if isinstance(m, torch.nn.Conv2d)]
        assert [m.weight.std().item() for m in convs] == pytest.approx([0.05] * 4 + [0.01], rel=0.1)
        assert all(not m.bias.any() for m in convs[:-1])
    assert head.box[-1].bias.eq(0).all() and head.cls[-1].bias.eq(-math.log(99)).all()


def test_switches_and_shapes():
    logits, deltas = DenseHead(16, 3, 7, HeadConfig(convs=1, class_agnostic=False, out_kernel=1))(features())
    assert [tuple(x.shape) for x in logits] == [(2, 8 * 16 * 3, 7), (2, 4 * 8 * 3, 7)]
    assert [tuple(x.shape) for x in deltas] == [(2, 8 * 16 * 3, 7, 4), (2, 4 * 8 * 3, 7, 4)]
    logits, _ = DenseHead(16, 3, 7)(features(n=0))
    assert logits[0].shape == (0, 8 * 16 * 3, 7)


def test_a_shared_head_has_its_hidden_layers_once():
    apart, shared = (DenseHead(16, 3, 7, HeadConfig(convs=2, shared=shared)) for shared in (False, True))
    hidden = 2 * (16 * 16 * 9 + 16)
    count = [sum(p.numel() for p in head.parameters()) for head in (apart, shared)]
    assert count[0] - count[1] == hidden
    x = torch.rand(1, 16, 4, 4)
    assert shared.cls[:-1](x).equal(shared.box[:-1](x)) and not apart.cls[:-1](x).equal(apart.box[:-1](x))


def test_the_proposal_head_is_a_layer_a_relu_and_two_siblings():
    torch.manual_seed(0)
    head = ProposalHead(16, 3, dim=48, std=0.01, hidden_std=0.05)
    assert head.conv.weight.shape == (48, 16, 3, 3) and head.cls.weight.shape[:2] == (3, 48)
    assert head.conv.weight.std().item() == pytest.approx(0.05, rel=0.05)
    assert head.box.weight.std().item() == pytest.approx(0.01, rel=0.15)
    x = torch.randn(2, 16, 4, 5)
    hidden = head.conv(x).clamp(min=0)
    logits, deltas = head(x)
    torch.testing.assert_close(logits, torch.nn.functional.conv2d(hidden, head.cls.weight.view(3, 48, 1, 1)
                                                                  ).permute(0, 2, 3, 1).reshape(2, -1))
    assert deltas.shape == (2, 60, 4)


def test_the_box_head_drops_out_in_training_alone_and_may_know_one_box():
    torch.manual_seed(0)
    head = BoxHead(8, 3, 5, BoxHeadConfig(widths=(64, 64), dropout=0.5, class_agnostic=True))
    pooled = torch.randn(7, 8, 3, 3)
    assert head(pooled)[0].shape == (7, 6) and head(pooled)[1].shape == (7, 1, 4)
    assert not head.features(pooled).equal(head.features(pooled))
    head.eval()
    x = head.fc7(head.fc6(pooled.flatten(1)).clamp(min=0)).clamp(min=0)
    torch.testing.assert_close(head.features(pooled), x)
    assert BoxHead(8, 3, 5, BoxHeadConfig(widths=(8, 8)))(pooled)[1].shape == (7, 5, 4)


def test_the_stage_head_has_a_stage_of_its_own_and_takes_its_mean():
    torch.manual_seed(0)
    net = trunk(TrunkConfig("tiny"))
    below, top = sorted(net.channels)[-2:]
    head = box_head(BoxHeadConfig(kind="stage"), net, net.channels[below], 7, 5).eval()
    pooled = torch.randn(2, net.channels[below], 4, 4)
    torch.testing.assert_close(head.features(pooled), head.stage(pooled).mean((2, 3)))
    assert head.features(pooled).shape == (2, net.channels[top])
    for mine, its in zip(head.stage.parameters(), net.stages()[-1].parameters(), strict=True):
        assert mine.equal(its) and mine is not its


def test_the_box_heads_layers_begin_as_configured_and_both_drop_out():
    torch.manual_seed(0)
    head = BoxHead(8, 2, 5, BoxHeadConfig((64, 200), dropout=0.5, cls_std=0.2, box_std=0.02))
    assert head.cls.weight.std().item() == pytest.approx(0.2, rel=0.1)
    assert head.box.weight.std().item() == pytest.approx(0.02, rel=0.1)
    head.fc7.weight.data.zero_()
    head.fc7.bias.data.fill_(1)  # whatever fc6 gives, fc7 gives 1
    assert set(head.train().features(torch.rand(4, 8, 2, 2)).unique().tolist()) == {0, 2}
