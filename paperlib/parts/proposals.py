"""From the dense outputs of a region proposal network to a short list of boxes that may hold an object.

Legend: N images, A_l anchors of level l, P proposals of an image.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from paperlib.parts import boxes


@dataclass(frozen=True)
class ProposalConfig:
    # best anchors of each level that are decoded (not in the papers; the released code: 6000)
    pre_nms: int = 6000
    # IoU above which a better proposal of the same level removes one; None: none go (Sec. 3.3)
    nms: float | None = 0.7
    keep: int = 1000  # proposals an image, over all levels (Faster R-CNN Sec. 4.1: 300; FPN Sec. 5.2: 1000)
    # px; proposals with a shorter side go (not in the paper; the released code: 16, later 0)
    min_size: float = 1e-3
    scored: bool = True  # False: any `keep` of all anchors, at random, without NMS (Table 2, "no cls")
    regressed: bool = True  # False: the anchors themselves (Table 2, "no reg")


def propose(logits: list[Tensor], deltas: list[Tensor], anchors: list[Tensor], sizes: Tensor,
            cfg: ProposalConfig = ProposalConfig()) -> list[dict[str, Tensor]]:
    """Proposals of a batch: each level's best anchors, moved, clipped, thinned by NMS; the best `keep`.

    Source: Faster R-CNN (arXiv 1506.01497v3) Sec. 3.3; FPN (arXiv 1612.03144v2) Sec. 4.1.
    Shapes: lists over levels of logits (N, A_l), deltas (N, A_l, 4), anchors (A_l, 4); sizes (N, 2)
            -> N dicts {"boxes" (P, 4) px, "scores" (P,)}, best first, P <= keep.
    Units:  sizes are (h, w) px of the images without padding; scores are the sigmoid of the logits. Which
            anchors are kept has no gradient, where they are moved has one.
    Differs: the papers do not say whether NMS looks across levels; here each level is alone,
             as in the authors' code. Nor how unscored proposals are drawn;
             here the draw is repeatable (`_shuffled`).
    """
    sizes = sizes.to(anchors[0].device)
    levels = [_level(*level, sizes, cfg) for level in zip(logits, deltas, anchors)]
    moved, logit = (torch.cat(parts, 1) for parts in zip(*levels))  # (N, P, 4), (N, P)
    level = torch.cat([torch.full_like(x[0], i) for i, (_, x) in enumerate(levels)])
    wide_enough = (moved[..., 2:] - moved[..., :2]).amin(-1) >= cfg.min_size
    results = []
    for box, x, valid in zip(moved, logit, wide_enough):
        box, x = box[valid], x[valid]
        of_level = None  # one level needs no telling apart
        if len(levels) > 1:
            of_level = level[valid]
        kept = _best_first(box.detach(), x, of_level, cfg)[: cfg.keep]
        results.append({"boxes": box[kept], "scores": x[kept].sigmoid()})
    return results


def _best_first(box: Tensor, logit: Tensor, level: Tensor | None, cfg: ProposalConfig) -> Tensor:
    """Indices of one image's proposals, best first and thinned by NMS; if not scored, as `_shuffled`."""
    if not cfg.scored:
        return _shuffled(logit)
    if cfg.nms is None:
        return logit.argsort(descending=True)
    return boxes.nms(box, logit, level, cfg.nms, cfg.keep)


def _shuffled(logit: Tensor) -> Tensor:
    """Indices of one image's proposals in a uniformly random order, which their logits decide.

    Their bits seed a generator of its own: images get different orders, one image gets the same whatever was
    drawn before it, and the caller's random numbers do not move.
    """
    bits = logit.detach().float().view(torch.int32)
    generator = torch.Generator().manual_seed(int(bits.sum()))
    return torch.randperm(len(logit), generator=generator).to(logit.device)


def _level(logits: Tensor, deltas: Tensor, anchors: Tensor, sizes: Tensor, cfg: ProposalConfig) -> tuple:
    """Boxes (N, P, 4) and logits (N, P) of one level's best anchors, or of all when nothing ranks them."""
    logits = logits.to(anchors.dtype)
    if cfg.scored and cfg.pre_nms < logits.shape[1]:
        logits, order = logits.topk(cfg.pre_nms, dim=1)
        deltas, anchors = deltas.gather(1, order[..., None].expand(-1, -1, 4)), anchors[order]
    moved = anchors.expand(*logits.shape, 4)
    if cfg.regressed:
        moved = boxes.decode(anchors, deltas.to(anchors.dtype))
    return boxes.clip(moved, sizes[:, None]), logits


@dataclass(frozen=True)
class ProposalSource:
    # selective_search, quality, [nearest_]dense, dense_rich, nearest_rich, anchors, a .npz,
    # the .safetensors of a system that proposes, or
    # beside_rich: selective search, whose `dense` boxes are of the rich grid
    kind: str = "selective_search"
    keep: int = 1000  # proposals of an image: the best, or, of "dense", any (Fast R-CNN Sec. 3: 2000)
    dense: int = 0  # boxes of the dense grid, drawn at random, that are added (Fast R-CNN Sec. 5.5)
    tested: int | None = None  # of them, how many at test time, the best (SharpMask Fig. 3.5c); None: all

    def at_test(self) -> "ProposalSource":
        """The source as a trained detector is tested on it."""
        return replace(self, keep=self.tested or self.keep, tested=None)
