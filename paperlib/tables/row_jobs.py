"""From a row of a table to the runs that measure it: a system, its changes, a recipe and a seed."""

from dataclasses import dataclass

from paperlib.config import override
from paperlib.data.named_sets import is_drawn
from paperlib.papers.printed import by_variant, published
from paperlib.papers.register import claims
from paperlib.systems.registry import PRESETS
from paperlib.tables import dials
from paperlib.training.recipes import Budget, Recipe
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
    """The published table, if this project has a system for it. Errors: KeyError listing the tables that can be run."""
    tables = published() | dials.tables()
    if table not in tables:
        raise KeyError(f"unknown table {table!r}; expected one of {', '.join(tables)}")
    if "run" not in tables[table]:
        ready = [name for name, body in tables.items() if "run" in body]
        raise KeyError(f"table {table!r} cannot be run yet; these can: {', '.join(ready)}")
    return by_variant(tables[table])


def jobs_of(table: str, plan: Budget, rows: list[str] | None = None, seeds: int | None = None) -> list[Job]:
    """Every run of a table, seed by seed so that an interrupted table is complete for the first seeds.

    Errors: KeyError for a row that the table does not have.
    """
    body = runnable(table)
    run, judges = body["run"], [c["judge"] for c in claims() if c["judge"].get("table") == table]
    recipe = plan.recipe(run.get("recipe", run["system"]))
    kept = () if is_drawn(recipe.data) else ("data", "train", "test", "preset")  # real photographs stay
    recipe = override(recipe, {k: v for k, v in run.items() if k not in ("system", "recipe", *kept)})
    mine = {row["label"]: row["set"] for row in body["rows"] if "set" in row} | variants(table)
    mine = {label: found for label, changes in mine.items() if (found := _changes(changes, run["system"], recipe))}
    if unknown := set(rows or ()) - mine.keys():
        raise KeyError(
            f"table {table!r} has no runnable row {sorted(unknown)[0]!r}; it has {', '.join(map(repr, mine))}"
        )
    shares = {judge["row"] for judge in judges if "row" in judge}
    return [
        Job(table, label, seed, plan.name, run["system"], own, changes, label in shares)
        for seed in range(seeds or plan.seeds)
        for label, (own, changes) in mine.items()
        if not rows or label in rows
    ]


def _changes(changes: dict, system: str, recipe: Recipe) -> tuple[Recipe, dict] | None:
    """A row's recipe and its changes of the system, from its `set`; None if it has none for the recipe's preset.

    `set` is one table, or one for each preset. Its keys `recipe.scale` (a factor of the images' sides),
    `recipe.stretch` (of the steps), `recipe.images` (of the training images) and `recipe.jitter` are what the papers
    ablate of the training itself.
    """
    if changes.keys() & PRESETS[system].keys():
        if recipe.preset not in changes:
            return None
        changes = changes[recipe.preset]
    own = {key.removeprefix("recipe."): value for key, value in changes.items() if key.startswith("recipe.")}
    if (scale := own.pop("scale", 1)) != 1:
        stored = 2 * [drawn_sets.world_of(recipe.data).size] if is_drawn(recipe.data) else []
        own["size"] = [round(side * scale) for side in recipe.size or stored] or None
    more, images = own.pop("images", 1), own.get("train_images", recipe.train_images)
    own["train_images"] = images and round(images * more)
    own["steps"] = round(own.get("steps", recipe.steps) * own.pop("stretch", 1))
    return override(recipe, own), {key: value for key, value in changes.items() if not key.startswith("recipe.")}


def variants(table: str) -> dict[str, dict]:
    """{label: what it changes} of the rows that a claim compares although the paper's table does not print them."""
    judges = [c["judge"] for c in claims() if c["judge"].get("table") == table]
    pairs = {j[side]: j[f"set_{side}"] for j in judges for side in ("better", "worse") if f"set_{side}" in j}
    return pairs | {label: changes for j in judges for label, changes in j.get("rows", {}).items()}
