import math

import pytest
import torch
import torch.nn.functional as F
import torchvision
from test_boxes import DEVICES, random_boxes

from paperlib.parts import boxes, fused_class_loss
from paperlib.parts.fused_class_loss import class_loss
from paperlib.parts.losses import (
    KINDS,
    ClassLossConfig,
    cross_entropy,
    focal,
    focal_star,
    hinge,
    ohem,
    smooth_l1,
    value_and_slope,
)

CONFIGS = [ClassLossConfig(), ClassLossConfig(gamma=0.0, alpha=0.75), ClassLossConfig(gamma=0.5), ClassLossConfig("ce"),
           ClassLossConfig(gamma=5.0, alpha=None), ClassLossConfig("focal_star", beta=1.0),
           ClassLossConfig("focal_star", gamma=4.0, beta=0.0, alpha=None), ClassLossConfig("hinge"),
           ClassLossConfig("ce", alpha=0.5, clip=0.1)]


def test_every_kind_has_a_configuration_here():
    assert {cfg.kind for cfg in CONFIGS} | {"ohem", "ohem_1_3"} == set(KINDS)  # those choose examples


def logit(p):
    return torch.tensor(p, dtype=torch.float64).logit()


def slow_loss(logits, targets, cfg):
    """Every kind from its definition on probabilities, one-hot targets and plain autograd."""
    p = torch.sigmoid(logits)
    p_t = torch.where(targets == 1, p, 1 - p).clamp(min=cfg.clip)
    x_t = torch.where(targets == 1, logits, -logits)
    loss = {"focal": lambda: -((1 - p_t) ** cfg.gamma) * p_t.log(),
            "ce": lambda: -p_t.log(),
            "focal_star": lambda: -torch.sigmoid(cfg.gamma * x_t + cfg.beta).log() / cfg.gamma,
            "hinge": lambda: (cfg.beta - x_t).clamp(min=0)}[cfg.kind]()
    return loss if cfg.alpha is None else loss * torch.where(targets == 1, cfg.alpha, 1 - cfg.alpha)


def dense_case(num=3, anchors=40, num_classes=5, seed=0):
    g = torch.Generator().manual_seed(seed)
    logits = torch.randn(num, anchors, num_classes, generator=g, dtype=torch.float64) * 3
    labels = torch.randint(-2, num_classes + 1, (num, anchors), generator=g).clamp(min=-1)
    return logits, labels, torch.rand(num, generator=g, dtype=torch.float64)


# the paper's statements about the loss

def test_gamma_zero_is_cross_entropy():
    x, y = torch.randn(100, dtype=torch.float64), torch.arange(100) % 2
    torch.testing.assert_close(focal(x, y, gamma=0, alpha=0.3), cross_entropy(x, y, alpha=0.3))


def test_how_much_easy_examples_are_discounted():
    def discount(p_t):
        return (cross_entropy(logit(p_t), torch.ones(())) / focal(logit(p_t), torch.ones(()), 2, None)).item()
    assert discount(0.9) == pytest.approx(100)
    assert discount(0.968) == pytest.approx(1000, rel=0.03)
    assert max(discount(p) for p in torch.linspace(0.001, 0.5, 200).tolist()) == pytest.approx(4)


def test_gradients_are_the_appendix_equations():
    x = torch.linspace(-9, 9, 61, dtype=torch.float64, requires_grad=True)
    for y in (1, 0):
        sign = 2 * y - 1
        for gamma, beta in ((0.0, 0.0), (0.5, 1.0), (2.0, 1.0), (5.0, 0.0)):
            p_t = torch.sigmoid(sign * x.detach())
            (grad,) = torch.autograd.grad(focal(x, torch.full_like(x, y), gamma, None).sum(), x)
            torch.testing.assert_close(grad, sign * (1 - p_t) ** gamma * (gamma * p_t * p_t.log() + p_t - 1))  # eq. 10
            if gamma:
                (grad,) = torch.autograd.grad(focal_star(x, torch.full_like(x, y), gamma, beta, None).sum(), x)
                p_star = torch.sigmoid(gamma * sign * x.detach() + beta)
                torch.testing.assert_close(grad, sign * (p_star - 1))  # eq. 11


def test_focal_star_with_gamma_1_and_beta_0_is_cross_entropy():
    x, y = torch.randn(100, dtype=torch.float64), torch.arange(100) % 2
    torch.testing.assert_close(focal_star(x, y, 1.0, 0.0, None), cross_entropy(x, y))


def test_hinge_is_zero_above_a_probability():
    x = torch.tensor([-2.0, 0.0, 0.99, 1.0, 3.0])
    assert hinge(x, torch.ones(5)).tolist() == pytest.approx([3, 1, 0.01, 0, 0], abs=1e-6)
    assert hinge(-x, torch.zeros(5)).tolist() == pytest.approx([3, 1, 0.01, 0, 0], abs=1e-6)


def test_focal_equals_torchvision():
    x, y = torch.randn(50), (torch.arange(50) % 2).float()
    torch.testing.assert_close(focal(x, y), torchvision.ops.sigmoid_focal_loss(x, y, 0.25, 2))


