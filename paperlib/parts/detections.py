"""From dense predictions to a list of detections.

Legend: N images, A_l anchors of level l, K classes, R regions of interest (RoIs) of a batch,
        D detections of an image.
"""
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from paperlib.parts import boxes, roi_training
from paperlib.parts.roi_training import DeltaConfig


@dataclass(frozen=True)
class DetectConfig:
    score: float = 0.05  # detections must score higher (RetinaNet Sec. 4.1)
    pre_nms: int = 1000  # best predictions of each level that are decoded (RetinaNet Sec. 4.1)
    nms: float = 0.5  # IoU above which a better detection of the same class removes one (RetinaNet Sec. 4.1)
    keep: int = 100  # detections an image (the COCO metric's limit)


def select(logits: list[Tensor], deltas: list[Tensor], anchors: list[Tensor], sizes: Tensor,
           cfg: DetectConfig = DetectConfig()) -> list[dict[str, Tensor]]:
    """Detections of a batch: per level the best predictions, then NMS per class over all levels.

    Source: RetinaNet Sec. 4.1, "Inference".
    Shapes: lists over levels of logits (N, A_l, K), deltas (N, A_l, 4) or (N, A_l, K, 4), anchors (A_l, 4);
            sizes (N, 2) -> N dicts {"boxes" (D, 4), "scores" (D,), "labels" (D,) in 1..K}, best first,
            D <= keep.
    Units:  sizes are (h, w) px of the images without padding; boxes are clipped to them before NMS.
    """
    results = []
    for i, size in enumerate(sizes):
        levels = [_candidates(x[i], d[i], a, cfg) for x, d, a in zip(logits, deltas, anchors)]
        # (candidates, 4), and (candidates,) twice
        moved, scores, labels = (torch.cat(parts) for parts in zip(*levels))
        moved = boxes.clip(moved, size)
        keep = boxes.nms(moved, scores, labels, cfg.nms)[: cfg.keep]
        results.append({"boxes": moved[keep], "scores": scores[keep], "labels": labels[keep]})
    return results


def _candidates(logits: Tensor, deltas: Tensor, anchors: Tensor,
                cfg: DetectConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, scores and labels of one level's best predictions above the threshold."""
    num_classes = logits.shape[-1]
    flat = boxes.widened(logits).flatten()  # (A K,)
    above = (flat > _logit(cfg.score)).nonzero().squeeze(1)
    scores, order = flat[above].sigmoid().topk(min(cfg.pre_nms, len(above)))
    anchor, column = above[order] // num_classes, above[order] % num_classes
    chosen = deltas[anchor] if deltas.dim() == 2 else deltas[anchor, column]
    return boxes.decode(anchors[anchor], chosen.to(anchors.dtype)), scores, column + 1


def _logit(p: float) -> float:
    if p <= 0:
        return -math.inf
    if p >= 1:
        return math.inf
    return math.log(p / (1 - p))


@dataclass(frozen=True)
class RoIDetectConfig:
    score: float = 0.05  # detections must score higher (the authors' code of Fast R-CNN)
    nms: float = 0.3  # IoU above which a better detection of the same class removes one (R-CNN's code)
    keep: int = 100  # detections an image
    min_size: float = 0.0  # px; detections with a shorter side go (not in the papers; torchvision: 0.01)
    boxes: bool = True  # move the RoIs by the deltas; False: they stay as proposed (Fast R-CNN Table 6)


def select_rois(scores: Tensor, deltas: Tensor, rois: Tensor, sizes: Tensor, code: DeltaConfig,
                cfg: RoIDetectConfig = RoIDetectConfig()) -> list[dict[str, Tensor]]:
    """Detections of a batch of RoIs: every class's own box and score, NMS per image and class.

    Source: Fast R-CNN Sec. 3.
    Shapes: scores (R, K), without background; deltas (R, K, 4) or (R, 1, 4), normalised by `code`; rois
            (R, 5); sizes (N, 2) -> N dicts {"boxes" (D, 4), "scores" (D,), "labels" (D,) in 1..K},
            best first, D <= keep.
    Units:  sizes are (h, w) px of the images without padding; boxes are clipped to them before NMS.
    """
    roi, column = (scores > cfg.score).nonzero(as_tuple=True)
    image, moved, scores = rois[roi, 0].long(), rois[roi, 1:], scores[roi, column]
    if cfg.boxes:
        moved = roi_training.decode(moved, deltas[roi, column.clamp(max=deltas.shape[1] - 1)], code)
    moved = boxes.clip(moved, sizes.to(moved.device)[image])
    wide = ((moved[:, 2:] - moved[:, :2]).amin(1) >= cfg.min_size).nonzero().squeeze(1)
    image, moved, scores, column = image[wide], moved[wide], scores[wide], column[wide]
    group = column  # NMS is within an image and a class: a number for each pair of them
    if len(column):
        group = image * (1 + int(column.max())) + column
    kept = boxes.nms(moved, scores, group, cfg.nms)
    results = []
    for i in range(len(sizes)):
        of_image = kept[image[kept] == i][: cfg.keep]
        results.append({"boxes": moved[of_image], "scores": scores[of_image], "labels": column[of_image] + 1})
    return results
