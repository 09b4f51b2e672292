"""Running notebooks: one process and one thread each, several at a time, and saying what went wrong where."""
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from paperlib import children
from paperlib.course import twins
from paperlib.paths import REPOSITORY

ANSI = re.compile(r"\x1b\[[0-9;]*m")
CELL_SECONDS = 900  # a cell that takes longer is stopped; not at the budgets gpu and paper, which take hours


@dataclass(frozen=True)
class Outcome:
    """How one process ended: `seconds` of wall time, exit `code`, and the text that it printed."""

    seconds: float
    code: int
    printed: str


def run_all(
    commands: dict[str, list[str]], jobs: int, budget: str, known: dict | None = None
) -> dict[str, Outcome]:
    """Run each command as a process, `jobs` at a time, printing a line as each one ends.

    Those that took longest, by the measured minutes in `known`, start first. After Ctrl-C the running ones
    are ended and no other is started.
    """
    env = _environment(budget)
    running: set[subprocess.Popen] = set()

    def one(name: str) -> Outcome:
        start = time.monotonic()
        with subprocess.Popen(
            commands[name], env=env, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace",
        ) as process:
            running.add(process)
            printed, _ = process.communicate()
            running.discard(process)
        return Outcome(time.monotonic() - start, process.returncode, ANSI.sub("", printed))

    def before(name: str) -> float:
        return (known or {}).get(name.split()[0], {}).get("cpu", {}).get("seconds", 0)

    outcomes = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        waiting = {pool.submit(one, name): name for name in sorted(commands, key=before, reverse=True)}
        try:
            for future in as_completed(waiting):
                name, outcome = waiting[future], future.result()
                outcomes[name] = outcome
                end = f"{_word(outcome)}, {outcome.seconds:.0f} s"
                print(f"[{len(outcomes)}/{len(commands)}] {name}: {end}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in tuple(running):
                process.terminate()
            raise
    return {name: outcomes[name] for name in commands}


def _environment(budget: str) -> dict[str, str]:
    """The variables of a notebook's process: one thread, no progress bars, this checkout's package."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    path = str(REPOSITORY)
    if before := os.environ.get("PYTHONPATH"):
        path += os.pathsep + before
    return os.environ | {
        "PAPERLIB_PROGRESS": "0",
        "PAPERLIB_BUDGET": budget,
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONUTF8": "1",
        "PYTHONPATH": path,
    }


def _word(outcome: Outcome) -> str:
    return "FAILED" if outcome.code else "ok"


def nbval(source: Path) -> list[str]:
    """The command that runs a notebook and compares the outputs of cells marked NBVAL_CHECK_OUTPUT."""
    return children.command(
        "pytest", "--nbval-lax", "--nbval-current-env", "-p", "no:cacheprovider",
        "--nbval-cell-timeout", str(CELL_SECONDS), "--rootdir", str(source.parent), str(source))


def papermill(
    source: Path, target: Path, folder: Path, parameters: dict[str, str] | None = None
) -> list[str]:
    """The command that executes `source` into `target`, as if it lay in `folder`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    parameters, options = parameters or {}, []
    if parameters.get("BUDGET") not in ("gpu", "paper"):
        options += ["--execution-timeout", str(CELL_SECONDS)]
    for name, value in parameters.items():
        options += ["-p", name, value]
    return children.command(
        "papermill", str(source), str(target), "--cwd", str(folder), "--kernel", "python3",
        "--no-progress-bar", "--log-level", "ERROR", *options)


def report(outcomes: dict[str, Outcome], out: Path) -> int:
    """Print the seconds of each, then what failed and where; the exit status."""
    total = 0.0
    for name, outcome in outcomes.items():
        print(f"{outcome.seconds:8.1f} s  {_word(outcome):6}  {name}")
        total += outcome.seconds
    print(f"{total:8.1f} s  in all, {len(outcomes)} runs")
    failed = {name: outcome for name, outcome in outcomes.items() if outcome.code}
    for name, outcome in failed.items():
        executed = out / f"{name.split()[0]}.ipynb"
        print(f"\n{name} failed:\n{_failing_cell(executed) or outcome.printed[-3000:]}")
    return int(bool(failed))


def _failing_cell(path: Path) -> str:
    """The source and the error of the cell that stopped an executed notebook; "" where there is none."""
    cells = twins.read(path).cells if path.exists() else []
    for cell in cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                trace = ANSI.sub("", "\n".join(output.traceback)).splitlines()[-12:]
                return "\n".join([f"In [{cell.execution_count}]:", cell.source, "-" * 40, *trace])
    return ""
