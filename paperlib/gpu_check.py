"""`paperlib gpu`: ten minutes on a machine with a GPU that show whether all of this works there.

Nothing is recorded. Three parts, each in a process of its own that is stopped at its limit: the tests that
touch a GPU; of every table one row by the gpu budget's recipe, cut to a few steps and images; training and
inference beside torchvision, in bfloat16.
"""
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from paperlib.bench import against_torchvision, timing
from paperlib.data.named_sets import ensure
from paperlib.device import half, has_bf16, pick_device, seed_all
from paperlib.papers.printed import published
from paperlib.paths import REPOSITORY
from paperlib.tables import row_jobs, runner
from paperlib.training.recipes import Budget, budget

NAME = "gpu-check"  # of the cut budget: its checkpoints lie beside no other's
TESTS = ("test_boxes.py", "test_pretended_gpu.py")
LIMITS = {"tests": 150, "rows": 330, "bench": 120}  # seconds: ten minutes together


def shortened(plan: Budget, steps: int = 20, images: int = 64) -> Budget:
    """The budget with every run cut to a few steps and images."""
    recipes = {}
    for name, recipe in plan.recipes.items():
        recipes[name] = replace(recipe, steps=steps, train_images=images, test_images=images, checks=0)
    return replace(plan, name=NAME, seeds=1, recipes=recipes)


def rows(plan: Budget, names: list[str], device: torch.device, limit: float = LIMITS["rows"]) -> list[str]:
    """Train and score the first row of each table; the tables that failed or that no time was left for."""
    start, failed = time.monotonic(), []
    for name in names:
        job = row_jobs.jobs_of(name, plan, seeds=1)[0]
        outcome = "no time left"
        if time.monotonic() - start <= 0.9 * limit:
            outcome = _row(job, str(device))
        print(f"{name} {job.row!r}: {outcome}", flush=True)
        if not outcome.startswith("ok"):
            failed.append(name)
    return failed


def _row(job: row_jobs.Job, device: str) -> str:
    """Any error is this row's result: the others are run all the same."""
    try:
        record = runner.run_job(job, runner.identity(job), device, threads=None)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        shutil.rmtree(Path("runs") / NAME, ignore_errors=True)
    return f"{record['status']}, {record['seconds']} s"


def bench(names: list[str], device: torch.device, repeats: int = 9, shrink: int = 1) -> list[str]:
    """Print how many times as fast as torchvision we are in bfloat16; the names that failed."""
    failed = []
    for name in names:
        seed_all(0)
        try:
            with torch.no_grad():
                race = against_torchvision.PEERS[name](device, shrink)  # asserts, in float32, that both agree
                with half(device):
                    values, _ = timing.timed(race, repeats, device)
        except (ValueError, RuntimeError) as error:
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        products = "bfloat16" if has_bf16(device.type) else "float32"
        quotient = timing.median_interval(values).mean
        print(f"{name}: {quotient:.2f} times as fast, {products} products", flush=True)
    return failed


def part(name: str) -> bool:
    """Run "rows" or "bench" in this process; whether all of it works."""
    device = pick_device("cuda")
    if name == "bench":
        return not bench(list(against_torchvision.PEERS), device)
    tables = [table for table, body in published().items() if "run" in body]
    return not rows(shortened(budget("gpu")), tables, device)


def limited(command: list[str], limit: float) -> str:
    """How a command ended: "ok", "failed", or stopped at its limit in seconds."""
    try:
        done = subprocess.run(command, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"stopped after {limit} s"
    return "failed" if done.returncode else "ok"


def check(only: str | None = None) -> int:
    """All parts one after another, or `only` "rows" or "bench"; 0 if everything works."""
    if not torch.cuda.is_available():
        print("make gpu: there is no GPU here that torch can use", file=sys.stderr)
        return 1
    if only:
        return int(not part(only))
    for data in ("minicoco", "minivoc"):
        ensure(data)  # drawn once, before the clock starts
    this = [sys.executable, "-m", "paperlib", "gpu"]
    tests = [sys.executable, "-m", "pytest", *(str(REPOSITORY / "tests" / name) for name in TESTS)]
    commands = {"tests": tests, "rows": [*this, "rows"], "bench": [*this, "bench"]}
    results = {}
    for name, command in commands.items():
        results[name] = limited(command, LIMITS[name])
    print("; ".join(f"{name}: {ended}" for name, ended in results.items()))
    return int(set(results.values()) != {"ok"})
