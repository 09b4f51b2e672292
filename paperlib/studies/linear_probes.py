"""Linear readers of a trunk: what each level says of pictures, and the names a linear classifier gives."""
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from paperlib.parts.trunks import TrunkConfig, trunk


def names(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Labels that a logistic regression on features (n, d), each scaled to unit spread, gives to `test`."""
    from sklearn.linear_model import LogisticRegression  # here, as all of sklearn takes seconds to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reader = make_pipeline(StandardScaler(), LogisticRegression(C=0.03, max_iter=200))
    return reader.fit(train, labels).predict(test)


def linear(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray) -> float:
    """The share of `test` that `names` names rightly."""
    return float(np.mean(names(train, labels, test) == truth))


@torch.no_grad()
def levels(images: Tensor, side: int) -> dict[int, np.ndarray]:
    """What each level of the MiniNet trunk says of pictures scaled to `side` px, in 2 x 2 cells.

    Shapes: images (n, 3, H, W) uint8 -> {stride: (n, 4 C)}.
    """
    body = trunk(TrunkConfig("tiny", "mininet", frozen_norm=True)).eval()
    out: dict[int, list] = {}
    for part in images.split(256):
        small = F.interpolate(part, (side, side), mode="bilinear", antialias=True)
        for level, features in body(small).items():
            out.setdefault(2 ** level, []).append(F.adaptive_avg_pool2d(features, 2).flatten(1))
    return {stride: torch.cat(rows).numpy() for stride, rows in out.items()}
