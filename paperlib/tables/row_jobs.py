"""From a row of a table to the runs that measure it: a system, its changes, a recipe and a seed."""

from dataclasses import dataclass

from paperlib.config import override
from paperlib.data.named_sets import is_drawn
from paperlib.papers.judges import settings
from paperlib.papers.printed import by_variant, published
from paperlib.papers.register import claims
from paperlib.spelling import did_you_mean
from paperlib.systems.registry import PRESETS, class_of
from paperlib.tables import dials
from paperlib.training.recipes import Budget, Recipe, budget, stand_in
from paperlib.world import drawn_sets


@dataclass(frozen=True)
class Job:
    """One run: a row of a table under one budget and seed."""

    table: str
    row: str
    seed: int
    budget: str
    system: str
    recipe: Recipe
    changes: dict
    shares: bool = False  # also measure how the trained model's loss is shared out (RetinaNet Fig. 4)


def runnable(table: str) -> dict:
    """The published table, if this project has a system for it.

    Errors: KeyError listing the tables that can be run.
    """
    tables = published() | dials.tables()
    if table not in tables:
        raise KeyError(f"unknown table {table!r}; expected one of {', '.join(tables)}"
                       f"{did_you_mean(table, tables)}")
    if "run" not in tables[table]:
        ready = [name for name, body in tables.items() if "run" in body]
        raise KeyError(f"table {table!r} cannot be run yet; these can: {', '.join(ready)}")
    return by_variant(tables[table])


def jobs_of(table: str, plan: Budget, rows: list[str] | None = None, seeds: int | None = None) -> list[Job]:
    """Every run of a table, seed by seed so that an interrupted table is complete for the first seeds.
    A row whose system no seed changes is run once.

    A table that another budget stands in for is run with that one's recipes.
    Errors: KeyError for a row that the table does not have.
    """
    if (name := stand_in(table, plan.name)) != plan.name:
        plan = budget(name)
    ready = _ready(table, runnable(table), plan)
    unknown = sorted(set(rows or ()) - ready.keys())
    if unknown:
        known = ", ".join(map(repr, ready))
        raise KeyError(f"table {table!r} has no runnable row {unknown[0]!r}; it has {known}"
                       f"{did_you_mean(unknown[0], ready)}")
    looked_at = _looked_at(table)
    jobs = []
    for seed in range(seeds or plan.seeds):
        for label, (system, recipe, changes) in ready.items():
            if (not rows or label in rows) and (seed == 0 or class_of(system).seeded):
                shares = label in looked_at
                jobs.append(Job(table, label, seed, plan.name, system, recipe, changes, shares))
    return jobs


def _ready(table: str, body: dict, plan: Budget) -> dict[str, tuple[str, Recipe, dict]]:
    """{label: (system, recipe, changes)} of the rows that can be run with the recipe's preset."""
    settings = {row["label"]: row for row in body["rows"] if "set" in row}
    for label, changes in variants(table).items():
        settings[label] = {"set": changes}
    ready = {}
    for label, row in settings.items():
        system = row.get("system", body["run"]["system"])
        recipe = _recipe(body["run"], system, row.get("recipe"), plan)
        changed = _changes(row["set"], system, recipe)
        if changed is not None:
            ready[label] = system, *changed
    return ready


def _recipe(run: dict, system: str, named: str | None, plan: Budget) -> Recipe:
    """The recipe of a table's row: the one `named` by the row, else its system's; the table's own, if it
    names one, is that of the table's system."""
    name = system
    if system == run["system"]:
        name = run.get("recipe", system)
    recipe, skipped = plan.recipe(named or name), {"system", "recipe"}
    if not is_drawn(recipe.data):  # real photographs stay
        skipped |= {"data", "train", "test", "preset"}
    return override(recipe, {key: value for key, value in run.items() if key not in skipped})


def _looked_at(table: str) -> set[str]:
    """The rows whose trained models a claim is about, or whose proposals' recall it compares."""
    rows = set()
    for judge in (claim["judge"] for claim in claims()):
        if judge.get("table") != table:
            continue
        if "row" in judge:
            rows.add(judge["row"])
        if judge.get("metric", "").startswith("recall_"):
            rows |= {judge["better"], judge["worse"]}
    return rows


def _changes(changes: dict, system: str, recipe: Recipe) -> tuple[Recipe, dict] | None:
    """A row's recipe and its changes of the system, from its `set`; None without any for the recipe's preset.

    `set` is one table, or one for each preset. Its keys `recipe.scale` (a factor of the images' sides),
    `recipe.stretch` (of the steps), `recipe.images` (of the training images) and `recipe.jitter` are what the
    papers ablate of the training itself.
    """
    if changes.keys() & PRESETS[system].keys():
        if recipe.preset not in changes:
            return None
        changes = changes[recipe.preset]
    training, of_system = {}, {}
    for key, value in changes.items():
        if key.startswith("recipe."):
            training[key.removeprefix("recipe.")] = value
        else:
            of_system[key] = value
    scale = training.pop("scale", 1)
    if scale != 1:
        sides = recipe.size or ()
        if not sides and is_drawn(recipe.data):
            sides = 2 * [drawn_sets.world_of(recipe.data).size]
        training["size"] = [round(side * scale) for side in sides] or None
    share, images = training.pop("images", 1), training.get("train_images", recipe.train_images)
    training["train_images"] = images and round(images * share)
    training["steps"] = round(training.get("steps", recipe.steps) * training.pop("stretch", 1))
    return override(recipe, training), of_system


def variants(table: str) -> dict[str, dict]:
    """{label: what it changes} of the rows that a claim compares and the paper's table does not print."""
    rows = {}
    for claim in claims():
        for name, row, changes in settings(claim["judge"]):
            if name == table:
                rows[row] = changes
    return rows
