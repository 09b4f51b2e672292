"""Runs that somebody else made: are they runs of ours, and what would the verdicts be with them?"""
import numbers
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from paperlib.claims.tally import Verdict
from paperlib.claims.verdicts import judged
from paperlib.paths import results_folder
from paperlib.tables import records, row_jobs
from paperlib.tables.compare import main_metric
from paperlib.tables.identities import identity, identity_of
from paperlib.tables.rules import before_rules
from paperlib.training.recipes import budget, stand_in

LARGEST = 1e9  # no metric and no run's seconds come near
PROVENANCE = ("commit", "source", "torch", "torchvision", "python", "device", "products")  # asked of a run


@dataclass(frozen=True)
class Run:
    """A line that was sent in: its record, what is wrong with it, and what is to be known of it.

    `record` is None where the line holds none, or one that does not match its checksum.
    """

    where: str
    record: dict | None
    faults: tuple[str, ...]
    remarks: tuple[str, ...]


def read(file: Path) -> list[Run]:
    """The runs of a file of records, one JSON line each, examined; no record is a fault of its line.

    Errors: ValueError naming the file where it is no text, or the first line where none has a record.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise ValueError(f"{file}: found no text; expected one JSON line for each run") from None
    runs, before = [], {}  # {(table, row, seed, budget): where it was last seen}
    for number, line in enumerate(lines, 1):
        if line.strip():
            runs.append(_of_line(line, f"{file}, line {number}", before))
    if not runs:
        raise ValueError(f"{file}: holds no record; expected one JSON line for each run")
    if not before:
        raise ValueError(f"{runs[0].where}: {runs[0].faults[0]}; no line of {len(runs)} has a record")
    return runs


def _of_line(line: str, where: str, before: dict[tuple, str]) -> Run:
    """One line as a run; enters it into `before`, and says if the same run stood there."""
    try:
        record = records.checked(line, where)
        if record is None:
            raise ValueError(f"found {line[:40]!r}, expected a whole JSON record")
    except ValueError as error:
        return Run(where, None, (str(error).removeprefix(f"{where}: "),), ())
    key = record["table"], record["row"], record["seed"], record["budget"]
    same, before[key] = before.get(key), where
    run = _examined(record, where)
    if same is None:
        return run
    repeated = f"the same row and seed as {same}; the newest counts"
    return replace(run, remarks=(*run.remarks, repeated))


def _examined(record: dict, where: str) -> Run:
    made_by, faults, remarks = record["provenance"], _value_faults(record), []
    lacking = [key for key in PROVENANCE if not made_by.get(key)]
    if lacking:
        faults.append(f"provenance lacks {', '.join(lacking)}")
    for key in PROVENANCE:
        if made_by.get(key) and not isinstance(made_by[key], str):
            faults.append(f"provenance: {key} is {made_by[key]!r}, expected text")
    key = _identity_today(record, faults)
    if key is not None and identity_of(record) != key:
        faults.append(f"hash {record['hash']}: today's run of this row has {key}; "
                      "configuration, recipe, data or revision differ")
    if str(made_by.get("commit", "")).endswith("+"):
        remarks.append("made by code that differs from its commit")
    if before_rules(record):
        remarks.append("made before today's rules of judging, or does not say by which")
    if key is None:
        return Run(where, record, tuple(faults), tuple(remarks))
    same = [ours for ours in records.read(record["table"], record["budget"])
            if (ours["row"], ours["seed"]) == (record["row"], record["seed"])]
    if same:
        metric = _measured_name(record["table"])
        remarks.append(f"we have this seed: {metric} {same[-1]['metrics'].get(metric)}, "
                       f"yours {record['metrics'].get(metric)}")
    return Run(where, record, tuple(faults), tuple(remarks))


def _value_faults(record: dict) -> list[str]:
    """Numbers that no run can have given: each with what was expected."""
    faults, status = [], record["status"]
    if record["seed"] < 0:
        faults.append(f"seed is {record['seed']}, expected 0 or more")
    if not 0 <= record["seconds"] < LARGEST:
        faults.append(f"seconds is {record['seconds']}, expected how long the run took")
    if status != "ok" and not status.startswith("diverged"):
        faults.append(f"status is {status!r}, expected 'ok' or 'diverged: ...'")
    if not record["metrics"]:
        faults.append("metrics is empty, expected what was measured")
    for name, value in record["metrics"].items():
        if records.is_score(name) and name != "loss_fall" and not 0 <= value <= 1:
            faults.append(f"metrics: {name} is {value}, expected a share from 0 to 1")
        elif not abs(value) < LARGEST:
            faults.append(f"metrics: {name} is {value}, expected a number")
    draws = record.get("draws", {})
    if not isinstance(draws, dict) or not all(map(_are_numbers, draws.values())):
        faults.append("draws: expected a list of numbers for each metric")
    return faults


def _are_numbers(values) -> bool:
    return isinstance(values, list) and all(isinstance(value, numbers.Real) for value in values)


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
        said.append(f"{run.where}: {_named(run.record)}")
        said += [f"  fault: {fault}" for fault in run.faults]
        said += [f"  note: {remark}" for remark in run.remarks]
        if run.record is not None and not _is_at(run.record, plan):
            said.append(f"  note: a run at budget {run.record['budget']!r}, which `--budget` judges")
    usable = [run for run in runs if not run.faults and _is_at(run.record, plan)]
    said.append(f"{len(usable)} of {len(runs)} runs count at budget {plan!r}.")
    if not usable:
        return said, False
    moved = changes(usable, plan)
    for before, after in moved:
        was, now = _with_interval(before), _with_interval(after)
        moves = f"{was} -> {now}" if was != now else f"{now}; its parts move"
        said.append(f"{after.id}: {moves}")
    if not moved:
        said.append("No verdict, and no interval of one, would be another with them.")
    return said, len(usable) == len(runs)


def _named(record: dict | None) -> str:
    if record is None:
        return "no record that can be used"
    device = record["provenance"].get("device", "device not given")
    return f"{record['table']} {record['row']!r}, seed {record['seed']}, {device}: checksum right"


def _is_at(record: dict, plan: str) -> bool:
    """Whether a budget's verdicts follow from such runs: its own, or its stand-in's."""
    return record["budget"] in (plan, stand_in(record["table"], plan))


def _with_interval(line: Verdict) -> str:
    if line.interval is None:
        return f"{line.verdict} (n {line.n})"
    low, high = line.interval
    return f"{line.verdict} ({line.measured:+.2f} [{low:+.2f}, {high:+.2f}], n {line.n})"
