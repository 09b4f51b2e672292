"""`make gpu`: ten minutes on a machine with a GPU that show whether all of this works there. Nothing is recorded.

Three parts, each in a process of its own that is stopped at its limit: the tests that touch a GPU; of every table one
row by the gpu budget's recipe, cut to a few steps and images; training and inference beside torchvision, in bfloat16.
"""
import argparse
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
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
    cut = partial(replace, steps=steps, train_images=images, test_images=images, checks=0)
    return replace(plan, name=NAME, seeds=1, recipes={name: cut(recipe) for name, recipe in plan.recipes.items()})


def rows(plan: Budget, names: list[str], device: torch.device, limit: float = LIMITS["rows"]) -> list[str]:
    """Train and score the first row of each table; return the tables that failed or that no time was left for."""
    start, failed = time.monotonic(), []
    for name in names:
        job = row_jobs.jobs_of(name, plan, seeds=1)[0]
        late = time.monotonic() - start > 0.9 * limit
        said = "no time left" if late else _row(job, str(device))
        print(f"{name} {job.row!r}: {said}", flush=True)
        failed += [name] if not said.startswith("ok") else []
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
    """Print how many times as fast as torchvision we are in bfloat16, where equal in float32; return what failed."""
    failed = []
    for name in names:
        seed_all(0)
        try:
            with torch.no_grad():
                race = against_torchvision.PEERS[name](device, shrink)  # asserts that both say the same, in float32
                with half(device):
                    values, _ = timing.timed(race, repeats, device)
        except (ValueError, RuntimeError) as error:
            failed.append(name)
            print(f"{name}: {type(error).__name__}: {error}", flush=True)
            continue
        products = "bfloat16" if has_bf16(device.type) else "float32"
        print(f"{name}: {timing.median_interval(values).mean:.2f} times as fast, {products} products", flush=True)
    return failed


def part(name: str) -> bool:
    """Run "rows" or "bench" in this process; whether all of it works."""
    device = pick_device("cuda")
    if name == "bench":
        return not bench(list(against_torchvision.PEERS), device)
    return not rows(shortened(budget("gpu")), [t for t, body in published().items() if "run" in body], device)


def limited(command: list[str], limit: float) -> str:
    """How a command ended: "ok", "failed", or stopped at its limit in seconds."""
    try:
        return "failed" if subprocess.run(command, timeout=limit).returncode else "ok"
    except subprocess.TimeoutExpired:
        return f"stopped after {limit} s"


def main(argv: list[str] | None = None) -> int:
    """All parts one after another, or one of them; 0 if everything works."""
    parser = argparse.ArgumentParser("gpu_check", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["rows", "bench"])
    asked = parser.parse_args(argv).part
    if not torch.cuda.is_available():
        print("make gpu: there is no GPU here that torch can use", file=sys.stderr)
        return 1
    if asked:
        return int(not part(asked))
    for data in ("minicoco", "minivoc"):
        ensure(data)  # drawn once, before the clock starts
    me = [sys.executable, "-m", "paperlib.gpu_check"]
    tests = [sys.executable, "-m", "pytest", *(str(REPOSITORY / "tests" / name) for name in TESTS)]
    commands = {"tests": tests, "rows": [*me, "rows"], "bench": [*me, "bench"]}
    results = {name: limited(command, LIMITS[name]) for name, command in commands.items()}
    print("; ".join(f"{name}: {said}" for name, said in results.items()))
    return int(any(said != "ok" for said in results.values()))


if __name__ == "__main__":
    sys.exit(main())
