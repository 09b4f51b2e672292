"""Boxes as (…, 4) tensors of xyxy pixels: overlap, the regression code, clipping, suppression.

Legend: N, M, D numbers of boxes; (…) any leading dimensions.
"""
import math

import torch
import torchvision
from torch import Tensor

# a decoded side is at most 62.5 times the source's, so exp cannot overflow
MAX_LOG_SCALE = math.log(1000 / 16)

HALVES = (torch.float16, torch.bfloat16)  # too coarse for coordinates and for ties of scores


def widened(x: Tensor) -> Tensor:
    """`x` in float64 if it is, else in float32."""
    if x.dtype == torch.float64:
        return x
    return x.float()


def area(b: Tensor) -> Tensor:
    """Areas of boxes, (…, 4) -> (…,), in px^2."""
    return (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])


def _intersection(a: Tensor, b: Tensor) -> Tensor:
    ax1, ay1, ax2, ay2 = a.unsqueeze(-2).unbind(-1)  # each (…, N, 1)
    bx1, by1, bx2, by2 = b.movedim(-1, 0).contiguous().unsqueeze(-2)  # each (…, 1, M), without gaps: faster
    width = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1)).clamp_(min=0)
    return width.mul_(torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1)).clamp_(min=0))


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of every box of `a` with every box of `b`.

    Shapes: a (…, N, 4), b (…, M, 4) -> (…, N, M); leading dimensions broadcast.
    Units:  xyxy pixels, width = x2 - x1. Two boxes without area overlap by 0, not by 0 / 0. Whole numbers and
            halves are widened to float32: an area above 65504 px^2 is infinite in float16.
    """
    a, b = widened(a), widened(b)
    both = _intersection(a, b)
    union = (area(a).unsqueeze(-1) + area(b).unsqueeze(-2)).sub_(both)
    return both.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))


def coverage(a: Tensor, b: Tensor) -> Tensor:
    """The share of each box of `a` that lies inside each box of `b`: (…, N, 4), (…, M, 4) -> (…, N, M).

    Source: the COCO metric's overlap with a crowd region, which may hold many objects and so is not an IoU.
    """
    a, b = widened(a), widened(b)
    return _intersection(a, b) / area(a).unsqueeze(-1).clamp(min=torch.finfo(a.dtype).tiny)


def _centre_form(b: Tensor) -> tuple[Tensor, Tensor]:
    wh = b[..., 2:] - b[..., :2]
    return b[..., :2] + wh / 2, wh


def encode(src: Tensor, dst: Tensor) -> Tensor:
    """Box-regression targets that carry each `src` box onto its `dst` box.

    Source: R-CNN (arXiv 1311.2524v5) App. C, eqs. 6-9; every later system here reuses it.
    Shapes: src (…, 4), dst (…, 4) -> (…, 4).
    Units:  xyxy pixels; (tx, ty, tw, th) has no unit, tw and th are natural logarithms.
    Errors: ValueError naming the first box without area.
    Differs: the code of 2014 added 1 to widths and heights.
    """
    (src_c, src_wh), (dst_c, dst_wh) = _centre_form(src), _centre_form(dst)
    if (bad := ~((src_wh > 0) & (dst_wh > 0)).all(-1)).any():  # of NaN, too
        i = tuple(bad.nonzero()[0].tolist())
        pair = src.expand(*bad.shape, 4)[i].tolist(), dst.expand(*bad.shape, 4)[i].tolist()
        raise ValueError(f"box {i[0] if len(i) == 1 else i} has no area: src {pair[0]}, dst {pair[1]}")
    return torch.cat([(dst_c - src_c) / src_wh, (dst_wh / src_wh).log()], dim=-1)


def decode(src: Tensor, deltas: Tensor) -> Tensor:
    """The boxes that `deltas` (tx, ty, tw, th) make of the `src` boxes; the inverse of `encode`.

    Source: R-CNN App. C, eqs. 1-4.
    Shapes: src (…, 4), deltas (…, 4), broadcast -> (…, 4).
    Differs: tw and th are limited to log(1000 / 16), as in the authors' later code.
    """
    centre, wh = _centre_form(src)
    centre = centre + deltas[..., :2] * wh
    half = wh * deltas[..., 2:].clamp(max=MAX_LOG_SCALE).exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def clip(b: Tensor, size: tuple[int, int] | Tensor) -> Tensor:
    """Boxes cut to an image of `size` (h, w): b (…, 4); size a pair, or a tensor (2,) or (…, 2)."""
    h, w = torch.as_tensor(size, device=b.device, dtype=b.dtype).unbind(-1)
    limit = torch.stack([w, h, w, h], dim=-1)
    return torch.minimum(b.clamp(min=0), limit)


def nms(b: Tensor, scores: Tensor, labels: Tensor | None, threshold: float,
        most: int | None = None) -> Tensor:
    """Indices of the boxes that greedy suppression keeps, best score first, `most` at the most.

    Shapes: b (D, 4), scores (D,), labels (D,) or None -> (keep,) int64.
    Units:  a box goes when a better one of the same label (of any label if None) overlaps it
            by IoU > threshold.
    Errors: ValueError unless each box has one score and one label.
    Differs: torchvision shifts few boxes by label * width to handle all labels at once, and so rounds them:
             in float32, 80 classes of 16 images of 1333 px,
             by an eighth of a pixel. Here each label is alone, and unmoved.
    """
    if len(scores) != len(b) or (labels is not None and len(labels) != len(b)):
        found = "no labels" if labels is None else f"{len(labels)} labels"
        raise ValueError(f"{len(b)} boxes, {len(scores)} scores and {found}: expected one of each a box")
    if b.dtype in HALVES:
        b = b.float()
    if scores.dtype in HALVES:
        scores = scores.float()
    if most is not None and len(b) > (size := most + most // 4):
        # of these none goes because of a worse box, so the others need not be looked at
        first = scores.argsort(descending=True, stable=True)[:size]
        kept = nms(b[first], scores[first], None if labels is None else labels[first], threshold)
        if len(kept) >= most:
            return first[kept[:most]]
    if labels is None or len(b) == 0:
        return torchvision.ops.nms(b, scores, threshold)[:most]
    order = labels.argsort(stable=True)
    counts = labels[order].unique_consecutive(return_counts=True)[1].tolist()
    groups = zip(*(t.split(counts) for t in (order, b[order], scores[order])))
    kept = []
    for at, box, score in groups:
        kept.append(at if len(at) == 1 else at[torchvision.ops.nms(box, score, threshold)])
    kept = torch.cat(kept).sort().values  # equal scores keep their order
    return kept[scores[kept].argsort(descending=True, stable=True)[:most]]
