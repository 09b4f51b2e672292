"""How an RoI head is trained: which proposals of a batch, towards which deltas, by which losses.

Legend: N images, P candidates of an image (padded to the longest list), G objects (likewise), K classes,
R sampled regions of interest (RoIs) of the batch.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.distributed import mean_over_ranks
from paperlib.parts import boxes
from paperlib.parts.losses import smooth_l1
from paperlib.parts.matching import ignore_crowds, match
from paperlib.parts.sampling import pad_targets, sample


@dataclass(frozen=True)
class DeltaConfig:
    mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)  # of tx, ty, tw, th (not in the paper; the authors' code)
    std: tuple[float, ...] = (0.1, 0.1, 0.2, 0.2)  # likewise: targets of unit variance (Fast R-CNN Sec. 2.3)


def encode(src: Tensor, dst: Tensor, cfg: DeltaConfig = DeltaConfig()) -> Tensor:
    """`boxes.encode`, normalised: what a head learns to say for RoIs `src` (…, 4) on objects `dst` (…, 4)."""
    return (boxes.encode(src, dst) - src.new_tensor(cfg.mean)) / src.new_tensor(cfg.std)


def decode(src: Tensor, deltas: Tensor, cfg: DeltaConfig = DeltaConfig()) -> Tensor:
    """The boxes that a head's normalised `deltas` make of `src`; the inverse of `encode`."""
    return boxes.decode(src, deltas.to(src.dtype) * src.new_tensor(cfg.std) + src.new_tensor(cfg.mean))


@dataclass(frozen=True)
class RoISampleConfig:
    num: int = 64  # RoIs an image, R / N (Fast R-CNN Sec. 2.3: 128 / 2)
    positive: float = 0.25  # share of them that show an object, at most (Fast R-CNN Sec. 2.3)
    hi: float = 0.5  # IoU with an object from which a RoI shows it (Fast R-CNN Sec. 2.3)
    background: tuple[float, ...] = (0.1, 0.5)  # IoU of background RoIs, [low, high) (Fast R-CNN Sec. 2.3)
    add_truth: bool = True  # the objects' own boxes are proposals too (the authors' code)
    # PASCAL's difficult objects are objects (Fast R-CNN Sec. 4.3); False: they are ignored
    difficult: bool = True


def sample_rois(proposals: list[Tensor], targets: list[dict], cfg: RoISampleConfig = RoISampleConfig(),
                generator: torch.Generator | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The RoIs that train a head, what each shows, and the object's box.

    Source: Fast R-CNN Sec. 2.3, "Mini-batch sampling": R / N RoIs of each image, 25% foreground.
    Shapes: [(P_i, 4)], targets -> rois (R, 5), labels (R,) in 0..K, goals (R, 4) px (of use where label > 0).
    RoIs come image by image; an image with few candidates gives fewer than `num`. Crowds are never shown;
    background RoIs mostly inside one are left out. The choice has no gradient;
    RoIs have that of their proposals.
    Errors: ValueError unless there are proposals for every target.
    """
    if len(proposals) != len(targets):
        raise ValueError(f"{len(targets)} targets and {len(proposals)} lists of proposals: "
                         "expected one a target")
    if cfg.difficult:
        targets = [dict(target) for target in targets]
        for target in targets:
            target.pop("difficult", None)
    gt, gt_labels, valid, crowd = pad_targets(targets, proposals[0].device)
    # objects join each image's own list: where a candidate stands does not depend on the other images
    if cfg.add_truth:
        proposals = [torch.cat([b.to(gt.dtype), g[real]]) for b, g, real in zip(proposals, gt, valid)]
    candidates, _, real, _ = pad_targets([{"boxes": b, "labels": b.new_zeros(len(b))} for b in proposals])
    # one object more, which is none: an image needs one to choose from
    gt, gt_labels, valid = F.pad(gt, (0, 0, 0, 1)), F.pad(gt_labels, (0, 1)), F.pad(valid, (0, 1))
    index, label = _shown(candidates.detach(), real, gt, valid, crowd, cfg)
    label = sample(label, cfg.num, cfg.positive, generator)
    image, at = (label >= 0).nonzero(as_tuple=True)
    rois = torch.cat([image[:, None].to(candidates.dtype), candidates[image, at]], 1)  # (R, 5)
    chosen = index[image, at]
    return rois, label[image, at] * gt_labels[image, chosen], gt[image, chosen]


@torch.no_grad()
def _shown(candidates: Tensor, real: Tensor, gt: Tensor, valid: Tensor, crowd: Tensor,
           cfg: RoISampleConfig) -> tuple[Tensor, Tensor]:
    """The object that each candidate (N, P, 4) overlaps most; 1 if it shows it, else 0 or -1: (N, P) both."""
    overlaps = boxes.iou(gt, candidates).masked_fill(~valid[..., None], 0)  # (N, G, P)
    low, high = cfg.background
    index, label = match(overlaps, cfg.hi, high)
    label = label.masked_fill(~real | ((label == 0) & (overlaps.amax(1) < low)), -1)
    if crowd.any():
        label = ignore_crowds(label, boxes.coverage(candidates, gt[:, :-1]), crowd)
    return index, label


def losses(logits: Tensor, deltas: Tensor, rois: Tensor, labels: Tensor, goals: Tensor,
           code: DeltaConfig = DeltaConfig(), beta: float = 1.0) -> dict[str, Tensor]:
    """{"cls", "box"} of sampled RoIs, each the sum over RoIs divided by the number of all of them.

    Source: Fast R-CNN Eqs. 1-3: log loss of the softmax; smooth L1 of the true class's four outputs,
            if u >= 1.
    Shapes: logits (R, K + 1), deltas (R, K, 4) or (R, 1, 4), normalised by `code`; rois, labels and goals of
            `sample_rois`. `beta` inf is the plain L2 loss, half the squared difference.
    """
    cls = F.cross_entropy(logits.to(goals.dtype), labels, reduction="sum")
    at = (labels > 0).nonzero().squeeze(1)
    predicted = deltas[at, (labels[at] - 1).clamp(max=deltas.shape[1] - 1)].to(goals.dtype)  # (positives, 4)
    wanted = encode(rois[at, 1:], goals[at], code)
    box = (predicted - wanted).square() / 2 if beta == math.inf else smooth_l1(predicted, wanted, beta)
    # a mean over ranks may be a half
    count = torch.full((), float(max(len(labels), 1)), device=labels.device)
    mean_over_ranks(count)
    return {"cls": cls / count, "box": box.sum() / count}
