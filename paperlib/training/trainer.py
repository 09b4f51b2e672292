"""One training run from its recipe: the system, its batches, the loop or the stages, and what follows."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from torch import nn

from paperlib.data.batches import Batches
from paperlib.data.named_sets import load
from paperlib.device import pick_device, seed_all
from paperlib.distributed import join_ranks, ranks
from paperlib.systems.rcnn import RCNN
from paperlib.systems.registry import class_of
from paperlib.systems.sharpmask import SharpMask
from paperlib.training.loop import fit
from paperlib.training.own_proposals import with_given_proposals
from paperlib.training.post_training import finish
from paperlib.training.recipes import Recipe, system_config, tested
from paperlib.training.trained import Trained, lacks_masks, nothing_in
from paperlib.training.weights import weights_digest


def prepare(name: str, recipe: Recipe, seed: int = 0, changes: dict | list[str] = (),
            begin=lambda dataset: None) -> tuple[nn.Module, Batches]:
    """A freshly initialised system and the training batches of one run; both depend on `seed` alone.

    `begin(dataset)` sees the training set before any work is done; a function that it returns is given the
    fresh system, to fill it with weights to start from.
    Errors: ValueError for a set without an object to learn, or without the masks that a system needs.
    """
    dataset = load(recipe.data, recipe.train, limit=recipe.train_images)
    if wrong := nothing_in(dataset, "learn") or lacks_masks(class_of(name), dataset):
        raise ValueError(wrong)
    cfg = system_config(name, recipe, len(dataset.classes), changes)
    fill = begin(dataset)
    seed_all(seed)
    system = class_of(name)(cfg)
    system.trained = Trained(tuple(dataset.classes), recipe.size, recipe.data, recipe.train,
                             (*tested(recipe), recipe.test_images))
    if fill is not None:
        fill(system)
        system.start = weights_digest(system)  # a run that starts elsewhere has another checkpoint
    if cfg.needs_proposals(training=True):
        dataset = with_given_proposals(dataset, cfg.proposals)
    batches = Batches(dataset, recipe.batch, seed, size=recipe.size, flip=recipe.flip, jitter=recipe.jitter,
                      share=ranks(), masks=system.needs_masks)
    return system, batches


def train(
    name: str,
    recipe: Recipe,
    seed: int = 0,
    changes: dict | list[str] = (),
    device=None,
    checkpoint: Path | None = None,
    steps: int | None = None,
    bar=lambda it, **_: it,
    watch=lambda system, record: None,
    begin=lambda dataset: None,
) -> tuple[nn.Module, list[dict]]:
    """Train one system to the end; return it with its history. `steps` shortens the recipe's schedule.

    `begin` is that of `prepare`; `watch(system, record)` sees every step's record, to which it may add.
    A `bar` that ends early ends the run. Under `torchrun` every process gets the same system;
    what comes after (scores, files) is for the first to do.
    """
    device = device or pick_device()
    join_ranks(device)
    recipe = replace(recipe, steps=steps or recipe.steps)
    system, batches = prepare(name, recipe, seed, changes, begin)
    course, total = _course(system, recipe)
    history = []
    # a run that is left early writes its state
    with closing(course(system, batches, recipe, device, seed, checkpoint)) as run:
        for record in bar(run, total=total, desc=name):
            watch(system, record)
            history.append(record)

    def again():
        file = checkpoint and Path(checkpoint).with_suffix(".after.pt")
        with closing(fit(system, batches, recipe, device, seed, file)) as run:
            yield from bar(run, total=recipe.steps, desc=f"{name}, once more")

    history += finish(system, batches, device, again)
    return system.eval(), history


def _untrained(*_):
    """The course of a system without weights: no step."""
    yield from ()


def _course(system, recipe: Recipe):
    """How a system is trained, and in how many steps: at once, or in stages, which `fit` trains too."""
    if not list(system.parameters()):
        return _untrained, 0
    if isinstance(system, RCNN):
        from paperlib.training.rcnn import stages as rcnn_stages

        return rcnn_stages.fit_rcnn, rcnn_stages.length(recipe.steps)
    if isinstance(system, SharpMask):
        from paperlib.training import mask_stages

        return mask_stages.fit_sharpmask, mask_stages.length(system.cfg, recipe.steps)
    if system.cfg.in_stages:
        from paperlib.training.alternating import fit_stages, length

        return fit_stages, length(system.cfg, recipe.steps)
    return fit, recipe.steps
