"""R-CNN's training by stages: fine-tuning, features on disk, SVMs with hard negatives, ridge regression.

Each stage is a function that can be called by itself. What it made is kept in a folder under a hash of all
that decides it, and taken from there the next time. Legend: P regions of an image, G objects, K classes.
"""
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from paperlib.clock import busy
from paperlib.config import digest, to_dict
from paperlib.data import selective_search
from paperlib.data.batches import Batches
from paperlib.device import seed_all
from paperlib.distributed import ranks
from paperlib.parts import boxes
from paperlib.parts.matching import by_class
from paperlib.systems.rcnn import RCNN
from paperlib.systems.rcnn_config import RCNNConfig
from paperlib.training.alternating import kept_stage, stage_identity
from paperlib.training.rcnn.feature_store import FeatureStore, features_read, network_key, write_arrays
from paperlib.training.rcnn.hard_negatives import mine_svms
from paperlib.training.rcnn.portraits import with_portraits
from paperlib.training.rcnn.regressors import segment_stage
from paperlib.training.rcnn.ridge import fit_ridge
from paperlib.training.recipes import Recipe

FOLDER = Path("runs/rcnn")  # of runs that keep checkpoints
STAGES = 2  # records that follow those of fine-tuning: SVMs and ridge


@dataclass(frozen=True)
class Page:
    """One training image as SVMs and ridge regression see it: its regions, the objects' own boxes last."""

    features: np.ndarray  # (P, D) of one layer
    regions: Tensor  # (P, 4) px
    labels: np.ndarray  # (P,): 1..K of an object's own box, else 0
    objects: Tensor  # (G, 4) px
    object_labels: Tensor  # (G,) in 1..K
    num_classes: int

    @cached_property
    def overlaps_with_objects(self) -> Tensor:
        """IoU (P, G)."""
        return boxes.iou(self.regions, self.objects)

    @cached_property
    def overlaps(self) -> np.ndarray:
        """The highest IoU with an object of each class, (P, K)."""
        return by_class(self.overlaps_with_objects, self.object_labels, self.num_classes).numpy()


class Pages:
    """`pages[i]`: a training image of `batches`, in their order, with a layer's features of its regions."""

    def __init__(self, system: RCNN, batches: Batches, layer: str, device: torch.device):
        self.system, self.layer, self.device = system.to(device).eval(), layer, device
        self.batches = Batches(batches.dataset, 1, size=batches.size, flip=False)

    def __len__(self) -> int:
        return len(self.batches.dataset)

    def __getitem__(self, i: int) -> Page:
        images, (target,) = self.batches[i]
        plain = ~target["crowd"]
        objects, labels = target["boxes"][plain], target["labels"][plain]
        regions = torch.cat([target["proposals"], objects])
        features = self.system.features(images[0].to(self.device), regions.to(self.device), target["size"])
        of_regions = torch.cat([labels.new_zeros(len(target["proposals"])), labels])
        return Page(features[self.layer].cpu().numpy(), regions, of_regions.numpy(), objects, labels,
                    self.system.cfg.num_classes)


def fit_rcnn(system: RCNN, batches: Batches, recipe: Recipe, device: torch.device, seed: int = 0,
             checkpoint: Path | None = None) -> Iterator[dict]:
    """Train in place: fine-tuning, SVMs, ridge regression; yields their records.

    There is no fine-tuning where recipe.steps is 0.
    Source: R-CNN (arXiv 1311.2524v5) Sec. 2.3, App. C.
    With `checkpoint`, what stages make is kept in runs/rcnn, for all runs that share them.
    """
    folder = checkpoint and FOLDER
    step, added = -1, system.cfg.added
    for record in fine_tune(system, _joined(batches, added.fine_tuning), recipe, device, seed, folder):
        step = record["step"]
        yield record
    if folder:
        system.store = FeatureStore(folder / "features", system)
    if system.cfg.segment.strategy:
        yield {"step": step + 1, "lr": 0.0, **segment_stage(system, batches.dataset, seed)}
        return
    for stage, record in enumerate((svm_stage(system, _joined(batches, added.svm), device, seed, folder),
                                    ridge_stage(system, batches, device, folder)), 1):
        yield {"step": step + stage, "lr": 0.0, **record}


