"""Published tables, run here: rows x seeds in parallel processes, each recorded the moment it is done."""

import math
from collections.abc import Iterable
from pathlib import Path

import torch

from paperlib.clock import busy
from paperlib.config import digest
from paperlib.data.named_sets import ensure, load
from paperlib.device import pick_device
from paperlib.distributed import join_ranks, ranks, wait_for_ranks
from paperlib.papers.printed import published
from paperlib.progress import progress
from paperlib.scoring.coco_metrics import evaluate
from paperlib.scoring.image_draws import DRAWS
from paperlib.scoring.mistakes import mistakes
from paperlib.tables import dials, records, row_jobs, run_measurements, workers
from paperlib.tables.identities import identity, identity_of, is_current
from paperlib.tables.recorded import typical_seconds
from paperlib.tables.row_jobs import Job, jobs_of
from paperlib.training.rcnn.feature_store import features_read
from paperlib.training.recipes import Budget, as_budget, tested
from paperlib.training.trained import sides_of
from paperlib.training.trainer import train
from paperlib.world.set_names import SetName

BAR = "{desc} {percentage:3.0f}%|{bar}| {elapsed}, about {remaining} left{postfix}"


def run_job(job: Job, key: str, device: str | None = None, threads: int | None = 1) -> dict:
    """Train and score one row with one seed; its unsealed record. A diverged run is a result, of scores 0."""
    if threads:
        torch.set_num_threads(threads)
    target = pick_device(device)
    folder = Path("runs") / job.budget / job.table.replace("/", "_")
    checkpoint = folder / f"{digest([job.row, key])}-{job.seed}.pt"
    start, status, metrics, history = busy(target), "ok", {}, []
    test = load(*tested(job.recipe), limit=job.recipe.test_images)
    watch = run_measurements.ApCurve(job.recipe, test, target)
    try:
        system, history = train(
            job.system, job.recipe, job.seed, job.changes, target, checkpoint, watch=watch)
        if ranks()[0]:
            return {}
        start = busy(target) + features_read(system)
        sides, besides = sides_of(job.recipe.size), mistakes if job.system == "rcnn" else None
        metrics = evaluate(system, test, target, **sides, draws=DRAWS, besides=besides)
        start -= features_read(system)  # features from disk count as what it cost to compute them
        if job.shares:
            metrics |= run_measurements.facts(system, history, test, target, **sides)
    except FloatingPointError as error:
        status = "diverged: " + str(error).split(";")[0]
        metrics = _zeros(job.table)
    for file in folder.glob(f"{checkpoint.stem}.*"):
        file.unlink(missing_ok=True)
    return {
        "table": job.table,
        "row": job.row,
        "seed": job.seed,
        "budget": job.budget,
        "hash": key,
        "status": status,
        "metrics": _rounded(metrics),
        "draws": metrics.get("draws", {}),
        "seconds": round(sum(h["seconds"] for h in history) + busy(target) - start, 2),
        "set": job.changes,
        "curve": run_measurements.thin([h["loss"] for h in history]),
        "ap_curve": [[h["step"] + 1, round(h["AP"], 6)] for h in history if "AP" in h],
        "provenance": records.provenance(target, job.recipe.bf16),
    }


def _zeros(table: str) -> dict[str, float]:
    """The scores of a run that diverged."""
    scores = dict.fromkeys(["AP", "AP50", "AP75", "APs", "APm", "APl", "mAP"], 0.0)
    for column in row_jobs.runnable(table)["columns"]:
        if column["better"] == "higher":
            scores[column["name"]] = 0.0
    return scores


def _rounded(metrics: dict) -> dict[str, float]:
    """The numbers among what was measured, without NaN."""
    numbers = {}
    for name, value in metrics.items():
        if isinstance(value, (int, float)) and not math.isnan(value):
            numbers[name] = round(float(value), 6)
    return numbers


def missing(table: str, plan: Budget, rows: list[str] | None = None,
            seeds: int | None = None) -> list[tuple[Job, str]]:
    """The runs of a table, with identities, that lack a current record or the `shares` that are asked for."""
    done = records.latest(records.read(table, plan.name))
    lacking = []
    for job in jobs_of(table, plan, rows, seeds):
        key, record = identity(job), done.get((job.row, job.seed))
        if record is None or not is_current(record, key) or _lacks_shares(job, record):
            lacking.append((job, key))
    return lacking


def _lacks_shares(job: Job, record: dict) -> bool:
    return job.shares and record["status"] == "ok" and "loss_fall" not in record["metrics"]


