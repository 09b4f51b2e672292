"""Semantic segmentation by classifying regions (R-CNN Sec. 5): by a region's window, its mask, or both.

Regions are the segments of graph segmentations at several scales, which stand in for CPMC's.
Legend: R regions of an image of H x W px, K classes, D numbers of a feature.
"""
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.ops import masks_to_boxes

from paperlib.parts.crops.warp import crops
from paperlib.systems.rcnn import CHUNK, RCNN

STRATEGIES = ("full", "fg", "full+fg")  # the window, the region alone on the mean colour, both in a row


@dataclass(frozen=True)
class SegmentationConfig:
    scales: tuple[float, ...] = (20.0, 50.0, 100.0, 200.0, 400.0, 800.0)  # k of the graph segmentations
    sigma: float = 0.4  # px of their smoothing
    least: int = 30  # px of the smallest region
    most: int = 150  # regions an image (Sec. 5), the largest
    c: float = 1e-3  # weight of the errors against the norm of a regressor
    epsilon: float = 0.1  # overlap that a regressor may be off at no cost
    norm: float = 20.0  # mean length that features are scaled to
    threshold: float = 0.3  # predicted overlap from which a region is pasted


def regions_of(image: Tensor, cfg: SegmentationConfig = SegmentationConfig()) -> Tensor:
    """Masks (R, H, W) of an image's segments at all scales, each once, largest first: (3, H, W) uint8."""
    bgr = np.ascontiguousarray(image.permute(1, 2, 0).numpy()[:, :, ::-1])
    masks, known = [], set()
    for scale in cfg.scales:
        search = cv2.ximgproc.segmentation.createGraphSegmentation(cfg.sigma, scale, cfg.least)
        labels = search.processImage(bgr)
        for number in range(int(labels.max()) + 1):
            mask = labels == number
            if mask.sum() >= cfg.least and mask.tobytes() not in known:
                known.add(mask.tobytes())
                masks.append(mask)
    masks.sort(key=np.sum, reverse=True)
    return torch.from_numpy(np.stack(masks[:cfg.most]))


@torch.no_grad()
def region_features(system: RCNN, image: Tensor, masks: Tensor, layer: str, strategy: str) -> Tensor:
    """Features (R, D), or (R, 2 D) of "full+fg", of one layer.

    Source: R-CNN Sec. 5: the rectangle around the region is warped; "fg" puts the mean in place of the rest.
    Errors: ValueError for an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy {strategy!r}: expected one of {', '.join(STRATEGIES)}")
    image, mean = image.float() / 255, system.trunk.mean
    boxes = masks_to_boxes(masks) + torch.tensor([0.0, 0.0, 1.0, 1.0])  # from pixels' places to their edges
    parts = []
    for name in strategy.split("+"):
        windows = []
        for some, kept in zip(boxes.split(CHUNK), masks.split(CHUNK)):
            cut = crops(image, some, system.cfg.crop, mean, kept if name == "fg" else None)
            windows.append(system.layers(cut)[layer])
        parts.append(torch.cat(windows))
    return torch.cat(parts, 1)


def overlaps_of(masks: Tensor, target: dict, num_classes: int) -> np.ndarray:
    """IoU (R, K) of each region's mask with the object of each class that it overlaps most."""
    best = torch.zeros(len(masks), num_classes)
    for mask, label in zip(target["masks"], target["labels"]):
        both = (masks & mask).sum((1, 2)).float()
        overlap = both / (masks | mask).sum((1, 2))
        best[:, label - 1] = torch.maximum(best[:, label - 1], overlap)
    return best.numpy()


def fit_regressors(features: np.ndarray, overlaps: np.ndarray,
                   cfg: SegmentationConfig = SegmentationConfig()) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and constants (K,) of one linear support vector regressor a class.

    Source: R-CNN Sec. 5, after O2P: from a region's features to its overlap with the class's objects.
    """
    from sklearn.svm import LinearSVR  # here, as it takes a second to import

    scale = cfg.norm / max(float(np.linalg.norm(features, axis=1).mean()), 1e-9)
    weights, constants = [], []
    for wanted in overlaps.T:
        machine = LinearSVR(C=cfg.c, epsilon=cfg.epsilon, dual=True, tol=1e-3, max_iter=20_000,
                            random_state=0)
        machine.fit(features * scale, wanted)
        weights.append(machine.coef_ * scale)
        constants.append(float(np.atleast_1d(machine.intercept_)[0]))
    return np.stack(weights), np.array(constants)


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


def accuracy(predicted: list[Tensor], wanted: list[Tensor], num_classes: int) -> np.ndarray:
    """VOC's segmentation accuracy of background and each class, (K + 1,): TP / (TP + FP + FN), nan for none.

    Source: the VOC development kits' rule; the mean over classes is what the papers print.
    """
    table = torch.zeros(num_classes + 1, num_classes + 1, dtype=torch.int64)
    for guess, truth in zip(predicted, wanted):
        pairs = truth.flatten() * (num_classes + 1) + guess.flatten()
        table += pairs.bincount(minlength=table.numel()).view_as(table)
    union = (table.sum(0) + table.sum(1) - table.diag()).double()
    return (table.diag() / union.masked_fill(union == 0, torch.nan)).numpy()


def segment(system: RCNN, train, test, layer: str = "fc6", strategy: str = "full+fg",
            cfg: SegmentationConfig = SegmentationConfig()) -> np.ndarray:
    """`accuracy` on the images of `test` of regressors that learnt on those of `train` (sets with masks)."""
    num_classes, features, overlaps = len(train.classes), [], []
    for i in range(len(train)):
        masks = regions_of(train.image(i), cfg)
        features.append(region_features(system, train.image(i), masks, layer, strategy).numpy())
        overlaps.append(overlaps_of(masks, train.target(i, masks=True), num_classes))
    weights, constants = fit_regressors(np.concatenate(features), np.concatenate(overlaps), cfg)
    predicted, wanted = [], []
    for i in range(len(test)):
        masks = regions_of(test.image(i), cfg)
        features_of_test = region_features(system, test.image(i), masks, layer, strategy).numpy()
        predicted.append(paste(masks, features_of_test @ weights.T + constants, cfg.threshold))
        wanted.append(true_labels(test.target(i, masks=True)))
    return accuracy(predicted, wanted, num_classes)
