"""Runs that somebody else made: are they runs of ours, and what would the verdicts be with them?"""
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paperlib.claims.tally import Verdict
from paperlib.claims.verdicts import judged
from paperlib.paths import results_folder
from paperlib.tables import records, row_jobs
from paperlib.tables.compare import main_metric
from paperlib.tables.identities import identity, identity_of
from paperlib.tables.rules import before_rules
from paperlib.training.recipes import budget

PROVENANCE = ("commit", "source", "torch", "torchvision", "python", "device", "products")  # asked of a run


@dataclass(frozen=True)
class Run:
    """A record that was sent in: what is wrong with it, and what is to be known of it."""

    where: str
    record: dict
    faults: tuple[str, ...]
    remarks: tuple[str, ...]


def read(file: Path) -> list[Run]:
    """The runs of a file of records, one JSON line each, examined.

    Errors: ValueError naming file and line for a line that is no whole record or does not match its checksum,
            and for a file that is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{file}: found no text; expected one JSON line for each run") from None
    runs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        record = records.checked(line, where)
        if record is None:
            raise ValueError(f"{where}: found {line[:40]!r}, expected a whole JSON record")
        runs.append(_examined(record, where))
    if not runs:
        raise ValueError(f"{file}: holds no record; expected one JSON line for each run")
    return runs


def _examined(record: dict, where: str) -> Run:
    made_by, faults, remarks = record["provenance"], [], []
    lacking = [key for key in PROVENANCE if not made_by.get(key)]
    if lacking:
        faults.append(f"provenance lacks {', '.join(lacking)}")
    key = _identity_today(record, faults)
    if key is not None and identity_of(record) != key:
        faults.append(f"hash {record['hash']}: today's run of this row has {key}; "
                      "configuration, recipe, data or revision differ")
    if made_by.get("commit", "").endswith("+"):
        remarks.append("made by code that differs from its commit")
    if before_rules(record):
        remarks.append("made before today's rules of judging, or does not say by which")
    same = [ours for ours in records.read(record["table"], record["budget"])
            if (ours["row"], ours["seed"]) == (record["row"], record["seed"])]
    if same and key is not None:
        metric = _measured_name(record["table"])
        remarks.append(f"we have this seed: {metric} {same[-1]['metrics'].get(metric)}, "
                       f"yours {record['metrics'].get(metric)}")
    return Run(where, record, tuple(faults), tuple(remarks))


def _identity_today(record: dict, faults: list[str]) -> str | None:
    """The identity of the record's row today; a row or budget that is unknown is a fault."""
    try:
        job = row_jobs.jobs_of(record["table"], budget(record["budget"]), [record["row"]], seeds=1)[0]
    except (KeyError, ValueError) as error:
        faults.append(str(error.args[0]))
        return None
    return identity(job)


def _measured_name(table: str) -> str:
    """The metric of our records that the table is about."""
    metric = main_metric(table)
    return row_jobs.runnable(table).get("measures", {}).get(metric, metric)


def changes(runs: Sequence[Run], plan: str) -> list[tuple[Verdict, Verdict]]:
    """(today's verdict, that with these runs too) of the trained claims on which they bear."""
    before = judged(plan, kinds=("trend",))
    with _beside(runs):
        after = judged(plan, kinds=("trend",))
    return [pair for pair in zip(before, after) if _said(pair[0]) != _said(pair[1])]


def _said(line: Verdict) -> tuple:
    return line.verdict, line.parts


@contextmanager
def _beside(runs: Sequence[Run]) -> Iterator[None]:
    """Our records with these runs' added, in a folder that is gone afterwards."""
    usual = os.environ.get("PAPERLIB_RESULTS")
    with tempfile.TemporaryDirectory() as folder:
        if results_folder().is_dir():
            shutil.copytree(results_folder(), folder, dirs_exist_ok=True)
        os.environ["PAPERLIB_RESULTS"] = folder
        try:
            for run in runs:
                records.append({key: value for key, value in run.record.items() if key != "sha256"})
            yield
        finally:
            del os.environ["PAPERLIB_RESULTS"]
            if usual is not None:
                os.environ["PAPERLIB_RESULTS"] = usual


def report(file: Path, plan: str) -> tuple[list[str], bool]:
    """What is said of a file that was sent in, line by line, and whether all of its runs can be used."""
    runs = read(file)
    said = []
    for run in runs:
        made_by = run.record["provenance"]
        said.append(f"{run.where}: {run.record['table']} {run.record['row']!r}, seed {run.record['seed']}, "
                    f"{made_by.get('device', 'device not given')}: checksum right")
        said += [f"  fault: {fault}" for fault in run.faults]
        said += [f"  note: {remark}" for remark in run.remarks]
    usable = [run for run in runs if not run.faults and run.record["budget"] == plan]
    said.append(f"{len(usable)} of {len(runs)} runs count at budget {plan!r}.")
    if not usable:
        return said, False
    moved = changes(usable, plan)
    for before, after in moved:
        said.append(f"{after.id}: {_with_interval(before)} -> {_with_interval(after)}")
    if not moved:
        said.append("No verdict, and no interval of one, would be another with them.")
    return said, len(usable) == len(runs)


def _with_interval(line: Verdict) -> str:
    if line.interval is None:
        return f"{line.verdict} (n {line.n})"
    low, high = line.interval
    return f"{line.verdict} ({line.measured:+.2f} [{low:+.2f}, {high:+.2f}], n {line.n})"
