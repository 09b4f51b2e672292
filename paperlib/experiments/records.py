"""Measured results on disk: one checksummed JSON line a (row, seed), append-only, with provenance."""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from statistics import median

import torch
import torchvision
from filelock import FileLock

from paperlib import __version__
from paperlib.device import chip, has_bf16
from paperlib.experiments.configs import digest

REPOSITORY = Path(__file__).parents[2]
KEYS = {"table", "row", "seed", "budget", "hash", "status", "metrics", "seconds", "provenance", "sha256"}


def results_folder() -> Path:
    """Where records live: data/results of the repository, or PAPERLIB_RESULTS."""
    return Path(os.environ.get("PAPERLIB_RESULTS") or REPOSITORY / "data" / "results")


def path_of(table: str, budget: str) -> Path:
    """The file of one table's records: <results>/<budget>/<paper>_<table>.jsonl."""
    return results_folder() / budget / f"{table.replace('/', '_')}.jsonl"


def append(record: dict) -> None:
    """Seal one record with its checksum and add it to its table's file, whole or not at all, safe between processes."""
    record = {**record, "sha256": digest(record)}
    path = path_of(record["table"], record["budget"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")), path.open("a+b") as file:
        torn = file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"  # a kill cut the last line short
        file.write(b"\n" * bool(torn) + json.dumps(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read(table: str, budget: str) -> list[dict]:
    """Every record of a table, in the order in which they were measured; [] if there is none yet.

    Errors: ValueError naming file and line for a record that is cut short, lacks a key, or was edited by hand.
    """
    path = path_of(table, budget)
    if not path.exists():
        return []
    return [
        _checked(line, path, number) for number, line in enumerate(path.read_text().splitlines(), 1) if line.strip()
    ]


def _checked(line: str, path: Path, number: int) -> dict:
    where = f"{path.name}, line {number}"
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: not a JSON record ({error}); delete the line and run the row again") from None
    if missing := KEYS - record.keys():
        raise ValueError(f"{where}: record lacks {', '.join(sorted(missing))}")
    body = {k: v for k, v in record.items() if k != "sha256"}
    if digest(body) != record["sha256"]:
        raise ValueError(
            f"{where}: row {record['row']!r}, seed {record['seed']}: the record does not match its checksum, "
            "so it was changed after it was measured; delete the line and run the row again"
        )
    return record


def latest(records: Iterable[dict]) -> dict[tuple[str, int], dict]:
    """The newest record of each (row, seed)."""
    return {(r["row"], r["seed"]): r for r in records}


def typical(systems: dict[str, str], budget: str) -> dict[str, float]:
    """{table or system: median core-seconds of its runs under a budget}, from {table: system}; absent without any.

    Runs with float32 products, on chips that have no faster ones, count only where a system has no others.
    """
    every: dict[str, list[float]] = {}
    usual: dict[str, list[float]] = {}
    for table, system in systems.items():
        own = [r for r in read(table, budget) if "measured_as" not in r]
        for key in (table, system):
            every.setdefault(key, []).extend(r["seconds"] for r in own)
            usual.setdefault(key, []).extend(
                r["seconds"] for r in own if r["provenance"].get("products") != "float32")
    chosen = {key: usual[key] or usual[systems.get(key, key)] or seconds for key, seconds in every.items()}
    return {key: median(seconds) for key, seconds in chosen.items() if every[key]}


def copied(lacking: Iterable[tuple], tables: Iterable[str], budget: str) -> list[dict]:
    """Record for these (job, identity) what a row of any of the `tables` has measured already; the new records.

    The papers' default row stands in five tables. Jobs that are looked at closely (`shares`) are not copied.
    """
    known = {(r["hash"], r["seed"]): r for name in tables for r in read(name, budget)}
    new = []
    for job, key in lacking:
        twin = known.get((key, job.seed))
        if twin and not job.shares:
            source = twin.get("measured_as") or [twin["table"], twin["row"]]
            new.append({**twin, "table": job.table, "row": job.row, "set": job.changes, "measured_as": source})
            del new[-1]["sha256"]
            append(new[-1])
    return new


@cache
def commit() -> str:
    """The commit of the code that runs, with "+" if the package differs from it; "unknown" outside a checkout."""

    def git(*words):
        return subprocess.run(
            ["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + ("+" if git("status", "--porcelain", "paperlib") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def provenance(device: torch.device, bf16: bool = False) -> dict:
    """What a reader needs to judge a number: code, versions, the machine, and how exact its products were.

    `bf16`: bfloat16 was asked for; not every machine has it (device.half).
    """
    return {
        "commit": commit(),
        "paperlib": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "device": f"{device.type} ({chip(device)})",
        "products": "bfloat16" if bf16 and has_bf16(device.type) else "float32",
        "threads": torch.get_num_threads(),
    }
