"""Training: one generator for every system, which resumes exactly and stops at losses that are not finite."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn

from paperlib.clock import busy
from paperlib.config import to_dict
from paperlib.data.batches import loader
from paperlib.device import compiled, half, keep_memory
from paperlib.distributed import mean_over_ranks, share_buffers, with_mean_gradients
from paperlib.training.checkpoints import Checkpoint
from paperlib.training.recipes import Recipe


def learning_rate(step: int, recipe: Recipe) -> float:
    """The rate of one iteration: linear warm-up from lr / 10, then a decay.

    It is divided by 10 at each fraction of the steps in `drops`, or falls straight to 0.
    Errors: ValueError for another kind of decay.
    """
    warm = min(1.0, 0.1 + 0.9 * step / recipe.warmup) if recipe.warmup else 1.0
    if recipe.decay == "linear":
        return recipe.lr * min(warm, (recipe.steps - step) / max(recipe.steps - recipe.warmup, 1))
    if recipe.decay != "steps":
        raise ValueError(f"recipe.decay is {recipe.decay!r}, expected 'steps' or 'linear'")
    return recipe.lr * warm * 0.1 ** sum(step >= drop * recipe.steps for drop in recipe.drops)


def to_device(targets: list[dict], device: torch.device) -> list[dict]:
    """The same targets with every tensor on `device`."""
    moved = []
    for target in targets:
        copy = dict(target)
        for key, value in target.items():
            if isinstance(value, Tensor):
                copy[key] = value.to(device, non_blocking=True)
        moved.append(copy)
    return moved


def fit(
    system: nn.Module,
    batches,
    recipe: Recipe,
    device: torch.device,
    seed: int = 0,
    checkpoint: Path | None = None,
    every: int = 250,
    workers: int = 0,
    losses: Callable[[Tensor, list[dict]], dict[str, Tensor]] | None = None,
) -> Iterator[dict]:
    """Train in place; yield {"step", "lr", "loss", "seconds", one entry a loss part} after each iteration.

    "seconds" are core-seconds on a CPU (clock.busy).

    Source:  SGD with momentum, as in every paper here (e.g. Focal Loss, Sec. 4.1), or AdamW.
    `batches[s]` is (images (N,3,H,W), targets) of iteration s and depends on s alone; with `checkpoint`, the
    state is written every `every` iterations, every minute, at the end, and when the run is left early
    (Ctrl-C, a picture that cannot be read, a consumer that stops). An existing file is continued, on CPU to
    bit-identical weights; the records of the iterations that it holds are yielded again first, so that the
    caller sees one whole history. Under `torchrun` gradients and losses are means over all processes
    (synchronous SGD): give each its share of the images (`Batches`). Two processes then do what one does with
    twice the images, but for batch norm and for the windows of mask systems, which each draws and counts for
    itself; the first one writes. `losses` are what is trained in place of `system.losses`:
    in a stage, a part of them.
    Errors:  FloatingPointError naming the images whose loss is not finite;
             ValueError for a checkpoint of another run.
    """
    keep_memory()
    losses = losses or system.losses
    system.to(device).train()
    learnt = with_mean_gradients(system, losses)
    optimiser = _optimiser([p for p in system.parameters() if p.requires_grad], recipe)
    identity = {"system": type(system).__name__, "config": to_dict(system.cfg.for_training()),
                "recipe": asdict(recipe), "seed": seed, "data": _learnt_from(batches),
                "start": getattr(system, "start", None)}
    file = Checkpoint(checkpoint, json.loads(json.dumps(identity)), system, optimiser, every, recipe.steps)
    yield from file.resume(device)
    start = len(file.history)
    rest = loader(batches, start, recipe.steps, workers)
    try:
        for step, (images, targets) in zip(range(start, recipe.steps), rest):
            with file.step():
                clock = busy(device)
                torch.manual_seed(seed * 1_000_003 + step)  # any sampling inside `losses` repeats on resume
                for group in optimiser.param_groups:
                    group["lr"] = learning_rate(step, recipe)
                images, targets = images.to(device), to_device(targets, device)
                with compiled(system, device, recipe.compiled):
                    record = _iterate(system, learnt, losses, optimiser, images, targets, recipe, step)
                file.history.append({**record, "seconds": busy(device) - clock})
                if step == recipe.steps - 1:
                    share_buffers(system)  # what comes after sees one network
            file.write_if_due()
            yield file.history[-1]
    finally:
        file.write()


def _learnt_from(batches) -> list | None:
    """What identifies the images of a run; None of batches that are no data set's."""
    dataset = getattr(batches, "dataset", None)
    if dataset is None:
        return None
    return [dataset.version, len(dataset), *dataset.classes]