def _joined(batches: Batches, per_class: int) -> Batches:
    """Batches of the same images and of MiniNet pictures, `per_class` of each class."""
    if not per_class:
        return batches
    return Batches(with_portraits(batches.dataset, per_class), batches.batch_size, batches.seed, batches.size,
                   batches.flip, batches.jitter, share=ranks())


def length(steps: int) -> int:
    """How many records `fit_rcnn` yields for a recipe of `steps`."""
    return steps + STAGES


def fine_tune(system: RCNN, batches: Batches, recipe: Recipe, device: torch.device, seed: int = 0,
              folder: Path | None = None) -> Iterator[dict]:
    """Train the network on windows in place; yields `fit`'s records.

    Runs that differ in what follows only (the layer, the SVMs, the boxes) share it.
    """
    if not recipe.steps:
        return
    plain = _plain(system.cfg)
    seed_all(seed)
    network = RCNN(plain)
    folder = folder and folder / "networks"
    yield from kept_stage(network, batches, recipe, device, seed, folder,
                          stage_identity(network, batches, recipe, seed, ""))
    system.to(device)
    for name in ("trunk", "fc6", "fc7", "cls"):
        getattr(system, name).load_state_dict(getattr(network, name).state_dict())


def _plain(cfg: RCNNConfig) -> RCNNConfig:
    """The same network, all that fine-tuning does not read at its defaults."""
    default, read = RCNNConfig(), {}
    for name in ("layer", "scorer", "added", "svm", "ridge", "segment", "detect"):
        read[name] = getattr(default, name)
    return replace(cfg, **read)


def svm_stage(system: RCNN, batches: Batches, device: torch.device, seed: int = 0,
              folder: Path | None = None) -> dict:
    """Train the SVMs in place; {"stage", "loss", "seconds"}. Nothing to do where the softmax scores."""
    cfg = system.cfg
    if cfg.scorer != "svm":
        return {"stage": "svm", "loss": 0.0, "seconds": 0.0}

    def work():
        pages = Pages(system, batches, cfg.layer, device)
        weight, bias, error = mine_svms(pages, cfg.num_classes, cfg.svm, seed)
        return {"weight": weight, "bias": bias, "loss": error}

    made = _once(folder, "svm", [cfg.layer, to_dict(cfg.svm), seed], system, batches, device, work)
    system.svm.fill(made["weight"], made["bias"])
    system.stages_done[0] = True
    return {"stage": "svm", "loss": float(made["loss"]), "seconds": float(made["seconds"])}


def ridge_stage(system: RCNN, batches: Batches, device: torch.device, folder: Path | None = None) -> dict:
    """Train the box regression in place, if ridge.times asks for it; {"stage", "loss", "seconds"}."""
    cfg = system.cfg
    if not cfg.ridge.times:
        return {"stage": "ridge", "loss": 0.0, "seconds": 0.0}

    def work():
        return fit_ridge(Pages(system, batches, "pool5", device), cfg.num_classes, cfg.ridge)

    which = to_dict(replace(cfg.ridge, times=1))
    made = _once(folder, "ridge", [which], system, batches, device, work)
    system.ridge.fill(made["weight"].reshape(4 * cfg.num_classes, -1), made["constant"].reshape(-1))
    system.stages_done[1] = True
    return {"stage": "ridge", "loss": float(made["error"].mean()), "seconds": float(made["seconds"]),
            "pairs": int(made["pairs"].sum())}


def _once(folder: Path | None, stage: str, choices: list, system: RCNN, batches: Batches,
          device: torch.device, work) -> dict:
    """What work() gives, and its core-seconds with those of the features that it read; kept in `folder`."""
    search = [selective_search.FAST, selective_search.QUALITY, selective_search.SMALL]
    facts = [stage, choices, system.revision, network_key(system), batches.dataset.version,
             len(batches.dataset), to_dict(system.cfg.proposals), search, system.cfg.num_classes,
             batches.size]
    path = folder and folder / stage / f"{digest(facts)}.npz"
    if path and path.exists():
        with np.load(path) as file:
            return dict(file)
    clock, read = busy(device), features_read(system)
    made = work()
    made["seconds"] = busy(device) - clock + features_read(system) - read
    if path:
        write_arrays(path, made)
    return made
