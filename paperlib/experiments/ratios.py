"""Claims on time, measured: two ways of doing one thing, in one process, interleaved, with random weights."""
import inspect
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from paperlib.device import pick_device, progress, seed_all
from paperlib.experiments import records
from paperlib.experiments.configs import digest
from paperlib.experiments.judge import Difference, median_interval, timing_verdict
from paperlib.systems import SYSTEMS

TABLE, BUDGET = "ratios", "bench"
REVISION = 1  # raise it when the timing below or a network of `ratio_nets` changes what is measured
SHRINK = 2  # on a CPU the sides of images are halved, and regions quartered, so that a repeat takes seconds


@dataclass(frozen=True)
class Race:
    """What is timed for a claim: `parts` by name, and `value`, the claimed number from their seconds."""

    parts: dict[str, Callable[[], object]]
    value: Callable[[dict[str, float]], float]
    note: str  # what was reduced and what stands for what


def races() -> dict[str, Callable[[torch.device, int], Race]]:
    """{claim id: f(device, shrink)} of the claims that can be timed; `shrink` divides the sides of images."""
    from paperlib.experiments.races import RACES  # late: it builds on this module

    return RACES


def identity(claim: str) -> str | None:
    """A hash of what is timed for a claim; None if nothing is."""
    build = races().get(claim)
    return build and digest([claim, inspect.getsource(build), REVISION, SYSTEMS["retinanet"].revision])


def timed(race: Race, repeats: int, device: torch.device) -> tuple[list[float], dict[str, list[float]]]:
    """The claimed number of each repeat, and the seconds of each part; every repeat runs all parts in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in race.parts}
    values = []
    for repeat in range(-1, repeats):  # the first round warms up and does not count
        now = {name: _seconds(part, device) for name, part in race.parts.items()}
        if repeat >= 0:
            values.append(race.value(now))
            for name, s in now.items():
                seconds[name].append(s)
    return values, seconds


def _seconds(part: Callable, device: torch.device) -> float:
    """Seconds of a part; on a CPU those of this process, which other programs cannot lengthen (one thread)."""
    if device.type != "cuda":
        start = time.process_time()
        part()
        return time.process_time() - start
    torch.cuda.synchronize(device)
    start = time.perf_counter()
    part()
    torch.cuda.synchronize(device)
    return time.perf_counter() - start


def measure(claim: str, repeats: int = 9, device: str | None = None, shrink: int | None = None) -> dict:
    """Time one claim; its record, unsealed. `shrink` is 1 on a GPU and SHRINK on a CPU if it is not given.

    Errors: KeyError listing the claims that can be timed; ValueError for fewer than one repeat.
    """
    if claim not in races():
        raise _unknown(claim)
    if repeats < 1:
        raise ValueError(f"repeats {repeats}: expected at least 1")
    target, start, load = pick_device(device), time.process_time(), os.getloadavg()[0]
    shrink = shrink or (1 if target.type == "cuda" else SHRINK)
    seed_all(0)
    with torch.no_grad():
        race = races()[claim](target, shrink)
        values, seconds = timed(race, repeats, target)
    middle = {name: median_interval(s).mean for name, s in seconds.items()}
    return {
        "table": TABLE, "row": claim, "seed": 0, "budget": BUDGET, "hash": identity(claim), "status": "ok",
        "metrics": {"value": round(median_interval(values).mean, 6)}, "values": [round(v, 6) for v in values],
        "parts": {name: round(s, 6) for name, s in middle.items()}, "note": race.note, "shrink": shrink,
        "load": round(load, 1), "seconds": round(time.process_time() - start, 1),
        "provenance": records.provenance(target),
    }


def _unknown(claim: str) -> KeyError:
    return KeyError(f"claim {claim!r} cannot be timed; these can: {', '.join(races())}")


def bench(ids: Iterable[str] | None = None, repeats: int = 9, device: str | None = None) -> list[dict]:
    """Time the claims, one thread each, and record each as soon as it is there; the new records."""
    chosen, new = list(ids or races()), []
    if unknown := [c for c in chosen if c not in races()]:
        raise _unknown(unknown[0])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for claim in progress(chosen, desc="timing", unit="claim"):
            new.append(measure(claim, repeats, device))
            records.append(new[-1])
    finally:
        torch.set_num_threads(threads)
    return new


def measured() -> dict[str, dict[str, dict]]:
    """{claim id: {"cpu" or "cuda" ...: its newest record}}."""
    found: dict[str, dict[str, dict]] = {}
    for record in records.read(TABLE, BUDGET):
        found.setdefault(record["row"], {})[record["provenance"]["device"].split()[0]] = record
    return found


def interval(record: dict) -> Difference:
    """Median of a record's repeats and its 95% interval."""
    return median_interval(record["values"])


def _absolute(claim: dict) -> bool:
    return claim["unit"] in ("s", "ms") or claim["unit"].startswith("%")


def sizes(claim: dict) -> list[float]:
    """The published numbers that a timing is compared with; [] where the paper gives a direction only."""
    asked, stated = claim["judge"], claim["published"]
    if asked.get("value", 1) != 1 and (asked["direction"] == ">" or _absolute(claim)):
        return [float(asked["value"])]
    return [float(v) for v in (stated if isinstance(stated, list) else [stated]) if claim["unit"] == "times"]


def judge(claim: dict, found: Difference) -> tuple[str, str]:
    """The verdict on a claim by `timing_verdict`, and a sentence where the direction holds but not the size."""
    asked, absolute = claim["judge"], _absolute(claim)
    says = timing_verdict(found, asked["direction"], asked.get("value"), sizes(claim), absolute)
    if says == "unresolved" and not absolute and asked["direction"] == ">" and found.low > 1:
        nearest = min(sizes(claim), key=lambda v: abs(v - found.mean))
        return says, f"The direction holds; the size is {found.mean / nearest:.2g} times the published one."
    return says, ""
