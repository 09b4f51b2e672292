"""Losses of dense detectors, all computed from logits, and the selection of hard examples.

Every classification loss here is a function of x_t, the logit times +1 for the true class and -1 otherwise
(RetinaNet App. A), so `-x_t` measures how wrong a prediction is and p_t = sigmoid(x_t).

Legend: A anchors; (…) any dimensions.
"""
import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.parts import boxes


def _wrongness(logits: Tensor, targets: Tensor) -> Tensor:
    """-x_t of every logit. Errors: ValueError unless there is one target for all, or one for each."""
    if targets.shape not in ((), logits.shape):  # (A,) and (A, 1) would make a loss of every pair
        raise ValueError(f"logits of shape {tuple(logits.shape)} and targets of shape "
                         f"{tuple(targets.shape)}: expected one target a logit")
    wide = boxes.widened(logits)
    return wide * (1 - 2 * targets.to(wide.dtype))  # -x_t


def _balanced(loss: Tensor, targets: Tensor, alpha: float | None) -> Tensor:
    if alpha is None:
        return loss
    targets = targets.to(loss.dtype)  # of True and False, too
    return loss * (targets * alpha + (1 - targets) * (1 - alpha))


def cross_entropy(logits: Tensor, targets: Tensor, alpha: float | None = None) -> Tensor:
    """Binary cross entropy of every logit, weighted by alpha for targets 1 and 1 - alpha for targets 0.

    Source: RetinaNet (arXiv 1708.02002v2) eqs. 1 and 3; alpha None leaves the weight out.
    Shapes: logits (…), targets (…) of 0 and 1 -> (…), float32 or float64.
    """
    return _balanced(F.softplus(_wrongness(logits, targets)), targets, alpha)


def focal(logits: Tensor, targets: Tensor, gamma: float = 2.0, alpha: float | None = 0.25) -> Tensor:
    """Focal loss of every logit: cross entropy times (1 - p_t)**gamma.

    Source: RetinaNet eqs. 4 and 5.
    Shapes: logits (…), targets (…) of 0 and 1 -> (…), float32 or float64.
    Differs: nothing is clipped (the thesis clips p_t); (1 - p_t)**gamma is taken as exp(gamma log(1 - p_t)),
             which together with its gradient stays finite for any logit.
    """
    u = _wrongness(logits, targets)
    return _balanced((-gamma * F.softplus(-u)).exp() * F.softplus(u), targets, alpha)


def focal_star(logits: Tensor, targets: Tensor, gamma: float = 2.0, beta: float = 1.0,
               alpha: float | None = 0.25) -> Tensor:
    """The alternative focal loss FL* = -log(sigmoid(gamma x_t + beta)) / gamma of every logit.

    Source: RetinaNet App. A, eqs. 7 and 8.
    Shapes: logits (…), targets (…) of 0 and 1 -> (…), float32 or float64.
    """
    return _balanced(F.softplus(gamma * _wrongness(logits, targets) - beta) / gamma, targets, alpha)


def hinge(logits: Tensor, targets: Tensor, margin: float = 1.0, alpha: float | None = None) -> Tensor:
    """max(0, margin - x_t) of every logit: no loss at all once p_t passes sigmoid(margin).

    Source: RetinaNet Sec. 5.1 tried a hinge loss and found it unstable; it does not state the margin.
    """
    return _balanced((margin + _wrongness(logits, targets)).clamp(min=0), targets, alpha)


