"""One linear SVM a class on the features of regions, with hard negatives mined image by image."""
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.svm import LinearSVC


@dataclass(frozen=True)
class SVMConfig:
    c: float = 1e-3  # weight of the errors against the norm (R-CNN's code)
    norm: float = 20.0  # mean length that the features are scaled to (R-CNN's code)
    bias: float = 10.0  # value of the constant feature (R-CNN's code)
    positive_weight: float = 2.0  # of an error on an object, against 1 on background (R-CNN's code)
    overlap: float = 0.3  # IoU below which a region is background to a class (R-CNN Sec. 2.3)
    first: int = 8  # random background regions an image and class, until there are SVMs to mine with
    pages: int = 50  # images between two trainings


def train_svms(pages: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], num_classes: int,
               cfg: SVMConfig = SVMConfig(), seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and biases (K,) of one-against-rest SVMs, from one pass over the images.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.3; positives are the objects' own boxes.
    Shapes: each page, an image, is features (P, D), labels (P,) (1..K for an object's own box, else 0) and overlaps
            (P, K), the highest IoU with an object of each class. A class without objects gets weights of 0, bias -1.
    Differs: squared hinge loss, whose optimum liblinear finds surely; memory keeps negatives above a margin of -1.2.
    """
    rng, scale = np.random.default_rng(seed), None
    positive = [[] for _ in range(num_classes)]
    negative = [[] for _ in range(num_classes)]
    weights = None
    for number, (features, labels, overlaps) in enumerate(pages, 1):
        scale = scale or cfg.norm / max(np.linalg.norm(features, axis=1).mean(), 1e-9)
        features = features * scale
        margins = None if weights is None else features @ weights[0].T + weights[1]
        for k in range(num_classes):
            away = overlaps[:, k] < cfg.overlap
            chosen = np.flatnonzero(away if margins is None else away & (margins[:, k] > -1))
            if margins is None:
                chosen = rng.permutation(chosen)[:cfg.first]
            positive[k].append(features[labels == k + 1])
            negative[k].append(features[chosen])
        if number % cfg.pages == 0:
            weights = _all(positive, negative, cfg)
    weights = _all(positive, negative, cfg)
    return weights[0] * scale, weights[1]


def _all(positive: list, negative: list, cfg: SVMConfig) -> tuple[np.ndarray, np.ndarray]:
    fitted = [_one(np.concatenate(p), n, cfg) for p, n in zip(positive, negative)]
    return np.stack([w for w, _ in fitted]), np.array([b for _, b in fitted])


def _one(positive: np.ndarray, pages: list, cfg: SVMConfig) -> tuple[np.ndarray, float]:
    """One class's SVM; leaves in `pages` only the negatives that are not easy for it."""
    negative = np.concatenate(pages)
    if not len(positive) or not len(negative):
        return np.zeros(negative.shape[1]), -1.0
    machine = LinearSVC(C=cfg.c, dual=False, intercept_scaling=cfg.bias, class_weight={1: cfg.positive_weight, 0: 1.0})
    machine.fit(np.concatenate([positive, negative]), np.r_[np.ones(len(positive)), np.zeros(len(negative))])
    weight, bias = machine.coef_[0], float(machine.intercept_[0])
    pages[:] = [negative[negative @ weight + bias > -1.2]]
    return weight, bias
