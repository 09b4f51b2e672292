"""Training Faster R-CNN in stages: four steps in turn, or two networks that share nothing."""
import json
from collections.abc import Iterator
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from paperlib.config import digest, to_dict
from paperlib.device import seed_all
from paperlib.distributed import ranks, wait_for_ranks
from paperlib.parts.detections import RoIDetectConfig
from paperlib.parts.proposals import ProposalConfig, ProposalSource
from paperlib.systems.fast_rcnn import FastRCNN
from paperlib.systems.faster_rcnn import FasterRCNN, FasterRCNNConfig, detector_config, rpn_config
from paperlib.systems.rpn import RPN
from paperlib.training.loop import fit
from paperlib.training.recipes import Recipe
from paperlib.training.weights import weights_digest

ALL_STAGES = 5  # of a trunk: the stem and four levels
LATER = 0.5  # length of steps 3 and 4, which train heads alone, in lengths of steps 1 and 2


class Proposed:
    """Batches whose targets hold the "proposals" that an RPN makes of their images at this moment."""

    def __init__(self, batches, system: RPN | FasterRCNN, device: torch.device):
        self.batches, self.system, self.device = batches, system, device
        self.dataset = batches.dataset

    @torch.no_grad()
    def __getitem__(self, step: int):
        images, targets = self.batches[step]
        self.system.to(self.device)
        was, sizes = self.system.training, torch.stack([t["size"] for t in targets])
        proposals = self.system.eval().proposals(images.to(self.device), sizes, training=True)
        self.system.train(was)
        return images, [{**target, "proposals": boxes} for target, boxes in zip(targets, proposals)]


def fit_stages(system: FasterRCNN, batches, recipe: Recipe, device: torch.device, seed: int = 0,
               checkpoint: Path | None = None) -> Iterator[dict]:
    """Train by cfg.training "alternating" or "separate"; yields fit's records with "stage" and "step".

    "step" runs on from stage to stage.
    Source: Faster R-CNN Sec. 3.2, "4-Step Alternating Training"; "separate" is that without steps 3 and 4.
    1 an RPN on its own; 2 a Fast R-CNN on its proposals; 3 the RPN's head on the detector's features, which
    no longer change; 4 the detector's head likewise. Steps 1 and 2 take recipe.steps each, 3 and 4 half of
    that. With `checkpoint` every step resumes. What steps 1 and 2 made is kept in the folder "stages" beside
    it, and a run whose step would be the same takes it from there; its seconds count for each.
    """
    cfg, step, first, before = system.cfg, 0, None, ""
    folder = checkpoint and Path(checkpoint).parent / "stages"
    if "rpn" in (cfg.train_on, cfg.test_on):
        alone = rpn_config(cfg)
        first = _fresh(RPN, replace(alone, rpn=replace(alone.rpn, test=ProposalConfig())), seed)
        before = stage_identity(first, batches, recipe, seed, "")
        step = yield from numbered(kept_stage(first, batches, recipe, device, seed, folder, before), 1, step)
    on_rpn = cfg.train_on == "rpn"
    plain, data = replace(detector_config(cfg), detect=RoIDetectConfig()), batches
    if on_rpn:
        plain, data = replace(plain, proposals=ProposalSource()), Proposed(batches, first, device)
    second = _fresh(FastRCNN, plain, seed)
    key = stage_identity(second, batches, recipe, seed, before if on_rpn else "")
    step = yield from numbered(kept_stage(second, data, recipe, device, seed, folder, key), 2, step)
    system.trunk.load_state_dict(second.trunk.state_dict())
    system.pyramid.load_state_dict(second.pyramid.state_dict())
    system.head.load_state_dict(second.head.state_dict())
    if system.separate:
        if first is not None:
            system.rpn.load_state_dict(first.state_dict())
    else:
        yield from _heads(system, batches, recipe, device, seed, checkpoint, step)


def _heads(system, batches, recipe, device, seed, checkpoint, step) -> Iterator[dict]:
    """Steps 3 and 4, cfg.alternations times."""
    fix_features(system)
    short = replace(recipe, steps=_later(recipe.steps))
    heads = (batches, system.rpn_losses), (Proposed(batches, system, device), system.detector_losses)
    for stage, (data, losses) in enumerate(heads * system.cfg.alternations, 3):
        file = checkpoint and Path(checkpoint).with_suffix(f".{stage}.pt")
        step = yield from numbered(fit(system, data, short, device, seed, file, losses=losses), stage, step)


def fix_features(system: FasterRCNN) -> None:
    """Trunk and pyramid learn no more, nor do the statistics of the trunk's norms; a pyramid has none."""
    system.trunk.requires_grad_(False)
    system.pyramid.requires_grad_(False)
    # `train` leaves the norms of frozen stages in test mode
    system.trunk.cfg = replace(system.trunk.cfg, frozen_stages=ALL_STAGES)


def length(cfg: FasterRCNNConfig, steps: int) -> int:
    """Iterations of all stages together, for a recipe of `steps`."""
    first = steps * (1 + ("rpn" in (cfg.train_on, cfg.test_on)))
    return first + (2 * cfg.alternations * _later(steps) if cfg.training == "alternating" else 0)


def _later(steps: int) -> int:
    return max(1, int(steps * LATER))


def clear(checkpoint: Path) -> None:
    """Remove the stages that runs kept beside `checkpoint`, but for those that another run holds."""
    folder = Path(checkpoint).parent / "stages"
    for key in {file.name.partition(".")[0] for file in folder.glob("*.*")}:
        lock = folder / f"{key}.lock"
        with suppress(Timeout), FileLock(lock, timeout=0):
            for file in (folder / f"{key}.pt", folder / f"{key}.pt.part", lock):
                # where an open file cannot be removed, its lock is removed on release
                with suppress(OSError):
                    file.unlink(missing_ok=True)
    with suppress(OSError):
        folder.rmdir()


def numbered(run: Iterator[dict], stage: int, start: int) -> Iterator[dict]:
    """The records of a stage, with "stage" and steps that go on from `start`; returns the next step."""
    with closing(run):  # left early, it writes its state
        for record in run:
            yield {**record, "step": start + record["step"], "stage": stage}
    return start + record["step"] + 1


def _fresh(kind, cfg, seed: int):
    seed_all(seed)
    return kind(cfg)


def stage_identity(system, batches, recipe: Recipe, seed: int, after: str) -> str:
    """Digest of all that decides what a step makes: `after` is the identity of the step before."""
    facts = {"system": type(system).__name__, "revision": system.revision,
             "config": to_dict(system.cfg.for_training()), "recipe": asdict(recipe), "seed": seed,
             "weights": weights_digest(system), "after": after,
             "data": [batches.dataset.version, len(batches.dataset)]}
    return digest(json.loads(json.dumps(facts)))


def kept_stage(system, data, recipe: Recipe, device, seed: int, folder: Path | None,
               key: str) -> Iterator[dict]:
    """`fit` with a checkpoint in `folder` that outlives the run; a second run waits for the first.

    Under `torchrun` one of its processes holds the lock for all.
    """
    if folder is None:
        yield from fit(system, data, recipe, device, seed)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{key}.lock") if ranks()[0] == 0 else nullcontext():
        wait_for_ranks()
        yield from fit(system, data, recipe, device, seed, folder / f"{key}.pt")
