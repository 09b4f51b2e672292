"""The classification loss of all anchors and classes, summed fast: closed-form gradients, no one-hot targets.

Legend: N images, A anchors, K classes.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from paperlib.parts.losses import KINDS, ClassLossConfig, value_and_slope

CHUNK = 1 << 16  # logits handled at a time on a CPU: the temporaries stay in its cache
# bfloat16 has no other values
EVERY = torch.arange(-(1 << 15), 1 << 15).to(torch.int16).view(torch.bfloat16).float()


class _ClassLoss(torch.autograd.Function):
    """Sum over anchors and classes of one level; the gradient is made while the data are in cache."""

    @staticmethod
    def forward(ctx, logits, labels, scale, cfg):
        logits = logits.contiguous()  # (N, A, K)
        grad = torch.empty_like(logits)
        scale = scale.double() if logits.dtype == torch.float64 else scale.float()
        total = _all_background(logits, grad, scale, cfg)
        total += _all_but_background(logits, grad, labels, scale, cfg)
        ctx.save_for_backward(grad)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, upstream):
        (grad,) = ctx.saved_tensors
        # the gradient as it is: that saves one pass over the largest tensor of the model
        if upstream.device.type == "cpu" and upstream == 1:
            return grad, None, None, None
        return grad * upstream.to(grad.dtype), None, None, None


def _alphas(cfg: ClassLossConfig) -> tuple[float, float]:
    """The weights of targets 0 and of targets 1."""
    if cfg.alpha is None:
        return 1.0, 1.0
    return 1 - cfg.alpha, cfg.alpha


def _all_background(logits: Tensor, grad: Tensor, scale: Tensor, cfg: ClassLossConfig) -> Tensor:
    """Treat every logit as background: write its gradient, return the loss."""
    flat, flat_grad = logits.flatten(1), grad.flatten(1)  # (N, A K)
    weight = scale * _alphas(cfg)[0]
    if flat.device.type != "cpu":
        loss, slope = value_and_slope(flat.to(weight.dtype), cfg)
        flat_grad.copy_(slope * weight[:, None])
        return (loss.sum(1) * weight).sum()
    if (weight == weight[:1]).all():  # one factor for all images: treat them as one
        flat, flat_grad, weight = flat.view(1, -1), flat_grad.view(1, -1), weight[:1]
    total = weight.new_zeros(())
    # bfloat16 has fewer values than there are logits: look them up
    few = logits.dtype == torch.bfloat16 and logits.numel() > 4 * len(EVERY)
    if few:
        losses, slopes = value_and_slope(EVERY, cfg)
    for row, row_grad, w in zip(flat, flat_grad, weight):
        if few:
            table = (slopes * w).bfloat16()
        for x, g in zip(row.split(CHUNK), row_grad.split(CHUNK)):
            if few:
                at = x.view(torch.int16).int().add_(1 << 15)
                torch.index_select(table, 0, at, out=g)
                loss = losses.index_select(0, at)
            else:
                loss, slope = value_and_slope(x.to(w.dtype), cfg)
                _write_product(slope, w, g)
            total += loss.sum() * w
    return total


def _write_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """a * b into `out`, in one pass where the types allow it."""
    if out.dtype == b.dtype:
        torch.mul(a, b, out=out)
    else:
        out.copy_(a * b)


def _all_but_background(logits: Tensor, grad: Tensor, labels: Tensor, scale: Tensor,
                        cfg: ClassLossConfig) -> Tensor:
    """Correct the gradient where anchors are ignored or positive, and return by how much the loss changes."""
    rows, row_grad = logits.flatten(0, 1), grad.view(-1, grad.shape[-1])  # (N A, K)
    row_labels, row_scale = labels.reshape(-1), scale.repeat_interleave(labels.shape[1])
    background, positive = _alphas(cfg)

    ignored = (row_labels < 0).nonzero().squeeze(1)
    row_grad[ignored] = 0
    loss, _ = value_and_slope(rows[ignored].to(scale.dtype), cfg)
    change = -background * (loss.sum(1) * row_scale[ignored]).sum()

    at = (row_labels > 0).nonzero().squeeze(1)
    column = row_labels[at] - 1  # of a positive's row, only its own class's column changes
    logit, weight = rows[at, column].to(scale.dtype), row_scale[at]
    before, _ = value_and_slope(logit, cfg)
    loss, slope = value_and_slope(-logit, cfg)
    row_grad[at, column] = (-positive * slope * weight).to(grad.dtype)
    return change + ((positive * loss - background * before) * weight).sum()


def class_loss(logits: Tensor, labels: Tensor, cfg: ClassLossConfig, scale: Tensor | None = None) -> Tensor:
    """The summed classification loss of dense predictions, fast: no one-hot targets, closed-form gradient.

    Source: RetinaNet eq. 5 and App. A-B.
    Shapes: logits (N, A, K), labels (N, A) in {-1 ignored, 0 background, 1..K},
            scale (N,) factor per image -> ().
    Errors: ValueError for an unknown kind, for labels of another shape, and for a gamma or alpha of no loss.
    Equal to the sum of scale * focal(...) (or another kind) over one-hot targets, in float32 or float64.
    """
    if cfg.kind not in KINDS:
        raise ValueError(f"loss.kind {cfg.kind!r}: expected one of {KINDS}")
    if cfg.gamma < 0 or (cfg.gamma == 0 and cfg.kind == "focal_star"):  # which is divided by it
        wanted = "above 0" if cfg.gamma == 0 else "0 or more"
        raise ValueError(f"loss.gamma is {cfg.gamma:g}; expected {wanted}")
    if cfg.alpha is not None and not 0 <= cfg.alpha <= 1:
        raise ValueError(f"loss.alpha is {cfg.alpha:g}; expected a share from 0 to 1, or none")
    if labels.shape != logits.shape[:-1]:
        raise ValueError(f"logits of shape {tuple(logits.shape)} and labels of shape {tuple(labels.shape)}: "
                         "expected (N, A, K) and (N, A)")
    if scale is None:
        scale = torch.ones(len(logits), device=logits.device)
    return _ClassLoss.apply(logits, labels, scale, cfg)
