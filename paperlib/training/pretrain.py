"""Pre-training a trunk on MiniNet, the drawn stand-in for ImageNet: a recorded recipe and stored weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from paperlib.config import override
from paperlib.data.read_folder import load_classification
from paperlib.device import pick_device, seed_all
from paperlib.parts.trunks import TrunkConfig
from paperlib.parts.trunks import trunk as built
from paperlib.paths import weights_folder
from paperlib.progress import progress
from paperlib.systems.classifier import Classifier, ClassifierConfig
from paperlib.training.loop import fit
from paperlib.training.recipes import budget
from paperlib.training.weights import read_header, save_weights

RUNS = Path("runs/pretrain")


class CropBatches:
    """Batches of a classification set, a function of (seed, step): shuffled, flipped and scaled at random.

    `sides`: px, the sizes that a batch may be scaled to, so that the trunk also learns to name what is small.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch: int, seed: int,
                 sides: tuple[int, ...] = ()):
        self.images, self.labels, self.batch, self.seed = images, labels, batch, seed
        self.sides = sides or (images.shape[-1],)

    def __getitem__(self, step: int) -> tuple[torch.Tensor, list[dict]]:
        """Images (N,3,H,W) uint8 and [{"labels": (1,)}]."""
        per_epoch = len(self.images) // self.batch
        order = np.random.default_rng([self.seed, step // per_epoch]).permutation(len(self.images))
        chosen = order[step % per_epoch * self.batch :][: self.batch]
        images = self.images[chosen]
        rng = np.random.default_rng([self.seed, 1 + step, 7])
        flip, side = rng.random(self.batch) < 0.5, int(rng.choice(self.sides))
        images[flip] = images[flip, :, :, ::-1]
        images = torch.from_numpy(images)
        if side != images.shape[-1]:
            images = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
        return images, [{"labels": torch.tensor([k])} for k in self.labels[chosen]]


@torch.no_grad()
def predicted(system: Classifier, images: np.ndarray, device: torch.device, batch: int = 256) -> np.ndarray:
    """The likeliest label (n,) of each of n images (n, 3, S, S) uint8."""
    system.eval()
    labels = []
    for first in range(0, len(images), batch):
        some = torch.from_numpy(images[first:first + batch]).to(device)
        labels.append(system.predict(some).argmax(1).cpu().numpy())
    return np.concatenate(labels)


def pretrain(
    trunk: str,
    plan: str | None = None,
    seed: int = 0,
    device: torch.device | None = None,
    out: Path | None = None,
    lr: float | None = None,
) -> tuple[Path, float]:
    """Train `trunk` on MiniNet by the budget's classifier recipe, and store it; (path, top-1).

    `lr` replaces the recipe's rate.
    The header of the file holds the accuracy, the recipe's numbers and the data set's version. Without `out`
    it goes to the course's weights, unless better ones lie there: then to runs/pretrain.
    Errors: ValueError for an unknown trunk, and for a rate that is not above 0.
    """
    device, recipe = device or pick_device("cpu"), budget(plan).recipe("classifier")
    recipe = replace(recipe, lr=recipe.lr if lr is None else lr)
    if not recipe.lr > 0:
        raise ValueError(f"learning rate {recipe.lr}; expected a number above 0")
    with torch.device("meta"):
        built(TrunkConfig(name=trunk))  # an unknown one is told before any work
    train, val = load_classification(recipe.data, "train"), load_classification(recipe.data, "val")
    seed_all(seed)
    cfg = ClassifierConfig(num_classes=len(train.classes), trunk=TrunkConfig(name=trunk))
    system = Classifier(override(cfg, recipe.set))
    batches = CropBatches(train.images, train.labels, recipe.batch, seed, recipe.size or ())
    checkpoint = RUNS / f"{trunk}-{seed}.checkpoint"
    run = fit(system, batches, recipe, device, seed, checkpoint)
    bar = progress(run, total=recipe.steps, desc=f"pre-training {trunk}")
    seconds = sum(record["seconds"] for record in bar)
    top1 = float((predicted(system, val.images, device) == val.labels).mean())
    facts = {
        "accuracy": f"{top1:.4f}",
        "seconds": f"{seconds:.0f}",
        "data": f"{recipe.data} {train.version}",
        "seed": str(seed),
        "steps": str(recipe.steps),
        "batch": str(recipe.batch),
        "lr": str(recipe.lr),
        "revision": str(system.revision),
    }
    path = (out or _folder_for(trunk, top1)) / f"{trunk}.safetensors"
    save_weights(path, "trunk", system.trunk, half=True, **facts)
    checkpoint.unlink(missing_ok=True)
    return path, top1


def _folder_for(trunk: str, top1: float) -> Path:
    """The course's weights, or runs/pretrain where those of the course are better."""
    path = weights_folder() / f"{trunk}.safetensors"
    if path.exists() and float(read_header(path)["accuracy"]) > top1:
        return RUNS
    return weights_folder()
