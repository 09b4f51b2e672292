"""Frozen configurations: overriding one field by name, hashing the result, and the budgets as data."""

import ast
import dataclasses
import hashlib
import json
import os
import tomllib
import types
import typing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path


def override(cfg, changes: dict | list[str]):
    """A copy of a nested frozen dataclass with the named fields replaced.

    `changes` is {"loss.gamma": 0.0} or ["loss.gamma=0"]; text is read as a Python literal, else as a string.
    Errors: KeyError for a field that does not exist (it lists those that do);
            TypeError -> ValueError for a value of the wrong type; ValueError for text without "=".
    """
    for key, value in _pairs(changes):
        cfg = _replace(cfg, key, key, value)
    return cfg


def _pairs(changes) -> list[tuple[str, object]]:
    if isinstance(changes, dict):
        return list(changes.items())
    pairs = []
    for text in changes:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise ValueError(f"override {text!r} is not of the form key=value, for example loss.gamma=0")
        pairs.append((key.strip(), _literal(value.strip())))
    return pairs


def _literal(text: str):
    if text.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _replace(cfg, key: str, whole: str, value):
    head, _, rest = key.partition(".")
    names = [f.name for f in dataclasses.fields(cfg)]
    if head not in names:
        raise KeyError(
            f"unknown override {whole!r}: {type(cfg).__name__} has no field {head!r}; it has {', '.join(names)}"
        )
    old = getattr(cfg, head)
    if rest:
        if not dataclasses.is_dataclass(old):
            raise KeyError(f"unknown override {whole!r}: {type(cfg).__name__}.{head} is a value, it has no {rest!r}")
        return dataclasses.replace(cfg, **{head: _replace(old, rest, whole, value)})
    hint = typing.get_type_hints(type(cfg))[head]
    return dataclasses.replace(cfg, **{head: _fit_type(value, hint, whole)})


def _fit_type(value, hint, key: str):
    """`value` if it is of the type that the field declares; ints become floats, lists tuples, "none" None."""
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if value == "none" and type(None) in options:  # TOML has no null
        return None
    for option in options:
        kind = typing.get_origin(option) or option
        if kind is type(None) and value is None:
            return None
        if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if kind is int and isinstance(value, int) and not isinstance(value, bool):
            return value
        if kind is tuple and isinstance(value, (list, tuple)):
            inner = typing.get_args(option)
            return tuple(_fit_type(v, inner[0], key) for v in value) if inner[1:] == (...,) else tuple(value)
        if kind in (bool, str, dict) and isinstance(value, kind):
            return value
    name = getattr(hint, "__name__", None) or str(hint)
    raise ValueError(f"override {key!r}: {value!r} is of type {type(value).__name__}, expected {name}")


def to_dict(cfg) -> dict:
    """A nested dataclass as plain JSON-ready dictionaries (tuples become lists)."""
    return json.loads(json.dumps(dataclasses.asdict(cfg)))


def digest(value) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of a JSON-ready value, keys sorted."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Recipe:
    """How one system is trained and tested under one budget: everything that all rows of a table share."""

    data: str = "minicoco"  # name or path of the data set
    train: str | None = "train"  # split to train on; None: the set has no splits
    test: str | None = "val"  # split to score on
    train_images: int | None = None  # use the first n images; None: all
    test_images: int | None = None  # likewise for the test split
    size: tuple[int, ...] | None = None  # (shorter, longest) side, px; a classifier chooses among them; None: as stored
    preset: str = "tiny"  # which configuration of the system the overrides start from
    steps: int = 1000  # SGD iterations
    batch: int = 8  # images an iteration
    lr: float = 0.02  # learning rate after warm-up, for `batch` images
    warmup: int = 50  # iterations of linear warm-up from lr / 10
    drops: tuple[float, ...] = (0.67, 0.89)  # fractions of `steps` after which lr falls tenfold (90k: 60k, 80k)
    optimiser: str = "sgd"  # "sgd", the papers' own, or "adamw", which arrives sooner on short schedules
    momentum: float = 0.9  # of SGD
    weight_decay: float = 1e-4
    clip: float | None = 10.0  # largest gradient norm; None: no clipping
    flip: bool = True  # horizontal flips
    bf16: bool = True  # train with bfloat16 products where the device is fast at them (device.half)
    jitter: tuple[float, ...] | None = None  # (low, high) of a random factor on a training image's size
    checks: int = 0  # even points of a run, the end among them, at which AP is measured; the scores do not depend on it
    check_images: int = 200  # on the first so many test images
    set: dict = field(default_factory=dict)  # overrides of the preset that the budget itself asks for


def tested(recipe: Recipe) -> tuple[str, str | None]:
    """(set, split) that a run is scored on: `recipe.test` is a split of its own set, or names both, "minivoc/test"."""
    name, sign, split = (recipe.test or "").partition("/")
    return (name, split) if sign else (recipe.data, recipe.test)


@dataclass(frozen=True)
class Budget:
    """A named amount of work (DESIGN: smoke, mini, gpu, paper); `recipes` holds one Recipe a system."""

    name: str
    seeds: int  # seeds a row
    recipes: dict[str, Recipe]

    def recipe(self, system: str) -> Recipe:
        """Errors: KeyError naming the systems that this budget knows."""
        if system not in self.recipes:
            raise KeyError(
                f"budget {self.name!r} has no recipe for {system!r}; it has {', '.join(sorted(self.recipes))}"
            )
        return self.recipes[system]


@cache
def _budgets() -> dict[str, Budget]:
    raw = tomllib.loads(Path(__file__).with_name("budgets.toml").read_text())
    return {
        name: Budget(
            name, body.pop("seeds"), {system: _recipe(body[fields] if isinstance(fields, str) else fields,
                                                   f"{name}.{system}") for system, fields in body.items()}
        )
        for name, body in raw.items()
    }


def _recipe(fields: dict, where: str) -> Recipe:
    try:
        return override(Recipe(), fields)
    except (KeyError, ValueError) as error:
        raise ValueError(f"budgets.toml, [{where}]: {error.args[0]}") from None


def budget(name: str | None = None) -> Budget:
    """The named budget; without a name, PAPERLIB_BUDGET or "mini". Errors: KeyError listing those there are."""
    name = name or os.environ.get("PAPERLIB_BUDGET") or "mini"
    if name not in (known := _budgets()):
        raise KeyError(f"unknown budget {name!r}; expected one of {', '.join(known)}")
    return known[name]


def system_config(system: str, recipe: Recipe, num_classes: int, changes: dict | list[str] = ()):
    """The resolved configuration of one run: the system's preset, the budget's overrides, then the row's own."""
    from paperlib.systems import PRESETS

    if system not in PRESETS:
        raise KeyError(f"unknown system {system!r}; expected one of {', '.join(PRESETS)}")
    presets = PRESETS[system]
    if recipe.preset not in presets:
        raise KeyError(f"system {system!r} has no preset {recipe.preset!r}; it has {', '.join(presets)}")
    cfg = override(presets[recipe.preset](), {"num_classes": num_classes})
    return override(override(cfg, recipe.set), changes)
