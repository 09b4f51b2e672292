"""Three claims about COCO's figures, measured on MiniCOCO: unions of workers, pasted shapes, boxes' fill.

Each gives a list of margins, shares of 1; the claim holds as far as their mean is above 0.
"""
import numpy as np

from paperlib.data.named_sets import load
from paperlib.studies.annotation import average_shapes, simulated_workers

IMAGES, CREWS = 400, 7  # of each split; crews of workers a seed


def _set(split: str, share: float):
    return load("minicoco", split, limit=max(20, round(share * IMAGES)))


def union(_, seeds: int, share: float) -> dict[str, list[float]]:
    """The least of: recall gained from one worker to ten, less by the last than by the second, precision lost."""
    study = simulated_workers.union_study(_set("val", share), most=10, seeds=CREWS * seeds)  # (crews, 2, 10)
    recall, precision = study[:, 0], study[:, 1]
    steps = np.diff(recall, axis=1)
    margins = np.stack([recall[:, -1] - recall[:, 0], steps[:, 0] - steps[:, -1], precision[:, 0] - precision[:, -1]])
    return {"margin": margins.min(0).tolist()}


def pasted(_, seeds: int, share: float) -> dict[str, list[float]]:
    """Mean IoU of correct boxes minus that of the average shapes pasted into them."""
    margins = []
    for seed in range(seeds):
        overlap = average_shapes.shape_mask_overlap(_set("train", share), _set("val", share), seed)
        margins.append(float(overlap.box_iou.mean() - overlap.mask_iou.mean()))
    return {"margin": margins}


def fill(_, seeds: int, share: float) -> dict[str, list[float]]:
    """One half minus the share of box pixels on the object, for each class with limbs."""
    dataset = _set("train", share)
    fills = average_shapes.box_fill(average_shapes.cut_out(dataset), dataset.classes)
    limbed = [name for name in average_shapes.articulated(dataset) if name in fills]
    return {"margin": [0.5 - fills[name][0] for name in limbed]}


PROBES = {"coco-union-saturates": union, "coco-shape-mask-poor": pasted, "coco-box-crude": fill}