def run(names: str | Iterable[str], plan: str | Budget | None = None, rows: list[str] | None = None,
        seeds: int | None = None, jobs: int = 1, device: str | None = None) -> list[dict]:
    """Run what tables lack, in one pool of `jobs` processes of one thread each; the new records.

    Runs that are recorded and not stale are skipped. Each record is written at once: interrupt at will,
    finished runs are on disk, the others go on from their checkpoints. A killed worker's runs start again.
    Under `torchrun` all processes train each run together, and the first scores and records it.
    On a cluster: inside `with joblib.parallel_config("dask"):` and a client of it, its workers run them.
    """
    plan = as_budget(plan)
    names = [names] if isinstance(names, str) else list(names)
    ready = _systems()
    join_ranks(pick_device(device))
    first, together = ranks()[0] == 0, ranks()[1] > 1
    if together and jobs > 1:
        raise ValueError(f"jobs {jobs} under torchrun: expected 1, "
                         "as its processes train one run at a time together")
    copied = copy_twins if first else lambda *_: []
    copies = copied(_missing_of(names, plan, rows, seeds), ready, plan.name)
    wait_for_ranks()  # all see the same records, and so lack the same runs
    new, todo, listed = [], {}, set()
    lacking = _missing_of(names, plan, rows, seeds)
    for job, key in sorted(lacking, key=lambda pair: (pair[0].seed, not pair[0].shares)):
        if job.shares or (key, job.seed) not in listed:  # equal rows are run once
            todo[job.table, job.row, job.seed] = job, key, device, 1 if jobs > 1 else None
        listed.add((key, job.seed))
    _draw_sets([job for job, *_ in todo.values()])
    weights = _expected_seconds(todo, ready, plan.name)
    with progress(total=sum(weights.values()), desc=f"{plan.name} runs", bar_format=BAR, smoothing=0) as bar:
        for record in workers.results(run_job, todo, jobs):
            if first:
                records.append(record)
                new.append(record)
                spent = sum(r["seconds"] for r in new) / 60
                bar.set_postfix_str(f"{len(new)} of {len(todo)} done, {spent:.1f} core-min", refresh=False)
                bar.update(weights[record["table"], record["row"], record["seed"]])
    twins = [pair for pair in lacking if (pair[0].table, pair[0].row, pair[0].seed) not in todo]
    return copies + new + copied(twins, ready, plan.name)


def _systems() -> dict[str, str]:
    """{table: system} of the tables that can be run."""
    tables = published() | dials.tables()
    return {name: body["run"]["system"] for name, body in tables.items() if "run" in body}


def _expected_seconds(todo: dict[tuple, tuple], systems: dict[str, str], budget: str) -> dict[tuple, float]:
    """How long each of the runs {name: (job, ...)} will take, by its table's records, else its system's."""
    usual, seconds = typical_seconds(systems, budget), {}
    for name, (job, *_) in todo.items():
        seconds[name] = usual.get(job.table, usual.get(job.system, 60.0))
    return seconds


def _missing_of(names: list[str], plan: Budget, rows: list[str] | None,
                seeds: int | None) -> list[tuple[Job, str]]:
    lacking = []
    for name in names:
        lacking += missing(name, plan, rows, seeds)
    return lacking


def _draw_sets(jobs: list[Job]) -> None:
    """Draw what the jobs are trained and tested on: here, with every core, and once; not in each worker."""
    names = set()
    for job in jobs:
        names |= {job.recipe.data, tested(job.recipe)[0]}
    drawn = set()
    for name in names:
        drawn |= {part.top for part in SetName.parse(name).chain if part.is_drawn}
    for name in drawn:
        ensure(name)


def copy_twins(lacking: Iterable[tuple[Job, str]], tables: Iterable[str], budget: str) -> list[dict]:
    """Record for these (job, identity) what a row of any of the `tables` has measured; the new records.

    The papers' default row stands in five tables. Jobs that are looked at closely (`shares`) are not copied.
    """
    known = {}
    for name in tables:
        for record in records.read(name, budget):
            known[identity_of(record), record["seed"]] = record
    new = []
    for job, key in lacking:
        twin = known.get((key, job.seed))
        if twin and not job.shares:
            source = twin.get("measured_as") or [twin["table"], twin["row"]]
            copy = {**twin, "table": job.table, "row": job.row, "hash": key, "set": job.changes,
                    "budget": job.budget, "measured_as": source}
            del copy["sha256"]
            records.append(copy)
            new.append(copy)
    return new
