"""One support vector regressor a class: from a region's features to its overlap with objects of the class.

Legend: R regions, K classes, D numbers of a feature.
"""
import numpy as np
import torch

from paperlib.clock import busy
from paperlib.data.detection_set import DetectionSet
from paperlib.progress import progress
from paperlib.systems.rcnn import RCNN
from paperlib.systems.rcnn_config import SegmentationConfig
from paperlib.training.rcnn.feature_store import features_read
from paperlib.training.rcnn.regions import overlaps_of, region_features, regions_of


def fit_regressors(features: np.ndarray, overlaps: np.ndarray,
                   cfg: SegmentationConfig) -> tuple[np.ndarray, np.ndarray]:
    """Weights (K, D) and constants (K,) from features (R, D) and overlaps (R, K).

    Source: R-CNN Sec. 5, after O2P: a linear support vector regressor a class.
    Differs: squared errors beyond epsilon, whose optimum liblinear finds surely and soon.
    """
    from sklearn.svm import LinearSVR  # here, as it takes a second to import

    scale = cfg.norm / max(float(np.linalg.norm(features, axis=1).mean()), 1e-9)
    weights, constants = [], []
    for wanted in overlaps.T:
        machine = LinearSVR(C=cfg.c, epsilon=cfg.epsilon, loss="squared_epsilon_insensitive", dual=False)
        machine.fit(features * scale, wanted)
        weights.append(machine.coef_ * scale)
        constants.append(float(np.atleast_1d(machine.intercept_)[0]))
    return np.stack(weights), np.array(constants)


def learnt_from(system: RCNN, dataset: DetectionSet, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Features (R, D) and overlaps (R, K) of all regions of the images at `places`."""
    cfg, features, overlaps = system.cfg, [], []
    for i in progress(places.tolist(), desc="regions", unit="image"):
        masks = regions_of(dataset.image(i), cfg.segment)
        made = region_features(system, dataset.image(i), masks, cfg.layer, cfg.segment.strategy)
        features.append(made.numpy())
        overlaps.append(overlaps_of(masks, dataset.target(i, masks=True), cfg.num_classes))
    return np.concatenate(features), np.concatenate(overlaps)


def segment_stage(system: RCNN, dataset: DetectionSet, seed: int = 0) -> dict:
    """Train the regressors of a system in place, on a CPU; {"stage", "loss", "seconds"}.

    `seed` draws which share `segment.images` of the images is learnt from.
    The loss is the mean absolute error.
    """
    device, cfg = torch.device("cpu"), system.cfg.segment
    system.to(device).eval()
    clock, read = busy(device), features_read(system)
    order = np.random.default_rng((seed, 6)).permutation(len(dataset))
    features, overlaps = learnt_from(system, dataset, order[:max(1, round(cfg.images * len(dataset)))])
    weights, constants = fit_regressors(features, overlaps, cfg)
    system.regressors.fill(weights, constants)
    error = np.abs(features @ weights.T + constants - overlaps).mean()
    return {"stage": "segment", "loss": float(error),
            "seconds": busy(device) - clock + features_read(system) - read}
