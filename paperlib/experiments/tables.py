"""Published tables, run here: rows x seeds in parallel processes, each recorded the moment it is done."""

import json
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import joblib
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from paperlib.data.sets import load
from paperlib.device import pick_device, progress
from paperlib.experiments import records
from paperlib.experiments.configs import Budget, Recipe, budget, digest, override, system_config, to_dict
from paperlib.experiments.evaluate import evaluate
from paperlib.experiments.fit import sides, train
from paperlib.experiments.published import published
from paperlib.systems import SYSTEMS


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


def runnable(table: str) -> dict:
    """The published table, if this project has a system for it. Errors: KeyError listing the tables that can be run."""
    tables = published()
    if table not in tables:
        raise KeyError(f"unknown table {table!r}; expected one of {', '.join(tables)}")
    if "run" not in tables[table]:
        ready = [name for name, body in tables.items() if "run" in body]
        raise KeyError(f"table {table!r} cannot be run yet; these can: {', '.join(ready)}")
    return tables[table]


def jobs_of(table: str, plan: Budget, rows: list[str] | None = None, seeds: int | None = None) -> list[Job]:
    """Every run of a table, seed by seed so that an interrupted table is complete for the first seeds.

    Errors: KeyError for a row that the table does not have.
    """
    body = runnable(table)
    mine = {row["label"]: row["set"] for row in body["rows"] if "set" in row}
    if unknown := set(rows or ()) - mine.keys():
        raise KeyError(
            f"table {table!r} has no runnable row {sorted(unknown)[0]!r}; it has {', '.join(map(repr, mine))}"
        )
    run = body["run"]
    recipe = override(plan.recipe(run["system"]), {k: v for k, v in run.items() if k != "system"})
    return [
        Job(table, label, seed, plan.name, run["system"], recipe, changes)
        for seed in range(seeds or plan.seeds)
        for label, changes in mine.items()
        if not rows or label in rows
    ]


@cache
def _data_version(name: str, split: str) -> tuple[str, int]:
    dataset = load(name, split)
    return dataset.version, len(dataset.classes)


def identity(job: Job) -> str:
    """Hash of all that decides a run's numbers: configuration, recipe, data versions and the system's revision."""
    train_version, classes = _data_version(job.recipe.data, job.recipe.train)
    cfg = system_config(job.system, job.recipe, classes, job.changes)
    recipe = {k: v for k, v in asdict(job.recipe).items() if k not in ("set", "preset")}  # both are in cfg already
    return digest(
        json.loads(
            json.dumps(
                {
                    "config": to_dict(cfg),
                    "recipe": recipe,
                    "revision": SYSTEMS[job.system].revision,
                    "data": [train_version, _data_version(job.recipe.data, job.recipe.test)[0]],
                }
            )
        )
    )


def run_job(job: Job, key: str, device: str | None = None, threads: int | None = 1) -> dict:
    """Train and score one row with one seed; return its record, unsealed. A diverged run is a result: metrics are 0."""
    if threads:
        torch.set_num_threads(threads)
    target = pick_device(device)
    checkpoint = Path("runs") / job.budget / job.table.replace("/", "_") / f"{digest([job.row, key])}-{job.seed}.pt"
    start, status, metrics, history = time.perf_counter(), "ok", {}, []
    try:
        system, history = train(job.system, job.recipe, job.seed, job.changes, target, checkpoint)
        start = time.perf_counter()
        metrics = evaluate(
            system, load(job.recipe.data, job.recipe.test, limit=job.recipe.test_images), target, **sides(job.recipe)
        )
    except FloatingPointError as error:
        status = "diverged: " + str(error).split(";")[0]
        metrics = dict.fromkeys(("AP", "AP50", "AP75", "APs", "APm", "APl"), 0.0)
    checkpoint.unlink(missing_ok=True)
    return {
        "table": job.table,
        "row": job.row,
        "seed": job.seed,
        "budget": job.budget,
        "hash": key,
        "status": status,
        "metrics": {k: round(float(v), 6) for k, v in metrics.items() if isinstance(v, (int, float)) and v == v},
        "seconds": round(sum(h["seconds"] for h in history) + time.perf_counter() - start, 1),
        "set": job.changes,
        "curve": _thin([h["loss"] for h in history]),
        "provenance": records.provenance(target),
    }


def _thin(values: list[float], points: int = 20) -> list[float]:
    """A curve of about `points` means over consecutive stretches."""
    n = max(1, len(values) // points)
    return [round(sum(values[i : i + n]) / n, 5) for i in range(0, len(values) - n + 1, n)]


def run(
    table: str,
    plan: str | Budget | None = None,
    rows: list[str] | None = None,
    seeds: int | None = None,
    jobs: int = 1,
    device: str | None = None,
) -> list[dict]:
    """Run what a table lacks, `jobs` processes of one thread each; write each record the moment it is there.

    Runs that are recorded and not stale are skipped. Interrupt it at will: finished runs are on disk, the others go on
    from their checkpoints. A killed worker's runs are started again. Returns the new records.
    """
    plan = plan if isinstance(plan, Budget) else budget(plan)
    done = records.latest(records.read(table, plan.name))
    keyed = [(job, identity(job)) for job in jobs_of(table, plan, rows, seeds)]
    todo = [(job, key) for job, key in keyed if done.get((job.row, job.seed), {}).get("hash") != key]
    new, attempts = [], 0
    with progress(total=len(todo), desc=f"{table} at {plan.name}", unit="run") as bar:
        while todo:
            work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(
                joblib.delayed(run_job)(job, key, device, 1 if jobs > 1 else None) for job, key in todo
            )
            try:
                for record in work:
                    records.append(record)
                    new.append(record)
                    todo = [(j, k) for j, k in todo if (j.row, j.seed) != (record["row"], record["seed"])]
                    bar.update()
                    bar.set_postfix_str(f"{sum(r['seconds'] for r in new) / 60:.1f} core-min")
            except TerminatedWorkerError:
                attempts += 1
                if attempts == 3:
                    raise
    return new
