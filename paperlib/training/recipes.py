"""Recipes of training, the budgets that hold them as data, and the configuration that each asks for."""

import os
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from paperlib.config import override
from paperlib.spelling import did_you_mean


@dataclass(frozen=True)
class Recipe:
    """How one system is trained and tested under one budget: everything that all rows of a table share."""

    data: str = "minicoco"  # name or path of the data set
    train: str | None = "train"  # split to train on; None: the set has no splits
    test: str | None = "val"  # split to score on
    train_images: int | None = None  # use the first n images; None: all
    test_images: int | None = None  # likewise for the test split
    # (shorter, longest) side, px; a classifier chooses among them; None: as stored
    size: tuple[int, ...] | None = None
    preset: str = "tiny"  # which configuration of the system the overrides start from
    steps: int = 1000  # SGD iterations
    batch: int = 8  # images an iteration
    accumulate: int = 1  # parts that these go through the network in, one after another: it saves memory
    lr: float = 0.02  # learning rate after warm-up, for `batch` images
    warmup: int = 50  # iterations of linear warm-up from lr / 10
    # fractions of `steps` after which lr falls tenfold (90k: 60k, 80k)
    drops: tuple[float, ...] = (0.67, 0.89)
    decay: str = "steps"  # how lr falls: "steps", at `drops`, or "linear", evenly from the warm-up to 0
    optimiser: str = "sgd"  # "sgd", the papers' own, or "adamw", which arrives sooner on short schedules
    momentum: float = 0.9  # of SGD
    weight_decay: float = 1e-4
    clip: float | None = 10.0  # largest gradient norm; None: no clipping
    flip: bool = True  # horizontal flips
    bf16: bool = True  # train with bfloat16 products where the device is fast at them (device.half)
    compiled: bool = False  # trunk and pyramid are compiled to train (device.compiled)
    jitter: tuple[float, ...] | None = None  # (low, high) of a random factor on a training image's size
    # even points of a run, the end among them, at which AP is measured; the scores do not depend on it
    checks: int = 0
    check_images: int = 200  # on the first so many test images
    set: dict = field(default_factory=dict)  # overrides of the preset that the budget itself asks for


def tested(recipe: Recipe) -> tuple[str, str | None]:
    """(set, split) that a run is scored on: `recipe.test` is a split of its set, or both: "minivoc/test"."""
    name, sign, split = (recipe.test or "").partition("/")
    return (name, split) if sign else (recipe.data, recipe.test)


@dataclass(frozen=True)
class Budget:
    """A named amount of work (smoke, mini, scale, gpu, paper); `recipes` holds one Recipe a system."""

    name: str
    seeds: int  # seeds a row
    recipes: dict[str, Recipe]
    # tables that another budget stands in for, {table: its name}
    tables: dict[str, str] = field(default_factory=dict)

    def recipe(self, system: str) -> Recipe:
        """Errors: KeyError naming the systems that this budget knows."""
        if system not in self.recipes:
            raise KeyError(
                f"budget {self.name!r} has no recipe for {system!r}; it has {', '.join(sorted(self.recipes))}"
                f"{did_you_mean(system, self.recipes)}"
            )
        return self.recipes[system]


@cache
def _budgets() -> dict[str, Budget]:
    raw = tomllib.loads(Path(__file__).with_name("budgets.toml").read_text())
    budgets = {}
    for name, body in raw.items():
        seeds, tables, recipes = body.pop("seeds"), body.pop("tables", {}), {}
        for system, fields in body.items():
            where = f"{name}.{system}"
            if isinstance(fields, str):
                fields = _fields_of(fields, name, raw, where)
            recipes[system] = _recipe(fields, where)
        budgets[name] = Budget(name, seeds, recipes, tables)
    return budgets


def _fields_of(recipe: str, name: str, raw: dict, where: str) -> dict:
    """The fields of another recipe, by its name: "rpn" of this budget, "scale.rpn" of that one."""
    budget_name, _, system = recipe.rpartition(".")
    fields = raw.get(budget_name or name, {}).get(system)
    if not isinstance(fields, dict):
        raise ValueError(f"budgets.toml, [{where}]: no recipe {recipe!r}; expected 'rpn', 'scale.rpn', ...")
    return fields


def _recipe(fields: dict, where: str) -> Recipe:
    try:
        return override(Recipe(), fields)
    except (KeyError, ValueError) as error:
        raise ValueError(f"budgets.toml, [{where}]: {error.args[0]}") from None


def budget(name: str | None = None) -> Budget:
    """The named budget; without a name, PAPERLIB_BUDGET or "mini".

    Errors: KeyError listing those there are.
    """
    name = name or os.environ.get("PAPERLIB_BUDGET") or "mini"
    if name not in (known := _budgets()):
        raise KeyError(f"unknown budget {name!r}; expected one of {', '.join(known)}"
                       f"{did_you_mean(name, known)}")
    return known[name]


def as_budget(plan: str | Budget | None) -> Budget:
    """A budget, or that of a name; None: the default one. Errors: as `budget`."""
    if isinstance(plan, Budget):
        return plan
    return budget(plan)


def stand_in(table: str, name: str) -> str:
    """The budget under which a table is run and recorded where this one is asked for; mostly itself.

    MiniCOCO's tables move one by one from `mini` to the scale models of `scale`, as they are recorded.
    """
    known = _budgets()
    return known[name].tables.get(table, name) if name in known else name


def preset(system: str, name: str) -> Callable:
    """What makes a system's configuration of this size. Errors: KeyError, with the names that there are."""
    from paperlib.systems.registry import PRESETS

    if system not in PRESETS:
        raise KeyError(f"unknown system {system!r}; expected one of {', '.join(PRESETS)}"
                       f"{did_you_mean(system, PRESETS)}")
    if name not in PRESETS[system]:
        raise KeyError(f"system {system!r} has no preset {name!r}; it has {', '.join(PRESETS[system])}"
                       f"{did_you_mean(name, PRESETS[system])}")
    return PRESETS[system][name]


def system_config(system: str, recipe: Recipe, num_classes: int, changes: dict | list[str] = ()):
    """The configuration of one run: the system's preset, the budget's overrides, then the row's own."""
    cfg = override(preset(system, recipe.preset)(), {"num_classes": num_classes})
    return override(override(cfg, recipe.set), changes)