# numerical safety

@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_finite_at_extreme_logits(device, cfg, dtype):
    x = torch.tensor([-100.0, -30, -1, 0, 1, 30, 100], dtype=dtype, device=device).requires_grad_()
    for y in (0, 1):
        wanted = torch.full_like(x, y)
        kinds = [focal(x, wanted, cfg.gamma, cfg.alpha), focal_star(x, wanted, max(cfg.gamma, 1.0), 1.0, cfg.alpha),
                 cross_entropy(x, wanted, cfg.alpha), hinge(x, wanted)]
        for loss in kinds:
            (grad,) = torch.autograd.grad(loss.sum(), x)
            assert loss.isfinite().all() and grad.isfinite().all()
        assert focal(x, wanted)[0 if y else -1].item() == pytest.approx(25 if y else 75)  # not clipped when wrong
    fast = class_loss(x.view(1, 7, 1), torch.tensor([[0, 1, 0, 1, 0, 1, 0]], device=device), cfg)
    (grad,) = torch.autograd.grad(fast, x)
    assert fast.isfinite() and grad.isfinite().all() and grad.dtype == dtype


# the fast form

@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
@pytest.mark.parametrize("device", DEVICES)
def test_class_loss_equals_one_hot_and_autograd(device, cfg):
    logits, labels, scale = dense_case()
    logits.requires_grad_()
    one_hot = F.one_hot(labels.clamp(min=0), 6)[..., 1:]
    slow = (slow_loss(logits, one_hot, cfg) * (labels >= 0)[..., None] * scale[:, None, None]).sum()
    (want,) = torch.autograd.grad(slow, logits)
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5), (torch.bfloat16, 5e-2)):
        x = logits.detach().to(device, dtype).requires_grad_()
        fast = class_loss(x, labels.to(device), cfg, scale.to(device))
        (grad,) = torch.autograd.grad(3 * fast, x)
        torch.testing.assert_close(fast.item(), slow.item(), rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(grad.cpu().double() / 3, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
def test_class_loss_gradcheck(cfg):
    logits, labels, scale = dense_case(2, 6, 3)
    assert torch.autograd.gradcheck(lambda x: class_loss(x, labels, cfg, scale), logits.requires_grad_())


def test_the_elementwise_losses_equal_their_definitions():
    x, y = torch.randn(200, dtype=torch.float64) * 4, torch.arange(200) % 2
    for cfg in CONFIGS[:-1]:  # the last clips, which they do not
        got = {"focal": lambda c: focal(x, y, c.gamma, c.alpha), "ce": lambda c: cross_entropy(x, y, c.alpha),
               "focal_star": lambda c: focal_star(x, y, c.gamma, c.beta, c.alpha),
               "hinge": lambda c: hinge(x, y, c.beta, c.alpha)}[cfg.kind](cfg)
        torch.testing.assert_close(got, slow_loss(x, y, cfg))


def test_class_loss_over_many_chunks(monkeypatch):
    logits, labels, scale = dense_case()
    for factor in (scale, None):
        monkeypatch.setattr(fused_class_loss, "CHUNK", 1 << 16)
        whole = class_loss(logits, labels, ClassLossConfig(), factor)
        monkeypatch.setattr(fused_class_loss, "CHUNK", 7)
        torch.testing.assert_close(class_loss(logits, labels, ClassLossConfig(), factor), whole)
        parts = [class_loss(x, y, ClassLossConfig(), factor) for x, y in zip(logits.split(9, 1), labels.split(9, 1))]
        torch.testing.assert_close(sum(parts), whole)  # slices of a level are not contiguous


@pytest.mark.parametrize("cfg", CONFIGS, ids=str)
def test_looking_up_the_values_of_bfloat16_is_exact(cfg):
    logits, labels, scale = dense_case(2, 6000, 30)
    for factor in (scale, torch.full((2,), 0.3)):
        whole = logits.bfloat16().requires_grad_()
        loss = class_loss(whole, labels, cfg, factor)
        loss.backward()
        small = logits.bfloat16().requires_grad_()
        for x, y in zip(small.split(1000, 1), labels.split(1000, 1)):  # fewer logits than values: computed one by one
            loss = loss - (part := class_loss(x, y, cfg, factor))
            part.backward()
        assert whole.numel() > 4 * len(fused_class_loss.EVERY) > x.numel() and abs(loss) < 1e-4 * abs(part)
        assert torch.equal(whole.grad, small.grad)
    broken = logits.bfloat16()
    broken[1, 7, 2] = float("nan")
    assert class_loss(broken, torch.zeros_like(labels), cfg).isnan()  # so that the trainer can name the image


def test_class_loss_of_nothing_and_of_an_unknown_kind():
    empty = torch.zeros(2, 0, 5, requires_grad=True)
    class_loss(empty, torch.zeros(2, 0, dtype=torch.int64), ClassLossConfig()).backward()
    assert empty.grad.shape == empty.shape
    with pytest.raises(ValueError, match="'focall'"):
        class_loss(empty, torch.zeros(2, 0, dtype=torch.int64), ClassLossConfig("focall"))


# regression and hard examples

def test_smooth_l1_by_hand():
    d = torch.tensor([0.0, 0.5, 1.0, -3.0])
    assert smooth_l1(d, torch.zeros(4)).tolist() == [0, 0.125, 0.5, 2.5]
    assert smooth_l1(d, torch.zeros(4), beta=0).tolist() == [0, 0.5, 1, 3]
    assert smooth_l1(d[:0], d[:0]).shape == (0,)


def ohem_slow(loss, anchors, label, num, threshold, balanced):
    left, kept = [i for i in loss.argsort(descending=True).tolist() if label[i] >= 0], []
    overlaps = boxes.iou(anchors, anchors)
    for i in left:
        if all(overlaps[i, j] <= threshold for j in kept):
            kept.append(i)
    if not balanced:
        return sorted(kept[:num])
    pos = [i for i in kept if label[i] > 0][: num // 4]
    return sorted(pos + [i for i in kept if label[i] == 0][: 3 * max(len(pos), 1)])


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("positives", [0, 3, 200])
def test_ohem_equals_the_slow_spec(balanced, positives):
    anchors, loss = random_boxes(1500), torch.rand(1500, generator=torch.Generator().manual_seed(5))
    label = torch.zeros(1500, dtype=torch.int64)
    label[1000:1100] = -1
    label[:positives] = 2
    got = ohem(loss, anchors, label, 16, 0.5, balanced)
    assert got.nonzero().squeeze(1).tolist() == ohem_slow(loss, anchors, label, 16, 0.5, balanced)


def test_ohem_looks_at_as_many_as_it_takes():
    torch.manual_seed(0)
    corner = torch.rand(4000, 2) * 60
    anchors, loss = torch.cat([corner, corner + 4], 1), torch.rand(4000)
    kept = torchvision.ops.nms(anchors, loss, 0.5)
    num = len(kept) * 3 // 4
    assert int((loss > loss[kept[num - 1]]).sum()) > 1024             # so many are harder than the last that is wanted
    assert ohem(loss, anchors, torch.zeros(4000), num, 0.5).nonzero().squeeze(1).tolist() == sorted(kept[:num].tolist())


def test_ohem_without_anchors():
    none = torch.zeros(0)
    assert ohem(none, torch.zeros(0, 4), none.long(), 8).shape == (0,)


def test_prior_makes_the_first_loss_small():
    background = cross_entropy(torch.full((1000,), -math.log(99)), torch.zeros(1000)).mean()
    assert background.item() == pytest.approx(-math.log(0.99), rel=1e-4)


def test_the_margin_of_the_hinge_is_the_configurations():
    u = torch.tensor([-3.0, -1.0, 0.5])
    value, slope = value_and_slope(u, ClassLossConfig("hinge", beta=2.0))
    assert value.tolist() == [0.0, 1.0, 2.5] and slope.tolist() == [0.0, 1.0, 1.0]


# wrong arguments

@pytest.mark.parametrize("loss", [cross_entropy, focal, focal_star, hinge])
def test_one_target_a_logit_or_one_for_all(loss):
    logits = torch.randn(4)
    for shape in ((4, 1), (1,), (5,)):
        with pytest.raises(ValueError, match=r"logits of shape \(4,\) and targets of shape .*one target a logit"):
            loss(logits, torch.ones(shape))
    torch.testing.assert_close(loss(logits, torch.ones(())), loss(logits, torch.ones(4)))


@pytest.mark.parametrize("loss", [cross_entropy, focal, focal_star, hinge])
def test_targets_may_be_true_and_false(loss):
    logits, targets = torch.randn(4), torch.tensor([True, False, True, False])
    torch.testing.assert_close(loss(logits, targets, alpha=0.3), loss(logits, targets.float(), alpha=0.3))


def test_labels_of_another_number_of_anchors_are_refused():
    with pytest.raises(ValueError, match=r"logits of shape \(2, 5, 3\) and labels of shape \(2, 4\)"):
        class_loss(torch.randn(2, 5, 3), torch.zeros(2, 4, dtype=torch.int64), ClassLossConfig())


def test_no_image_has_no_class_loss():
    logits = torch.zeros(0, 5, 3, requires_grad=True)
    loss = class_loss(logits, torch.zeros(0, 5, dtype=torch.int64), ClassLossConfig())
    loss.backward()
    assert loss.item() == 0 and logits.grad.shape == (0, 5, 3)


@pytest.mark.parametrize(("cfg", "message"), [
    (ClassLossConfig(gamma=-2.0), "loss.gamma is -2; expected 0 or more"),
    (ClassLossConfig("focal_star", gamma=0.0), "loss.gamma is 0; expected above 0"),
    (ClassLossConfig(alpha=7.0), "loss.alpha is 7; expected a share from 0 to 1")])
def test_a_gamma_or_an_alpha_of_no_loss_is_refused(cfg, message):
    with pytest.raises(ValueError, match=message):
        class_loss(torch.randn(2, 5, 3), torch.zeros(2, 5, dtype=torch.int64), cfg)
