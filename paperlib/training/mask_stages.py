"""SharpMask's training: a DeepMask first, then the refinement on top of it while it stays as it is."""
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import torch

from paperlib.device import seed_all
from paperlib.systems.deepmask import DeepMask, DeepMaskConfig
from paperlib.systems.sharpmask import SharpMask, SharpMaskConfig
from paperlib.training.alternating import kept_stage, numbered, stage_identity
from paperlib.training.recipes import Recipe
from paperlib.training.weights import load_weights

# the stages after DeepMask's
AFTER = {"two": ("refine",), "tuned": ("refine", "all"), "one": ("all",), "forward": ()}


def fit_sharpmask(system: SharpMask, batches, recipe: Recipe, device: torch.device, seed: int = 0,
                  checkpoint: Path | None = None) -> Iterator[dict]:
    """Train in place by cfg.training; yields fit's records, "stage" and a running "step" added.

    Source: Sec. 3.3.3. "two": DeepMask for recipe.steps, or from the file cfg.deepmask; then the refinement
            for cfg.refine_steps of that. "tuned": then everything for as long again. "one": everything for as
            long as both. "forward": DeepMask alone.
    With `checkpoint` every stage resumes. What a stage made is kept in the folder "stages" beside it, and a
    run whose stage would be the same takes it from there; its seconds count for each.
    Errors: ValueError if the file's DeepMask is not that of the configuration.
    """
    cfg, step, folder = system.cfg, 0, checkpoint and Path(checkpoint).parent / "stages"
    later, total = _later(cfg, recipe.steps), length(cfg, recipe.steps)
    stages, rate = [("all", total)], 1.0
    if cfg.training != "one":
        state = yield from _forward(cfg, batches, recipe, device, seed, folder)
        _fill(system, state)
        names = AFTER[cfg.training]
        step, stages = total - later * len(names), [(name, later) for name in names]
        rate = cfg.refine_rate
    for number, (stage, steps) in enumerate(stages, 2):
        system.enter(stage)
        short = replace(recipe, steps=steps, lr=rate * recipe.lr)
        key = stage_identity(system, batches, short, seed, stage)
        run = kept_stage(system, batches, short, device, seed, folder, key)
        step = yield from numbered(run, number, step)


def _forward(cfg: SharpMaskConfig, batches, recipe: Recipe, device, seed: int, folder: Path | None):
    """The first stage; returns the trained DeepMask's state."""
    if cfg.deepmask is not None:
        return load_weights(Path(cfg.deepmask), "deepmask").state_dict()
    seed_all(seed)
    first = DeepMask(deepmask_config(cfg))
    key = stage_identity(first, batches, recipe, seed, "")
    yield from numbered(kept_stage(first, batches, recipe, device, seed, folder, key), 1, 0)
    return first.state_dict()


def deepmask_config(cfg: SharpMaskConfig) -> DeepMaskConfig:
    """The DeepMask that a SharpMask is built on."""
    shared = {}
    for each in fields(DeepMaskConfig):
        shared[each.name] = getattr(cfg, each.name)
    return DeepMaskConfig(**shared)


def _fill(system: SharpMask, state: dict) -> None:
    wanted = {key for key in system.state_dict() if not key.startswith("refinement.")}
    if wanted != set(state):
        odd = sorted(wanted ^ set(state))[0]
        raise ValueError(f"deepmask {system.cfg.deepmask!r}: its tensors are not this configuration's, first "
                         f"{odd!r}")
    for key, value in state.items():
        if value.shape != system.state_dict()[key].shape:
            raise ValueError(f"deepmask {system.cfg.deepmask!r}: {key} is {tuple(value.shape)}, expected "
                             f"{tuple(system.state_dict()[key].shape)}")
    system.load_state_dict(state, strict=False)


def _later(cfg: SharpMaskConfig, steps: int) -> int:
    return max(1, round(steps * cfg.refine_steps))


def length(cfg: SharpMaskConfig, steps: int) -> int:
    """Iterations of all stages together, for a recipe of `steps`."""
    first = steps
    if cfg.deepmask is not None and cfg.training != "one":
        first = 0
    return first + _later(cfg, steps) * len(AFTER[cfg.training])