def smooth_l1(pred: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """0.5 d^2 / beta where |d| < beta, else |d| - beta / 2, of every element; beta 0 is plain L1.

    Source: Fast R-CNN (arXiv 1504.08083v2) eq. 3 with beta 1; sigma^2 of its successor's code is 1 / beta.
    """
    return F.smooth_l1_loss(pred, target.to(pred.dtype), beta=beta, reduction="none")


@dataclass(frozen=True)
class ClassLossConfig:
    kind: str = "focal"  # focal | ce | focal_star | hinge | ohem | ohem_1_3 (RetinaNet Sec. 3, 5.1, App. A)
    gamma: float = 2.0  # focusing strength of focal and focal_star (Sec. 3.2; App. A)
    # weight of the true class, 1 - alpha of the others; None: no weights (Sec. 3.1)
    alpha: float | None = 0.25
    beta: float = 1.0  # shift of focal_star in logits; the hinge's margin (App. A; Sec. 5.1)
    # tau: p_t counts as at least this, without gradient below (Lin's thesis Sec. 5.4.2; 0: off)
    clip: float = 0.0
    ohem_num: int = 128  # hard examples an image (Table 1d: 128, 256 or 512)
    ohem_nms: float = 0.5  # IoU above which a harder neighbour hides an example (Table 1d: .5 or .7)


KINDS = ("focal", "ce", "focal_star", "hinge", "ohem", "ohem_1_3")


def value_and_slope(u: Tensor, cfg: ClassLossConfig) -> tuple[Tensor, Tensor]:
    """The unweighted loss at wrongness u = -x_t, and its derivative by u, in closed form.

    Source: RetinaNet App. B, eqs. 9-11 (their derivatives are by x = y x_t).
    """
    if cfg.clip:
        limit = math.log(1 / cfg.clip - 1)
        loss, slope = value_and_slope(u.clamp(max=limit), replace(cfg, clip=0.0))
        return loss, slope.masked_fill_(u > limit, 0)
    if cfg.kind == "focal_star":
        v = u * cfg.gamma - cfg.beta
        return F.softplus(v).div_(cfg.gamma), v.sigmoid_()
    if cfg.kind == "hinge":
        v = (u + cfg.beta).clamp_(min=0)
        return v, (v > 0).to(u.dtype)
    wrong = torch.sigmoid(u)  # 1 - p_t
    loss = _minus_log_p(u, wrong)
    if cfg.kind != "focal" or cfg.gamma == 0:
        return loss, wrong
    slope = (1 - wrong).mul_(loss).mul_(cfg.gamma).add_(wrong)
    gate = wrong.mul_(wrong) if cfg.gamma == 2 else wrong.pow_(cfg.gamma)
    return loss.mul_(gate), slope.mul_(gate)


def _minus_log_p(u: Tensor, wrong: Tensor) -> Tensor:
    # as exact and twice as fast, and most background is so
    if u.device.type == "cpu" and u.numel() and u.amax() < 4:
        return torch.log1p(-wrong).neg_()
    return F.softplus(u)


def ohem(loss: Tensor, anchors: Tensor, label: Tensor, num: int, threshold: float = 0.5,
         balanced: bool = False) -> Tensor:
    """Choose the hard examples of one image: greedy NMS with the loss as score, then the `num` highest.

    Source: RetinaNet Sec. 5.1, Table 1d. `balanced` is its 1:3 variant: the hardest num / 4 positives at
            most, and the three hardest negatives for each (three when there is no positive).
    Shapes: loss (A,), anchors (A, 4), label (A,) (> 0 positive, 0 background, -1 never chosen) -> (A,) bool.
    Units:  a harder example hides those that it overlaps by IoU > threshold.
    """
    order = loss.masked_fill(label < 0, -1).argsort(descending=True)[: int((label >= 0).sum())]
    kept, looked_at = order[:0], 0
    while True:  # greedy: a later example cannot hide an earlier one, so the rest need not be looked at
        both = torch.cat([kept, order[looked_at:looked_at + 1024]])
        looked_at += 1024
        kept = both[boxes.nms(anchors[both], loss[both], None, threshold)]
        chosen, done = kept[:num], len(kept) >= num
        if balanced:
            positives, negatives = kept[label[kept] > 0][: num // 4], kept[label[kept] == 0]
            wanted = 3 * max(len(positives), 1)
            chosen = torch.cat([positives, negatives[:wanted]])
            full = len(positives) == num // 4 or not (label[order[looked_at:]] > 0).any()
            done = full and len(negatives) >= wanted
        if done or looked_at >= len(order):
            return torch.zeros_like(label, dtype=torch.bool).index_fill_(0, chosen, True)
