"""One linear SVM a class on the features of regions, with hard negatives mined image by image."""
import ctypes
import platform
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SVMConfig:
    c: float = 1e-3  # weight of the errors against the norm (R-CNN's code)
    norm: float = 20.0  # mean length that the features are scaled to (R-CNN's code)
    bias: float = 10.0  # value of the constant feature (R-CNN's code)
    positive_weight: float = 2.0  # of an error on an object, against 1 on background (R-CNN's code)
    overlap: float = 0.3  # IoU below which a region is background to a class (R-CNN Sec. 2.3)
    first: int = 8  # random background regions an image and class, until there are SVMs to mine with
    pages: int = 50  # images between two trainings
    most: int = 100_000  # negatives of a class, the hardest, that outlive a training


def train_svms(pages: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], num_classes: int,
               cfg: SVMConfig = SVMConfig(), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and biases (K,) of one-against-rest SVMs, from one pass over the images.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.3; positives are the objects' own boxes.
    Shapes: each page, an image, is features (P, D), labels (P,) (1..K for an object's own box, else 0) and
            overlaps (P, K), the highest IoU with an object of each class. A class without objects gets
            weights of 0, bias -1.
    Differs: squared hinge loss, whose optimum liblinear finds surely; memory keeps a class's hardest
             negatives, above a margin of -1.2 and 100,000 at most; the features' scale is set on the first
             image, where the published code takes 200. `hard_negatives` is the published schedule.
    """
    rng, scale, weights = np.random.default_rng(seed), None, None
    memory, rows = [], 0  # features of the regions that any class remembers: kept once, as they came
    # of each class, page by page: rows of the memory
    positive: list[list] = [[] for _ in range(num_classes)]
    negative: list[list] = [[] for _ in range(num_classes)]
    for number, (raw, labels, overlaps) in enumerate(pages, 1):
        features = raw.astype(np.float64)
        scale = scale or cfg.norm / max(np.linalg.norm(features, axis=1).mean(), 1e-9)
        shown = labels[:, None] == np.arange(1, num_classes + 1)
        hard = overlaps < cfg.overlap
        if weights is None:
            chosen = [rng.permutation(np.flatnonzero(column))[:cfg.first] for column in hard.T]
        else:
            hard &= features * scale @ weights[0].T + weights[1] > -1
            chosen = [np.flatnonzero(column) for column in hard.T]
        used = shown.any(1)
        used[np.concatenate(chosen)] = True
        row = rows + used.cumsum() - 1
        memory.append(raw[used])
        rows += used.sum()
        for k in range(num_classes):
            positive[k].append(row[shown[:, k]])
            negative[k].append(row[chosen[k]])
        if number % cfg.pages == 0:
            weights = _all(memory, positive, negative, scale, cfg)
            rows = len(memory[0])
            _give_back()
    weights = _all(memory, positive, negative, scale, cfg)
    return weights[0] * scale, weights[1]


def _all(memory: list, positive: list, negative: list, scale: float,
         cfg: SVMConfig) -> tuple[np.ndarray, np.ndarray]:
    """Every class's SVM; forgets, in place, the negatives that are easy for their class."""
    features = np.concatenate(memory)
    for side in (positive, negative):
        side[:] = [[np.concatenate(rows)] for rows in side]
    weights, biases = [], []
    for (objects,), others in zip(positive, negative):
        yes, no = features[objects].astype(np.float64) * scale, features[others[0]].astype(np.float64) * scale
        weight, bias, margins = _one(yes, no, cfg)
        weights.append(weight)
        biases.append(bias)
        hardest = np.sort(margins.argsort(kind="stable")[-cfg.most:])
        others[0] = others[0][hardest[margins[hardest] > -1.2]]
    kept = np.unique(np.concatenate([rows for (rows,) in positive + negative]))
    memory[:] = [features[kept]]
    for side in (positive, negative):
        side[:] = [[np.searchsorted(kept, rows)] for (rows,) in side]
    return np.stack(weights), np.array(biases)


def _one(positive: np.ndarray, negative: np.ndarray, cfg: SVMConfig) -> tuple[np.ndarray, float, np.ndarray]:
    """One class's SVM, and its margins (N,) on the negatives."""
    if not len(positive) or not len(negative):
        return np.zeros(negative.shape[1]), -1.0, np.full(len(negative), -1.0)
    from sklearn.svm import LinearSVC  # here, as it takes a second to import

    machine = LinearSVC(C=cfg.c, dual=False, intercept_scaling=cfg.bias,
                        class_weight={1: cfg.positive_weight, 0: 1.0})
    machine.fit(np.concatenate([positive, negative]), np.r_[np.ones(len(positive)), np.zeros(len(negative))])
    weight, bias = machine.coef_[0], float(machine.intercept_[0])
    return weight, bias, negative @ weight + bias


def _give_back() -> None:
    """Hand freed memory to the system: liblinear's pieces, one a region, are else kept (13 GB, rich grid)."""
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).malloc_trim(0)