def _optimiser(parameters: list, recipe: Recipe) -> torch.optim.Optimizer:
    """Errors: ValueError for a name that is neither "sgd" nor "adamw"."""
    fused = parameters[0].device.type in ("cpu", "cuda")
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay,
                               fused=fused)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(parameters, recipe.lr, weight_decay=recipe.weight_decay, fused=fused)
    raise ValueError(f"recipe.optimiser is {recipe.optimiser!r}, expected 'sgd' or 'adamw'")


def _means(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their means over all processes; the values themselves stay as they are."""
    means = {name: value.detach().clone() for name, value in values.items()}
    mean_over_ranks(*means.values())
    return means


def _iterate(system, learnt: Callable, losses: Callable, optimiser, images: Tensor, targets: list[dict],
             recipe: Recipe, step: int) -> dict:
    """Forward, backward and one update; `learnt` are `losses` whose gradients are means over processes."""
    optimiser.zero_grad(set_to_none=True)
    sums: dict[str, Tensor] = {}
    for part in _parts(len(images), recipe.accumulate):
        few, their_targets = images[part], targets[part]
        with half(images.device, recipe.bf16):
            parts = learnt(few, system.observe(few, their_targets))
        loss = sum(parts.values())
        means = _means({"loss": loss, **parts})
        if not torch.isfinite(means["loss"]):
            raise FloatingPointError(_not_finite(step, parts, losses, few, their_targets))
        share = len(few) / len(images)
        (loss * share).backward()
        for name, value in means.items():
            sums[name] = sums.get(name, 0.0) + share * value
    if recipe.clip is not None:
        nn.utils.clip_grad_norm_(system.parameters(), recipe.clip)
    optimiser.step()
    record = {"step": step, "lr": optimiser.param_groups[0]["lr"]}
    return record | {name: value.item() for name, value in sums.items()}


def _parts(images: int, accumulate: int) -> list[slice]:
    """The images of one iteration in so many parts, as even as can be.

    Errors: ValueError for less than one part.
    """
    if accumulate < 1:
        raise ValueError(f"recipe.accumulate is {accumulate}; expected 1 or more parts of a batch")
    each = -(-images // accumulate)
    return [slice(first, first + each) for first in range(0, images, each)]


def _not_finite(step: int, parts: dict[str, Tensor], losses: Callable, images: Tensor,
                targets: list[dict]) -> str:
    values = {name: float(part.detach()) for name, part in parts.items()}
    return (f"step {step}: {_blame(losses, images, targets)}; parts: {values}. Lower the learning rate, "
            "warm up longer, or run `paperlib doctor` on the data")


@torch.no_grad()
def _blame(losses: Callable, images, targets) -> str:
    """Which images have a non-finite loss on their own, by image id; the whole batch if each alone is finite.

    In training mode: the running statistics of batch norm have met the bad image already.
    """
    ids, alone = [int(t.get("image_id", i)) for i, t in enumerate(targets)], []
    for image_id, image, target in zip(ids, images, targets):
        with suppress(ValueError):  # batch norm refuses a map of one pixel of one image
            if not torch.isfinite(sum(losses(image[None], [target]).values())):
                alone.append(image_id)
    return f"the loss of image(s) {alone} is not finite" if alone else (
        f"the loss is not finite; images of the batch: {ids}")
