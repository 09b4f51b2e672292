"""What the options of `paperlib train` make of a run on one's own pictures; embedded sets have them off."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from paperlib.spelling import did_you_mean

CHECKS, APART = 5, 50  # scores on the way of a run on one's own pictures, at most, and steps between them


@dataclass(frozen=True)
class Watched:
    """Who looks at a run: `best`, perhaps (watching.best.Best), and others; `end` closes what they hold."""

    best: object | None
    others: tuple[Callable, ...] = ()

    def __call__(self, system, record: dict) -> None:
        for look in (self.best, *self.others):
            if look is not None:
                look(system, record)

    @property
    def is_over(self) -> bool:
        """Whether the run should end before its last step."""
        return self.best is not None and self.best.is_over

    def end(self, system, steps: int) -> str:
        """Close boards, and give the system its best weights; one line on that, or ""."""
        for look in self.others:
            if hasattr(look, "close"):
                look.close()
        return self.best.restore(system, steps) if self.best else ""


@dataclass
class SaidOnce:
    """Says a line at the first record of a run: a checkpoint of another run has been refused by then."""

    line: str

    def __call__(self, system, record: dict) -> None:
        say(self.line)
        self.line = ""


def planned(budget_name: str | None, system: str):
    """The budget's recipe of a system. Errors: KeyError naming the systems that `train` takes."""
    from paperlib.systems.registry import SYSTEMS
    from paperlib.training.recipes import budget

    plan = budget(budget_name)
    known = sorted(SYSTEMS.keys() & plan.recipes.keys())
    if system not in known:
        raise KeyError(f"budget {plan.name!r} has no recipe for {system!r}; it has {', '.join(known)}"
                       f"{did_you_mean(system, known)}")
    return plan.recipe(system)


def is_of_ones_own(data: str) -> bool:
    """Whether a set is neither drawn by the course nor one of the downloads that the papers used."""
    from paperlib.data.named_sets import DOWNLOADED, is_drawn

    return not is_drawn(data) and Path(data).name not in DOWNLOADED


def start_of(args, recipe, device):
    """The recipe with what it starts from (a `training.start.Start`): --start, --preset, what is on disk."""
    from paperlib.training.recipes import budget
    from paperlib.training.start import Start, choose

    by_hand = any(change.strip().startswith("trunk.weights") for change in args.set)
    if args.start is None and (by_hand or not is_of_ones_own(recipe.data)):
        return Start(recipe)
    plain = replace(recipe, preset=budget(args.budget).recipe(args.system).preset)
    start = choose(args.system, plain, args.start, args.preset, device.type == "cuda")
    if args.lr:
        return replace(start, recipe=replace(start.recipe, lr=args.lr))
    return start


def watched(args, recipe, test, device, out: Path) -> Watched:
    """Who looks at a run, by --checks, --patience and --tensorboard.

    Errors: ValueError for checks of a system that is trained in stages, or finished after its training.
    """
    from paperlib.systems.contract import AfterConfig
    from paperlib.training.checkpoints import steps_in
    from paperlib.training.recipes import system_config
    from paperlib.watching.best import Best
    from paperlib.watching.board import Board

    checkpoint = out / f"{args.system}.checkpoint"
    others = (SaidOnce(resumed(checkpoint, recipe.steps)),)
    if args.tensorboard:
        others += (Board(out / "tensorboard"),)
    cfg = system_config(args.system, recipe, 1, args.set)
    at_once = not cfg.in_stages and cfg.after in (None, AfterConfig())
    checks = args.checks
    if checks is None:
        checks = 0
        if at_once and is_of_ones_own(recipe.data):
            checks = min(CHECKS, recipe.steps // APART)
    if not checks:
        return Watched(None, others)
    if not at_once:
        raise ValueError(f"--checks {checks}: {args.system} is trained in stages; expected 0")
    file = out / f"{args.system}.best.pt"
    some = test.subset(recipe.check_images)
    best = Best(some, device, file, recipe.steps, checks, args.patience, steps_in(checkpoint))
    return Watched(best, others)


def resumed(checkpoint: Path, steps: int) -> str:
    """One line for a run that goes on from a checkpoint, else ""; `fit` refuses what cannot be read."""
    from paperlib.training.checkpoints import steps_in

    done = steps_in(checkpoint)
    if not done:
        return ""
    return f"goes on from {checkpoint}: {done} of {steps} steps are done; delete it to start afresh"


def say(*lines: str) -> None:
    """Lines of the first process, before a run's result; a bar that stands there moves down."""
    from tqdm.auto import tqdm

    from paperlib.distributed import ranks

    for line in lines:
        if line and ranks()[0] == 0:
            tqdm.write(line)
            sys.stdout.flush()


def compare_sets(name: str, dataset, test) -> None:
    """Note what is odd about the test images of a system's run; ValueError if it cannot use them."""
    from paperlib.systems.registry import SYSTEMS
    from paperlib.training.trained import compare, lacks_masks, nothing_in, scored_on_itself, tells_classes

    if wrong := lacks_masks(SYSTEMS[name], test):
        raise ValueError(wrong)
    note(nothing_in(test, "score"))
    note(scored_on_itself(dataset, test))
    if tells_classes(SYSTEMS[name]):
        note(compare(dataset.classes, test, f"{dataset.name} has"))


def note(text: str) -> None:
    """A line that is no result: to stderr, once."""
    from paperlib.distributed import ranks

    if text and ranks()[0] == 0:
        print(f"note: {text}", file=sys.stderr)


def cost(history: list[dict], device, started: float) -> str:
    """What a run took: "500 steps, 105 core-seconds, 458 s by the clock"."""
    seconds, unit = sum(record["seconds"] for record in history), "s"
    if device.type == "cpu":
        unit = "core-seconds"
    return f"{len(history)} steps, {seconds:.0f} {unit}, {time.time() - started:.0f} s by the clock"


def headline_of(scores: dict) -> dict[str, str]:
    """The one score that a header of weights holds: AP, or the recall of the most proposals."""
    from paperlib.watching.best import headline

    name, value = headline(scores)
    return {name: f"{value:.4f}"}


def origin(device) -> dict[str, str]:
    """The commit and version that weights were trained with."""
    from paperlib.tables.records import provenance

    facts = provenance(device)
    return {key: str(facts[key]) for key in ("commit", "torch", "device")}
