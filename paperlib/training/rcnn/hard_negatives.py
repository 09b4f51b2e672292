"""R-CNN's SVMs: one a class, trained on the objects' own boxes and on hard negatives mined image by image.

Legend: P regions of an image, D numbers of a feature, K classes.
"""
from collections.abc import Iterable, Sequence

import numpy as np

from paperlib.progress import progress
from paperlib.systems.rcnn_config import SVMStageConfig

SCALED_ON = 200  # images whose regions give the mean length of a feature
MOST_REGIONS = 2**20  # of an image, so that image and region make one number


class Examples:
    """What one class's SVM is trained on: its objects (n, D), and the negatives that it remembers.

    A negative is known by `key`, its image and region in one number.
    """

    def __init__(self, positive: np.ndarray):
        self.positive, self.negative = positive, positive[:0]
        self.keys: list[int] = []  # of `negative`
        self.known: set[int] = set()  # all keys, with those that wait
        self.waiting: list[tuple[list[int], np.ndarray]] = []  # negatives that came since the last training
        self.num_waiting, self.error = 0, 0.0  # mean hinge loss of what the last SVM was trained on

    def add(self, keys: list[int], features: np.ndarray) -> None:
        """Negatives (n, D) of one image, but for those that are known."""
        new = [i for i, key in enumerate(keys) if key not in self.known]
        if new:
            fresh = [keys[i] for i in new]
            self.waiting.append((fresh, features[new]))
            self.known.update(fresh)
            self.num_waiting += len(new)

    def gather(self) -> None:
        """What waits joins the negatives."""
        for keys, _ in self.waiting:
            self.keys += keys
        self.negative = np.concatenate([self.negative, *(features for _, features in self.waiting)])
        self.waiting, self.num_waiting = [], 0

    def forget(self, easy: np.ndarray) -> None:
        """Drop the negatives where `easy` (n,) is true."""
        kept = np.flatnonzero(~easy)
        self.negative, self.keys = self.negative[kept], [self.keys[i] for i in kept]
        self.known = set(self.keys)


def scale_of(pages: Sequence, norm: float) -> float:
    """What features are multiplied by so that their mean length is `norm`, from up to 200 of the images."""
    lengths = []
    for i in range(0, len(pages), max(1, len(pages) // SCALED_ON)):
        lengths.append(np.linalg.norm(pages[i].features, axis=1))
    mean = np.concatenate(lengths).mean()
    return norm / max(float(mean), 1e-9)


def mine_svms(pages: Sequence, num_classes: int, cfg: SVMStageConfig, seed: int = 0,
              watch=lambda number, counts: None) -> tuple[np.ndarray, np.ndarray, float]:
    """Weights (K, D), biases (K,) of one-against-rest SVMs on unscaled features; mean hinge loss at the end.

    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.3 and the published code's schedule: all negatives of the first
            image; then those with a margin above `add`; an SVM is trained again when its class has `retrain`
            new ones, and forgets the negatives below `evict`; all are trained again at the end.
    `pages[i]`, image i, has features (P, D), labels (P,) (1..K for an object's own box, else 0) and overlaps
    (P, K), the highest IoU with an object of each class. `seed` decides the order of the images. After each
    image `watch(number, counts)` is told the new negatives of each class (K,). An image without regions but
    its objects' own gives no negatives. A class without objects gets weights of 0, bias -1.
    """
    scale = scale_of(pages, cfg.norm)
    examples = _positives(pages, num_classes, scale)
    width = examples[0].positive.shape[1]
    weights, biases = np.zeros((num_classes, width)), np.full(num_classes, -1.0)
    trained = np.zeros(num_classes, bool)
    for number, i in enumerate(_order(len(pages), cfg, seed)):
        page = pages[i]
        if page.labels.all():  # objects' boxes alone: what else the image shows is not annotated (Sec. 4.3)
            watch(number, np.zeros(num_classes, int))
            continue
        features = page.features.astype(np.float32) * np.float32(scale)
        background = page.overlaps < max(cfg.overlap, 1e-6)
        margins = features @ weights.T.astype(np.float32) + biases.astype(np.float32)
        hard = background & ((margins > cfg.add) | ~trained)
        counts = np.zeros(num_classes, int)
        for k, some in enumerate(examples):
            at = np.flatnonzero(hard[:, k])
            before = some.num_waiting
            some.add((i * MOST_REGIONS + at).tolist(), features[at])
            counts[k] = some.num_waiting - before
            if some.num_waiting and (not trained[k] or some.num_waiting > cfg.retrain):
                weights[k], biases[k] = train_one(some, cfg)
                trained[k] = True
        watch(number, counts)
    for k, some in enumerate(examples):
        if some.num_waiting or not trained[k]:
            weights[k], biases[k] = train_one(some, cfg)
    return weights * scale, biases, float(np.mean([some.error for some in examples]))


def _order(count: int, cfg: SVMStageConfig, seed: int) -> Iterable[int]:
    """The images in the order of mining, pass by pass; `cfg.images` of them, at random."""
    order = np.random.default_rng((seed, 5)).permutation(count)[:max(1, round(cfg.images * count))]
    return progress(np.tile(order, cfg.passes).tolist(), desc="hard negatives", unit="image")


def _positives(pages: Sequence, num_classes: int, scale: float) -> list[Examples]:
    """Every class's own boxes, scaled, and no negatives yet."""
    features, labels = [], []
    for i in progress(range(len(pages)), desc="objects", unit="image"):
        page = pages[i]
        at = np.flatnonzero(page.labels > 0)
        features.append(page.features[at].astype(np.float32) * np.float32(scale))
        labels.append(page.labels[at])
    features, labels = np.concatenate(features), np.concatenate(labels)
    return [Examples(features[labels == k]) for k in range(1, num_classes + 1)]


def train_one(some: Examples, cfg: SVMStageConfig) -> tuple[np.ndarray, float]:
    """A class's SVM on what it has; the negatives that are easy for it are forgotten, in place."""
    some.gather()
    if not len(some.positive) or not len(some.negative):
        return np.zeros(some.positive.shape[1]), -1.0
    weight, bias = svm(some.positive, some.negative, cfg)
    right, wrong = some.positive @ weight + bias, some.negative @ weight + bias
    some.error = float(np.r_[1 - right, 1 + wrong].clip(min=0).mean())
    some.forget(wrong <= cfg.evict)
    return weight, bias


def svm(positive: np.ndarray, negative: np.ndarray, cfg: SVMStageConfig) -> tuple[np.ndarray, float]:
    """Weight (D,) and bias of one SVM on features (n, D) as they are, by liblinear."""
    from sklearn.svm import LinearSVC  # here, as it takes a second to import

    machine = LinearSVC(C=cfg.c, loss=cfg.loss, dual=cfg.loss == "hinge", intercept_scaling=cfg.bias,
                        class_weight={1: cfg.positive_weight, 0: 1.0}, tol=cfg.tolerance, max_iter=100_000,
                        random_state=0)
    machine.fit(np.concatenate([positive, negative]),
                np.r_[np.ones(len(positive)), np.zeros(len(negative))])
    return machine.coef_[0], float(machine.intercept_[0])
