"""Overrides, digests and budgets."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from paperlib.config import digest, override, to_dict
from paperlib.training import recipes
from paperlib.training.recipes import Recipe, budget, system_config


@dataclass(frozen=True)
class Inner:
    gamma: float = 2.0
    kind: str = "focal"
    sizes: tuple[float, ...] = (1.0, 2.0)
    top: int | None = None
    on: bool = True
    span: tuple[int, str] = (1, "px")
    more: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Outer:
    loss: Inner = field(default_factory=Inner)
    classes: int = 3


def test_override_replaces_only_what_is_named():
    new = override(Outer(), ["loss.gamma=0", "classes=5", "loss.sizes=(1, 4)", "loss.on=false"])
    assert new == Outer(Inner(gamma=0.0, sizes=(1.0, 4.0), on=False), 5)
    assert isinstance(new.loss.gamma, float)
    new = override(Outer(), [" loss.gamma = 0.5 ", "loss.on=FALSE", "loss.kind = a b"])
    assert new.loss == Inner(0.5, "a b", on=False)
    new = override(Outer(), {"loss.span": [2, "m"], "loss.more": {"a": 1}, "loss.sizes": [3]})
    assert new.loss == Inner(sizes=(3.0,), span=(2, "m"), more={"a": 1}) and isinstance(new.loss.sizes[0], float)
    assert Outer() == Outer(Inner(), 3)


def test_override_takes_none_only_where_the_field_does():
    assert override(Outer(), ["loss.top=7"]).loss.top == 7
    assert override(Outer(Inner(top=7)), ["loss.top=none"]).loss.top is None
    assert override(Outer(Inner(top=7)), {"loss.top": "none"}).loss.top is None  # as TOML has to write it
    assert override(Outer(), {"loss.kind": "none"}).loss.kind == "none"
    with pytest.raises(ValueError, match=r"'loss\.gamma'.*NoneType.*float"):
        override(Outer(), ["loss.gamma=none"])


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ("loss.gama=1", KeyError, "has no field 'gama'; it has gamma, kind"),
        ("los.gamma=1", KeyError, "has no field 'los'"),
        ("classes.x=1", KeyError, "is a value"),
        ("classes=2.5", ValueError, "expected int"),
        ("classes=true", ValueError, "expected int"),
        ("loss.gamma=two", ValueError, "expected float"),
        ("loss.on=1", ValueError, "expected bool"),
        ("loss.gamma=true", ValueError, "expected float"),
        ("loss.sizes=(1, 'a')", ValueError, "expected float"),
        ("loss.more=1", ValueError, "expected dict"),
        (" =1", ValueError, "not of the form key=value"),
        ("loss.sizes=3", ValueError, "expected tuple"),
        ("gamma", ValueError, "not of the form key=value"),
    ],
)
def test_override_refuses(change, error, words):
    with pytest.raises(error, match=words):
        override(Outer(), [change])


def test_digest_depends_on_values_and_not_on_order():
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
    assert to_dict(Outer())["loss"]["sizes"] == [1.0, 2.0] and len(digest({})) == 12
    assert digest(to_dict(Outer())) != digest(to_dict(override(Outer(), ["loss.gamma=1"])))


def test_every_budget_recipe_resolves_to_a_configuration():
    from paperlib.systems.registry import SYSTEMS

    for name in ("smoke", "mini", "scale", "gpu", "paper"):
        for system, recipe in budget(name).recipes.items():
            if system in SYSTEMS:
                assert system_config(system, recipe, 7).num_classes == 7
    assert budget("mini").seeds >= 5


def test_a_name_stands_for_a_recipe_of_this_budget_or_another():
    raw = {"mini": {"rpn": {"steps": 7}, "deepmask": "scale.deepmask"}, "scale": {"deepmask": {"steps": 9}}}
    assert recipes._fields_of("rpn", "mini", raw, "mini.x") == {"steps": 7}
    assert recipes._fields_of("scale.deepmask", "mini", raw, "mini.x") == {"steps": 9}
    for wrong in ("deepmask", "scale.rpn", "big.rpn", ""):  # the first is a name itself
        with pytest.raises(ValueError, match=rf"budgets.toml, \[mini.x\]: no recipe '{wrong}'; expected 'rpn'"):
            recipes._fields_of(wrong, "mini", raw, "mini.x")


def test_no_recipe_of_the_budgets_is_written_twice():
    """What is the same in two budgets is said in one, and named in the other."""
    fields = []
    for name, body in tomllib.loads(Path(recipes.__file__).with_name("budgets.toml").read_text()).items():
        fields += [(name, recipe) for recipe in body.values() if isinstance(recipe, dict) and "steps" in recipe]
    for k, (name, recipe) in enumerate(fields):
        assert recipe not in [other for budget_name, other in fields[:k] if budget_name != name]
    for system in ("deepmask", "sharpmask", "fpn_masks"):
        assert budget("mini").recipe(system) == budget("scale").recipe(system)


def test_budget_errors_and_default(monkeypatch):
    with pytest.raises(KeyError, match="unknown budget 'huge'; expected one of smoke, mini"):
        budget("huge")
    with pytest.raises(KeyError, match="no recipe for 'yolo'"):
        budget("smoke").recipe("yolo")
    with pytest.raises(KeyError, match="unknown system 'yolo'"):
        system_config("yolo", Recipe(), 3)
    with pytest.raises(KeyError, match="no preset 'huge'"):
        system_config("retinanet", Recipe(preset="huge"), 3)
    monkeypatch.setenv("PAPERLIB_BUDGET", "smoke")
    assert budget().name == "smoke"
    with pytest.raises(ValueError, match=r"budgets.toml, \[x\]: unknown override 'stepz'"):
        recipes._recipe({"stepz": 1}, "x")
