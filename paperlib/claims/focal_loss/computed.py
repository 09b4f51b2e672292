"""The exact claims about the loss itself, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.claims.compare import agrees, stated
from paperlib.parts.fused_class_loss import class_loss
from paperlib.parts.heads import DenseHead, HeadConfig
from paperlib.parts.losses import ClassLossConfig, cross_entropy, focal, focal_star
from paperlib.parts.sampling import sample
from paperlib.systems.retinanet import LossConfig, RetinaNet

X = torch.linspace(-8, 8, 161, dtype=torch.float64)


def _logit(p: float) -> Tensor:
    return torch.tensor(p, dtype=torch.float64).logit()


def _cost_ratio(p: float, gamma: float = 2.0) -> float:
    """Cross entropy over focal loss of a positive at probability p, without class weights."""
    x, one = _logit(p), torch.tensor(1.0)
    return (cross_entropy(x, one) / focal(x, one, gamma, alpha=None)).item()


def _slope(loss, x: Tensor, y: int, **settings) -> Tensor:
    """d loss / d x by autograd, for the class y of +1 or -1, without class weights."""
    x = x.clone().requires_grad_()
    targets = torch.full_like(x, float(y > 0)).detach()
    return torch.autograd.grad(loss(x, targets, alpha=None, **settings).sum(), x)[0]


def _worst_slope_error(loss, formula, **settings) -> float:
    """Largest |autograd - formula(y, p_t, x_t)| over both classes."""
    return max((_slope(loss, X, y, **settings) - formula(y, torch.sigmoid(y * X), y * X)).abs().max().item()
               for y in (1, -1))


def gamma_zero():
    gap = max((focal(X, torch.full_like(X, t), 0.0, a) - cross_entropy(X, torch.full_like(X, t), a)).abs().max().item()
              for t in (0.0, 1.0) for a in (None, 0.25))
    return gap, gap < 1e-12, "max |FL(gamma = 0) - CE|, both classes, with and without alpha"


def hundred_times():
    ratio = _cost_ratio(0.9)
    return ratio, agrees(ratio, stated("focal-100x"), 6), "CE / FL at p_t = 0.9, gamma 2 = 1 / (1 - 0.9)^2"


def thousand_times():
    at, told = _cost_ratio(0.968), stated("focal-1000x")
    exact = 1 - told**-0.5
    fits = agrees(_cost_ratio(exact), told, 6) and round(exact, 3) == 0.968
    return [at, exact], fits, "CE / FL at p_t = 0.968; the p_t where it is 1000, which rounds to 0.968"


def at_most_four():
    worst = max(_cost_ratio(p / 1000) for p in range(1, 501))
    return worst, agrees(worst, stated("focal-at-most-4x"), 6), "max of CE / FL over p_t in (0, 0.5], gamma 2"


def prior_bias():
    head = DenseHead(8, 2, 3, HeadConfig(prior=0.01))
    logits = torch.cat(head({3: torch.zeros(1, 8, 2, 2)})[0], 1)
    bias = logits.mean().item()
    fits = torch.allclose(logits.sigmoid(), torch.tensor(0.01)) and agrees(bias, stated("focal-prior-bias"), 3)
    return bias, fits, "-log((1 - pi) / pi), the logit of every anchor of a fresh head on an empty map"


def prior_loss():
    even, rare = (cross_entropy(_logit(p), torch.tensor(0.0)).item() for p in (0.5, 0.01))
    return even / rare, agrees(even / rare, stated("focal-prior-loss")), "CE of a negative at p = 0.5 over p = 0.01"


def slope_of_focal():
    worst = max(_worst_slope_error(focal, lambda y, p, x, g=g: y * (1 - p) ** g * (g * p * p.log() + p - 1), gamma=g)
                for g in (0.5, 1.0, 2.0, 5.0))
    return worst, worst < 1e-9, "max |autograd - y (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1)|"


def slope_of_focal_star():
    worst = max(_worst_slope_error(focal_star, lambda y, p, x, g=g, b=b: y * (torch.sigmoid(g * x + b) - 1),
                                   gamma=g, beta=b) for g, b in ((2.0, 1.0), (4.0, 0.0)))
    return worst, worst < 1e-8, "max |autograd - y (p_t* - 1)|, p_t* = sigmoid(gamma x_t + beta)"


def slope_of_cross_entropy():
    worst = _worst_slope_error(cross_entropy, lambda y, p, x: y * (p - 1))
    return worst, worst < 1e-9, "max |autograd - y (p_t - 1)|"


def star_reduces():
    gap = max((focal_star(X, torch.full_like(X, t), 1.0, 0.0, None) - cross_entropy(X, torch.full_like(X, t)))
              .abs().max().item() for t in (0.0, 1.0))
    return gap, gap < 1e-12, "max |FL*(gamma = 1, beta = 0) - CE|"


def small_slopes():
    one = torch.ones(1, dtype=torch.float64)
    found = [_slope(loss, one, 1, **s).abs().item() for loss, s in
             ((focal, {"gamma": 2.0}), (focal_star, {"gamma": 2.0, "beta": 1.0}), (cross_entropy, {}))]
    small, large = stated("focal-small-gradient")
    fits = agrees(found[0], small, 2) and agrees(found[1], small, 2) and agrees(found[2], large, 2)
    return found, fits, "|slope| at x_t = 1: FL gamma 2, FL* gamma 2 beta 1, CE"


def slope_limits():
    ends = torch.tensor([-20.0, 20.0], dtype=torch.float64)
    found = torch.stack([_slope(focal, ends, 1, gamma=2.0), _slope(focal_star, ends, 1, gamma=2.0, beta=1.0),
                         _slope(cross_entropy, ends, 1)])
    want = torch.tensor(stated("focal-limits"), dtype=torch.float64).expand_as(found)
    return found[0].tolist(), torch.allclose(found, want, atol=1e-6), "slopes at x_t = -20 and 20: FL, FL*, CE"


def _loss_with_negatives(count: int, gamma: float) -> Tensor:
    """Class loss over 10 positives at p = 0.3 and `count` negatives at p = 0.001, summed."""
    p = torch.cat([torch.full((10,), 0.3), torch.full((count,), 0.001)]).double()
    labels = (torch.arange(10 + count) < 10).long()
    return class_loss(p.logit()[None, :, None], labels[None], ClassLossConfig(gamma=gamma), torch.ones(1)).item()


def normaliser():
    few, many = _loss_with_negatives(1000, 2.0), _loss_with_negatives(100000, 2.0)
    kept, thinned = many / few, (many / 100010) / (few / 1010)
    labels = torch.tensor([[1, 2, 0, 0, 0, -1], [3, 0, 0, 0, 0, 0]])
    system = SimpleNamespace(cfg=SimpleNamespace(loss=LossConfig(normaliser="image")))
    shares = RetinaNet.scale(system, labels) * len(labels)
    fits = kept < 1.01 and thinned < 0.02 and shares.tolist() == [1 / 2, 1.0]
    return [kept, thinned], fits, "loss with 100,000 easy negatives over that with 1,000: per match, per anchor"


def sampling_is_a_weight():
    label = (torch.arange(62) < 2).long().expand(4000, 62)
    kept = sample(label, 8, 0.25, torch.Generator().manual_seed(0))
    negatives = (kept == 0).float().sum(1).mean().item() / 60  # chance of a negative to count; positives always do
    alpha = 1 / (1 + negatives)
    x = torch.tensor([0.3, -0.2], dtype=torch.float64)
    weighted = F.normalize(cross_entropy(x, torch.tensor([1.0, 0.0]), alpha), p=1, dim=0)
    expected = F.normalize(cross_entropy(x, torch.tensor([1.0, 0.0])) * torch.tensor([1.0, 3 * 2 / 60]), p=1, dim=0)
    ratio = [int(n) for n in stated("focal-implicit-alpha").split(":")]
    fits = (kept > 0).sum() * ratio[1] == (kept == 0).sum() * ratio[0] and torch.allclose(weighted, expected, atol=1e-6)
    return alpha, bool(fits), "alpha = 1 / (1 + 3 P / n): 2 positives and 60 negatives, 8 sampled"


FACTS = {
    "focal-gamma0-is-ce": gamma_zero, "focal-100x": hundred_times, "focal-1000x": thousand_times,
    "focal-at-most-4x": at_most_four, "focal-prior-bias": prior_bias, "focal-prior-loss": prior_loss,
    "focal-dfl": slope_of_focal, "focal-dflstar": slope_of_focal_star, "focal-dce": slope_of_cross_entropy,
    "focal-flstar-reduces": star_reduces, "focal-small-gradient": small_slopes, "focal-limits": slope_limits,
    "focal-normalise-assigned": normaliser, "focal-implicit-alpha": sampling_is_a_weight,
}
