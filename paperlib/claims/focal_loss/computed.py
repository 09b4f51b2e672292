"""The exact claims about the loss, computed: `FACTS[id]()` is (computed value, whether it agrees, formula).

The stated values are read from `data/`, never typed here.
"""
import itertools
from collections.abc import Callable
from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.claims.compare import agrees, all_agree, stated
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


def _largest(errors: Tensor) -> float:
    return errors.abs().max().item()


def _slope(loss: Callable, x: Tensor, y: int, **settings) -> Tensor:
    """d loss / d x by autograd, for the class y of +1 or -1, without class weights."""
    x = x.clone().requires_grad_()
    targets = torch.full_like(x, float(y > 0)).detach()
    return torch.autograd.grad(loss(x, targets, alpha=None, **settings).sum(), x)[0]


def _worst_slope_error(loss: Callable, formula: Callable, **settings) -> float:
    """Largest |autograd - formula(y, x_t)| over both classes."""
    errors = []
    for y in (1, -1):
        errors.append(_largest(_slope(loss, X, y, **settings) - formula(y, y * X, **settings)))
    return max(errors)


def _slope_of_focal(y: int, x_t: Tensor, gamma: float) -> Tensor:
    """Source: RetinaNet App. B, dFL / dx."""
    p_t = torch.sigmoid(x_t)
    return y * (1 - p_t) ** gamma * (gamma * p_t * p_t.log() + p_t - 1)


def _slope_of_focal_star(y: int, x_t: Tensor, gamma: float, beta: float) -> Tensor:
    """Source: RetinaNet App. B, dFL* / dx."""
    return y * (torch.sigmoid(gamma * x_t + beta) - 1)


def _slope_of_cross_entropy(y: int, x_t: Tensor) -> Tensor:
    """Source: RetinaNet App. B, dCE / dx."""
    return y * (torch.sigmoid(x_t) - 1)


def gamma_zero():
    gaps = []
    for target, alpha in itertools.product((0.0, 1.0), (None, 0.25)):
        targets = torch.full_like(X, target)
        gaps.append(_largest(focal(X, targets, 0.0, alpha) - cross_entropy(X, targets, alpha)))
    gap = max(gaps)
    return gap, gap < 1e-12, "max |FL(gamma = 0) - CE|, both classes, with and without alpha"


def hundred_times():
    ratio = _cost_ratio(0.9)
    return ratio, agrees(ratio, stated("focal-100x"), 6), "CE / FL at p_t = 0.9, gamma 2 = 1 / (1 - 0.9)^2"


def thousand_times():
    ratio = stated("focal-1000x")
    exact_p = 1 - ratio**-0.5
    fits = agrees(_cost_ratio(exact_p), ratio, 6) and round(exact_p, 3) == 0.968
    formula = "CE / FL at p_t = 0.968; the p_t where it is 1000, which rounds to 0.968"
    return [_cost_ratio(0.968), exact_p], fits, formula


def at_most_four():
    worst = max(_cost_ratio(p / 1000) for p in range(1, 501))
    return worst, agrees(worst, stated("focal-at-most-4x"), 6), "max of CE / FL over p_t in (0, 0.5], gamma 2"


def prior_bias():
    head = DenseHead(8, 2, 3, HeadConfig(prior=0.01))
    logits = torch.cat(head({3: torch.zeros(1, 8, 2, 2)})[0], 1)
    bias = logits.mean().item()
    rare = torch.allclose(logits.sigmoid(), torch.tensor(0.01))
    fits = rare and agrees(bias, stated("focal-prior-bias"), 3)
    return bias, fits, "-log((1 - pi) / pi), the logit of every anchor of a fresh head on an empty map"


def prior_loss():
    negative = torch.tensor(0.0)
    even = cross_entropy(_logit(0.5), negative).item()
    rare = cross_entropy(_logit(0.01), negative).item()
    ratio = even / rare
    return ratio, agrees(ratio, stated("focal-prior-loss")), "CE of a negative at p = 0.5 over p = 0.01"


def slope_of_focal():
    worst = max(_worst_slope_error(focal, _slope_of_focal, gamma=gamma) for gamma in (0.5, 1.0, 2.0, 5.0))
    return worst, worst < 1e-9, "max |autograd - y (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1)|"


def slope_of_focal_star():
    worst = max(_worst_slope_error(focal_star, _slope_of_focal_star, gamma=2.0, beta=1.0),
                _worst_slope_error(focal_star, _slope_of_focal_star, gamma=4.0, beta=0.0))
    return worst, worst < 1e-8, "max |autograd - y (p_t* - 1)|, p_t* = sigmoid(gamma x_t + beta)"


def slope_of_cross_entropy():
    worst = _worst_slope_error(cross_entropy, _slope_of_cross_entropy)
    return worst, worst < 1e-9, "max |autograd - y (p_t - 1)|"


