"""R-CNN's box regression: for each class a ridge regression from pool5 to a region's move onto its object.

Legend: n pairs of a region and an object, D numbers of a feature, K classes.
"""
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from paperlib.parts import boxes
from paperlib.progress import progress
from paperlib.systems.rcnn_config import RidgeStageConfig
from paperlib.training.rcnn.hard_negatives import scale_of

SMALL = 1e-3  # added to a covariance's eigenvalues before they divide (the published code)


@dataclass(frozen=True)
class Pairs:
    """Regions near an object of one class: features (n, D) and moves (n, 4) onto the object."""

    features: np.ndarray
    moves: np.ndarray


def ridge(x: np.ndarray, y: np.ndarray, weight: float) -> np.ndarray:
    """The B (D, 4) that makes |x B - y|^2 + weight |B|^2 least: x (n, D), y (n, 4).

    Source: R-CNN (arXiv 1311.2524v5) App. C, Eq. 5; by n or by D equations, whichever are fewer.
    """
    count, width = x.shape
    if count < width:
        return x.T @ np.linalg.solve(x @ x.T + weight * np.eye(count), y)
    return np.linalg.solve(x.T @ x + weight * np.eye(width), x.T @ y)


def whitening(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (4,), the matrix (4, 4) that gives y - mean unit covariance, and its inverse."""
    mean = y.mean(0)
    spread, axes = np.linalg.eigh((y - mean).T @ (y - mean) / len(y))
    root = np.sqrt(spread.clip(min=0) + SMALL)
    return mean, axes / root @ axes.T, axes * root @ axes.T


def moves_of(pairs: Pairs, cfg: RidgeStageConfig) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, 4) and constants (4,) that predict moves, learnt from features scaled already."""
    x = np.concatenate([pairs.features, np.ones((len(pairs.features), 1))], 1).astype(np.float64)
    y = pairs.moves.astype(np.float64)
    if not cfg.whiten:
        solved = ridge(x, y, cfg.weight)
        return solved[:-1], solved[-1]
    mean, white, back = whitening(y)
    solved = ridge(x, (y - mean) @ white, cfg.weight) @ back
    return solved[:-1], solved[-1] + mean


def fit_ridge(pages: Sequence, num_classes: int, cfg: RidgeStageConfig) -> dict[str, np.ndarray]:
    """{"weight" (K, 4, D), "constant" (K, 4), "pairs" (K,), "error" (K,)}, on unscaled features.

    "error" is the mean squared one of a class's moves.
    Source: R-CNN App. C: a region learns to move to the object that it overlaps most,
            if by more than `overlap`.
    A class without pairs moves nothing.
    """
    scale = scale_of(pages, cfg.norm)
    weights, constants, counts, errors = [], [], [], []
    for pairs in pairs_by_class(pages, num_classes, cfg, scale):
        weight, constant = np.zeros((pairs.features.shape[1], 4)), np.zeros(4)
        if len(pairs.moves):
            weight, constant = moves_of(pairs, cfg)
        missed = pairs.features @ weight + constant - pairs.moves
        weights.append(weight.T * scale)
        constants.append(constant)
        counts.append(len(pairs.moves))
        errors.append(np.square(missed).sum() / max(missed.size, 1))
    return {"weight": np.stack(weights), "constant": np.stack(constants), "pairs": np.array(counts),
            "error": np.array(errors)}


def pairs_by_class(pages: Sequence, num_classes: int, cfg: RidgeStageConfig,
                   scale: float = 1.0) -> list[Pairs]:
    """The pairs of every class, features times `scale`; objects' own boxes are no regions here."""
    features, moves, labels = [], [], []
    for i in progress(range(len(pages)), desc="pairs", unit="image"):
        page = pages[i]
        if not len(page.objects):
            continue
        overlaps, nearest = page.overlaps_with_objects.max(1)
        at = ((overlaps > cfg.overlap) & (torch.from_numpy(page.labels) == 0)).nonzero().squeeze(1)
        goals = nearest[at]
        features.append(page.features[at.numpy()].astype(np.float32) * np.float32(scale))
        moves.append(boxes.encode(page.regions[at], page.objects[goals]).numpy())
        labels.append(page.object_labels[goals].numpy())
    if not features:
        return [Pairs(pages[0].features[:0], np.zeros((0, 4)))] * num_classes
    features, moves, labels = np.concatenate(features), np.concatenate(moves), np.concatenate(labels)
    return [Pairs(features[labels == k], moves[labels == k]) for k in range(1, num_classes + 1)]
