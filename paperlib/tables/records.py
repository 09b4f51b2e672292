"""Measured results on disk: one checksummed JSON line a (row, seed), append-only, with provenance."""

import json
import os
import platform
import re
import subprocess
import warnings
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock
from msgspec import Struct

from paperlib import __version__
from paperlib.config import digest
from paperlib.papers.files import typed
from paperlib.paths import REPOSITORY, results_folder
from paperlib.tables.rules import rules_digest
from paperlib.tables.source import source_digest
from paperlib.training.recipes import stand_in

if TYPE_CHECKING:
    import torch

START = '{"table"'  # of every record's line


class Record(Struct, frozen=True):
    """What every record's line has; runs, timings and probes add keys of their own, which are kept."""

    table: str
    row: str
    seed: int
    budget: str
    hash: str  # identity of what was run
    status: str  # "ok" or "diverged: ..."
    metrics: dict[str, int | float]
    seconds: int | float
    provenance: dict
    sha256: str  # of all the rest


def path_of(table: str, budget: str) -> Path:
    """The file of one table's records: <results>/<budget>/<paper>_<table>.jsonl, or its stand-in's."""
    return results_folder() / stand_in(table, budget) / f"{table.replace('/', '_')}.jsonl"


def append(record: dict) -> None:
    """Seal one record with its checksum and add it to its table's file, whole or not at all.

    Safe between processes.
    After a line that breaks off, as a kill or a power cut leaves one, it starts a line of its own.
    Errors: OSError where the disk takes only part of it; the file is then as it was.
    """
    record = {**record, "sha256": digest(record)}
    path = path_of(record["table"], record["budget"])
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(record).encode() + b"\n"
    with FileLock(path.with_suffix(".lock")), path.open("a+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if file.read(1) not in (b"", b"\n"):
            line = b"\n" + line
        try:
            written = file.write(line)
            if written < len(line):
                raise OSError(
                    f"{path}: only {written} of {len(line)} bytes could be written; is the disk full?")
            os.fsync(file.fileno())
        except OSError:  # an interrupt while it is synced leaves a whole line, which stays
            file.truncate(end)
            raise


def read(table: str, budget: str) -> list[dict]:
    """Every record of a table, in the order in which they were measured; [] if there is none yet.

    A line that breaks off is left out with a warning: its run counts as not measured.
    Errors: ValueError naming file and line for a record that lacks a key, or was edited by hand.
    """
    path = path_of(table, budget)
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").split("\n"), 1):
        if not line.strip():
            continue
        record = checked(line, f"{path}, line {number}")
        if record is not None:
            records.append(record)
    return records


@cache
def _warn(text: str) -> None:
    """Say it once in a process: a table is read many times."""
    warnings.warn(text, stacklevel=4)


def _parsed(line: str) -> dict | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # no JSON, or a number or a nesting beyond all measure
        return None
    return record if isinstance(record, dict) else None


def checked(line: str, where: str) -> dict | None:
    """The record of a line; of a torn line the record that was written behind it, None if there is none."""
    record = _parsed(line)
    if record is None:
        record = _parsed(START + line.rpartition(START)[2])
        _warn(f"{where}: found a line that breaks off, {line[:40]!r} ..., expected a whole JSON record; "
              "what is torn counts as not measured, run its table again")
    if record is None:
        return None
    named = f"{where}: row {record.get('row')!r}, seed {record.get('seed')}"
    typed(Record, record, named)
    sealed = dict(record)
    checksum = sealed.pop("sha256")
    if digest(sealed) != checksum:
        raise ValueError(f"{named}: the record does not match its checksum, "
                         "so it was changed after it was measured; delete the line and run the row again")
    return record


def latest(records: Iterable[dict]) -> dict[tuple[str, int], dict]:
    """The newest record of each (row, seed)."""
    return {(record["row"], record["seed"]): record for record in records}


@cache
def _proven(path: Path) -> dict[str, str]:
    """{commit: products} where all repeated runs that tell them apart match their records, with the same."""
    if not path.exists():
        return {}
    kinds: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        probe = json.loads(line)
        same = {name for name in ("bfloat16", "float32") if probe[name] == probe["recorded"]}
        if len(same) < 2:
            kinds.setdefault(probe["commit"], set()).update(same or {"unknown"})
    return {commit: names.pop() for commit, names in kinds.items() if len(names) == 1}


def products(record: dict) -> str:
    """How exact the products of a trained run were: "bfloat16" or "float32"; "unknown" where nothing tells.

    Early records do not say it; products.jsonl shows it of the commits whose runs were made again.
    """
    made_by = record["provenance"]
    if made_by.get("products"):
        return made_by["products"]
    return _proven(results_folder() / "products.jsonl").get(made_by.get("commit"), "unknown")


def is_score(metric: str) -> bool:
    """Whether a run that diverged has 0 in a metric, as it finds nothing and its loss does not fall.

    What describes a trained model, its anchors' sizes or how its loss is shared out, such a run has not.
    """
    return re.match(r"m?AP|AR|AUC|recall_|loss_fall", metric) is not None


@cache
def commit() -> str:
    """The commit of the code that runs, "+" if the package differs from it; "unknown" outside a checkout."""

    def git(*words):
        done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        differs = git("status", "--porcelain", "paperlib")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if differs else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def provenance(device: "torch.device", bf16: bool = False) -> dict:
    """What a reader needs to judge a number: code, versions, the machine, and how exact its products were.

    `bf16`: bfloat16 was asked for; not every machine has it (device.half).
    """
    import torch  # these here: records are read without them, and they take seconds to import
    import torchvision

    from paperlib.device import chip, has_bf16

    return {
        "commit": commit(),
        "source": source_digest(),
        "rules": rules_digest(),
        "paperlib": __version__,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "device": f"{device.type} ({chip(device)})",
        "products": "bfloat16" if bf16 and has_bf16(device.type) else "float32",
        "threads": torch.get_num_threads(),
    }