def star_reduces():
    gaps = []
    for target in (0.0, 1.0):
        targets = torch.full_like(X, target)
        gaps.append(_largest(focal_star(X, targets, 1.0, 0.0, None) - cross_entropy(X, targets)))
    gap = max(gaps)
    return gap, gap < 1e-12, "max |FL*(gamma = 1, beta = 0) - CE|"


def small_slopes():
    one = torch.ones(1, dtype=torch.float64)
    of_focal = _largest(_slope(focal, one, 1, gamma=2.0))
    of_focal_star = _largest(_slope(focal_star, one, 1, gamma=2.0, beta=1.0))
    of_cross_entropy = _largest(_slope(cross_entropy, one, 1))
    slopes = [of_focal, of_focal_star, of_cross_entropy]
    small, large = stated("focal-small-gradient")
    fits = all_agree(slopes, [small, small, large], 2)
    return slopes, fits, "|slope| at x_t = 1: FL gamma 2, FL* gamma 2 beta 1, CE"


def slope_limits():
    ends = torch.tensor([-20.0, 20.0], dtype=torch.float64)
    of_focal = _slope(focal, ends, 1, gamma=2.0)
    of_focal_star = _slope(focal_star, ends, 1, gamma=2.0, beta=1.0)
    slopes = torch.stack([of_focal, of_focal_star, _slope(cross_entropy, ends, 1)])                # (3, 2)
    limits = torch.tensor(stated("focal-limits"), dtype=torch.float64).expand_as(slopes)
    fits = torch.allclose(slopes, limits, atol=1e-6)
    return of_focal.tolist(), fits, "slopes at x_t = -20 and 20: FL, FL*, CE"


def _loss_with_negatives(count: int, gamma: float) -> float:
    """Class loss over 10 positives at p = 0.3 and `count` negatives at p = 0.001, summed."""
    p = torch.cat([torch.full((10,), 0.3), torch.full((count,), 0.001)]).double()
    labels = (torch.arange(10 + count) < 10).long()
    logits = p.logit()[None, :, None]                                         # (1, A, 1)
    return class_loss(logits, labels[None], ClassLossConfig(gamma=gamma), torch.ones(1)).item()


def normaliser():
    few, many = _loss_with_negatives(1000, 2.0), _loss_with_negatives(100000, 2.0)
    per_match, per_anchor = many / few, (many / 100010) / (few / 1010)
    labels = torch.tensor([[1, 2, 0, 0, 0, -1], [3, 0, 0, 0, 0, 0]])
    system = SimpleNamespace(cfg=SimpleNamespace(loss=LossConfig(normaliser="image")))
    shares = RetinaNet.scale(system, labels) * len(labels)
    fits = per_match < 1.01 and per_anchor < 0.02 and shares.tolist() == [1 / 2, 1.0]
    formula = "loss with 100,000 easy negatives over that with 1,000: per match, per anchor"
    return [per_match, per_anchor], fits, formula


def sampling_is_a_weight():
    """Cross entropy of 8 samples of 2 positives and 60 negatives, against one with class weights on all."""
    torch.manual_seed(0)
    label = (torch.arange(62) < 2).long()
    x, losses = torch.randn(62, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    each = cross_entropy(x, label.double())
    draws = sample(label.expand(20_000, 62), 8, 0.25, torch.Generator().manual_seed(0))
    for kind in (1, 0):
        losses[1 - kind] = (each * (draws == kind)).sum(1).mean()              # of positives, of negatives
    positives, negatives = map(int, stated("focal-implicit-alpha").split(":"))
    alpha = 1 / (1 + negatives / positives * 2 / 60)  # alpha / (1 - alpha) = n / 3, n = 60 / 2
    weighted = cross_entropy(x, label.double(), alpha)
    expected = torch.stack([weighted[:2].sum(), weighted[2:].sum()])
    shares = F.normalize(losses, p=1, dim=0), F.normalize(expected, p=1, dim=0)
    gap = _largest(shares[0] - shares[1])
    formula = "alpha = 1 / (1 + 3 P / n); share of the positives in the mean loss, against it"
    return [alpha, gap], gap < 2e-3, formula


FACTS = {
    "focal-gamma0-is-ce": gamma_zero, "focal-100x": hundred_times, "focal-1000x": thousand_times,
    "focal-at-most-4x": at_most_four, "focal-prior-bias": prior_bias, "focal-prior-loss": prior_loss,
    "focal-dfl": slope_of_focal, "focal-dflstar": slope_of_focal_star, "focal-dce": slope_of_cross_entropy,
    "focal-flstar-reduces": star_reduces, "focal-small-gradient": small_slopes, "focal-limits": slope_limits,
    "focal-normalise-assigned": normaliser, "focal-implicit-alpha": sampling_is_a_weight,
}
