"""The hash of whole configurations, by which runs were known first, and the map to today's identities.

Used once, at the change; `data/results/identities.json` is what it wrote. Old records are never sealed anew.
"""

import json
from dataclasses import asdict
from pathlib import Path

from paperlib.config import digest, to_dict
from paperlib.papers.printed import published
from paperlib.systems.registry import class_of
from paperlib.tables import dials, records
from paperlib.tables.identities import ELSEWHERE, data_version, first_weights, identity
from paperlib.tables.row_jobs import Job, jobs_of
from paperlib.training.recipes import Budget, system_config, tested


def legacy_identity(job: Job) -> str:
    """Hash of the whole configuration, recipe, data, first weights and the system's revision."""
    train_version, classes = data_version(job.recipe.data, job.recipe.train)
    cfg = system_config(job.system, job.recipe, classes, job.changes)
    recipe = {key: value for key, value in asdict(job.recipe).items() if key not in ELSEWHERE}
    facts = {"config": to_dict(cfg), "recipe": recipe, "revision": class_of(job.system).revision,
             "data": [train_version, data_version(*tested(job.recipe))[0]], "weights": first_weights(cfg)}
    return digest(json.loads(json.dumps(facts)))


def new_names(plan: Budget) -> dict[str, str]:
    """{old hash: identity} of every run that is recorded under a budget and was current by its old hash."""
    names = {}
    for table, body in (published() | dials.tables()).items():
        if "run" not in body:
            continue
        hashes = {record["hash"] for record in records.read(table, plan.name)}
        if not hashes:
            continue
        for job in jobs_of(table, plan, seeds=1):  # the seed is in neither hash
            old = legacy_identity(job)
            if old in hashes:
                names[old] = identity(job)
    return names


def write(path: Path, plan: Budget) -> int:
    """Write `new_names` as JSON, a line a run; how many there are."""
    names = new_names(plan)
    path.write_text(json.dumps(names, indent=0, sort_keys=True) + "\n", encoding="utf-8")
    return len(names)
