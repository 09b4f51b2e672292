"""From dense predictions to a list of detections."""
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.parts import boxes


@dataclass(frozen=True)
class DetectConfig:
    score: float = 0.05  # detections must score higher (RetinaNet Sec. 4.1)
    pre_nms: int = 1000  # best predictions of each level that are decoded (RetinaNet Sec. 4.1)
    nms: float = 0.5  # IoU above which a better detection of the same class removes one (RetinaNet Sec. 4.1)
    keep: int = 100  # detections an image (the COCO metric's limit)


def select(logits: list[Tensor], deltas: list[Tensor], anchors: list[Tensor], sizes: Tensor,
           cfg: DetectConfig = DetectConfig()) -> list[dict[str, Tensor]]:
    """Detections of a batch: per level the best predictions above the threshold, then NMS per class over all levels.

    Source: RetinaNet Sec. 4.1, "Inference".
    Shapes: lists over levels of logits (N, A_l, K), deltas (N, A_l, 4) or (N, A_l, K, 4), anchors (A_l, 4);
            sizes (N, 2) -> N dicts {"boxes" (D, 4), "scores" (D,), "labels" (D,) in 1..K}, best first, D <= keep.
    Units:  sizes are (h, w) px of the images without padding; boxes are clipped to them before NMS.
    """
    results = []
    for i, size in enumerate(sizes):
        levels = [_candidates(x[i], d[i], a, cfg) for x, d, a in zip(logits, deltas, anchors)]
        found, scores, labels = (torch.cat(parts) for parts in zip(*levels))
        found = boxes.clip(found, size)
        keep = boxes.nms(found, scores, labels, cfg.nms)[: cfg.keep]
        results.append({"boxes": found[keep], "scores": scores[keep], "labels": labels[keep]})
    return results


def _candidates(logits: Tensor, deltas: Tensor, anchors: Tensor, cfg: DetectConfig) -> tuple[Tensor, Tensor, Tensor]:
    num_classes = logits.shape[-1]
    flat = logits.float().flatten() if logits.dtype != torch.float64 else logits.flatten()  # (A K,)
    above = (flat > _logit(cfg.score)).nonzero().squeeze(1)
    scores, order = flat[above].sigmoid().topk(min(cfg.pre_nms, len(above)))
    anchor, column = above[order] // num_classes, above[order] % num_classes
    chosen = deltas[anchor] if deltas.dim() == 2 else deltas[anchor, column]
    return boxes.decode(anchors[anchor], chosen.to(anchors.dtype)), scores, column + 1


def _logit(p: float) -> float:
    return -math.inf if p <= 0 else math.inf if p >= 1 else math.log(p / (1 - p))
