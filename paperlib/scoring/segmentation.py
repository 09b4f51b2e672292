"""Semantic segmentation by pasted regions, and VOC's accuracy of it.

Legend: R regions of an image of H x W px, K classes.
"""
import numpy as np
import torch
from torch import Tensor

from paperlib.data.detection_set import DetectionSet
from paperlib.progress import progress
from paperlib.scoring.image_draws import image_draws
from paperlib.systems.rcnn import RCNN
from paperlib.training.rcnn.regions import region_features, regions_of


def paste(masks: Tensor, scores: np.ndarray, threshold: float = 0.3) -> Tensor:
    """The class of every pixel, (H, W), 0 background: regions by their best class, the best last."""
    labels = torch.zeros(masks.shape[1:], dtype=torch.int64)
    best, column = scores.max(1), scores.argmax(1)
    for i in np.argsort(best, kind="stable"):
        if best[i] >= threshold:
            labels[masks[i]] = int(column[i]) + 1
    return labels


def true_labels(target: dict) -> Tensor:
    """The class of every pixel, (H, W), from the objects' masks; a later object lies on an earlier one."""
    labels = torch.zeros(tuple(target["size"].tolist()), dtype=torch.int64)
    for mask, label in zip(target["masks"], target["labels"]):
        labels[mask] = label
    return labels


def confusion(guess: Tensor, truth: Tensor, num_classes: int) -> np.ndarray:
    """Pixels of an image (K + 1, K + 1): row, what is there; column, what was said."""
    pairs = truth.flatten() * (num_classes + 1) + guess.flatten()
    return pairs.bincount(minlength=(num_classes + 1) ** 2).view(num_classes + 1, -1).numpy()


def accuracy(table: np.ndarray) -> np.ndarray:
    """VOC's segmentation accuracy of background and each class, (K + 1,): TP / (TP + FP + FN), nan for none.

    Source: the VOC development kits' rule; the mean over classes is what the papers print.
    """
    right = np.diag(table).astype(float)
    union = table.sum(0) + table.sum(1) - right
    return np.where(union > 0, right / np.maximum(union, 1), np.nan)


def named_pixels(system: RCNN, image: Tensor) -> Tensor:
    """The class of every pixel of an image (3, H, W) uint8: (H, W), 0 background."""
    cfg = system.cfg
    masks = regions_of(image, cfg.segment)
    features = region_features(system, image, masks, cfg.layer, cfg.segment.strategy)
    return paste(masks, system.regressors(features).numpy(), cfg.segment.threshold)


@torch.no_grad()
def region_accuracy(system: RCNN, dataset: DetectionSet, draws: int = 0) -> dict:
    """{"mean accuracy", "background", each class's name: `accuracy`}, on a CPU.

    `draws` adds "draws": {"mean accuracy": its value on each of so many draws of the images}.
    """
    num_classes, tables = len(dataset.classes), []
    system.to("cpu").eval()
    for i in progress(range(len(dataset)), desc="segment"):
        truth = true_labels(dataset.target(i, masks=True))
        tables.append(confusion(named_pixels(system, dataset.image(i)), truth, num_classes))
    tables = np.stack(tables)
    each = accuracy(tables.sum(0))
    metrics = {"mean accuracy": float(np.nanmean(each))}
    metrics |= dict(zip(("background", *dataset.classes), each.tolist()))
    if draws:
        drawn = []
        for ranks in image_draws(len(dataset), draws):
            drawn.append(round(float(np.nanmean(accuracy(tables[ranks - 1].sum(0)))), 4))
        metrics["draws"] = {"mean accuracy": drawn}
    return metrics
