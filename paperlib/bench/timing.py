"""Timings: ways of doing one thing, in one process, interleaved, with random weights.

What can be timed is a dictionary {row: f(device, shrink) -> Race}; `shrink` divides the sides of images.
"""

import inspect
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from paperlib.clock import busy, peak_memory
from paperlib.config import digest
from paperlib.device import pick_device, seed_all, vector_units
from paperlib.intervals import Difference, median_interval
from paperlib.progress import progress
from paperlib.systems.registry import SYSTEMS
from paperlib.tables import records

TABLE, PEERS = "ratios", "peers"  # tables of records: the papers' claims; ours beside the peers
BUDGET = "bench"  # where both are kept
Races = Mapping[str, Callable[[torch.device, int], "Race"]]
REVISION = 1  # raise it when the timing below or a network of `claims.timed_nets` changes what is measured
PRODUCT = "a matrix product"  # a part that runs at the processor's peak
SHRINK = 2  # on a CPU the sides of images are halved, and regions quartered, so that a repeat takes seconds


@dataclass(frozen=True)
class Race:
    """What is timed for a claim: `parts` by name, and `value`, the claimed number from their seconds."""

    parts: dict[str, Callable[[], object]]
    value: Callable[[dict[str, float]], float]
    note: str  # what was reduced and what stands for what
    clock: Callable[[], float] | None = None  # seconds; None: `busy`, which other programs cannot lengthen
    memory: bool = False  # also measure each part's peak memory
    # operations (1e9) of some parts; with PRODUCT among them they give shares of the processor's peak
    giga_ops: Mapping[str, float] = field(default_factory=dict)


def identity(row: str, races: Races) -> str | None:
    """A hash of what is timed for a claim or another row; None if nothing is."""
    build = races.get(row)
    if build is None:
        return None
    source = inspect.getsource(getattr(build, "func", build))
    return digest([row, source, REVISION, SYSTEMS["retinanet"].revision])


def timed(race: Race, repeats: int, device: torch.device) -> tuple[list[float], dict[str, list[float]]]:
    """The claimed number of each repeat, and the seconds of each part; a repeat runs all parts in turn."""
    _one_round(race, device)  # warms up and does not count
    values: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in race.parts}
    for _ in range(repeats):
        now = _one_round(race, device)
        values.append(race.value(now))
        for name, s in now.items():
            seconds[name].append(s)
    return values, seconds


def _one_round(race: Race, device: torch.device) -> dict[str, float]:
    """{part: its seconds}, each run once."""
    return {name: _seconds(part, device, race.clock) for name, part in race.parts.items()}


def _seconds(part: Callable, device: torch.device, clock: Callable[[], float] | None) -> float:
    clock = clock or partial(busy, device)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = clock()
    part()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def measure(row: str, races: Races, table: str, repeats: int = 9, device: str | None = None,
            shrink: int | None = None) -> dict:
    """Time one claim or another row; its record, unsealed. `shrink` is 1 on a GPU, else SHRINK, by default.

    Errors: KeyError listing the rows that can be timed; ValueError for fewer than one repeat.
    """
    if row not in races:
        raise _unknown(row, races)
    if repeats < 1:
        raise ValueError(f"repeats {repeats}: expected at least 1")
    target, start, load = pick_device(device), time.process_time(), os.getloadavg()[0]
    if not shrink:
        shrink = 1 if target.type == "cuda" else SHRINK
    seed_all(0)
    with torch.no_grad():
        race = races[row](target, shrink)
        values, seconds = timed(race, repeats, target)
        memory = _megabytes(race, target)
    medians = {name: round(median_interval(s).mean, 6) for name, s in seconds.items()}
    return {
        "table": table, "row": row, "seed": 0, "budget": BUDGET, "hash": identity(row, races), "status": "ok",
        "metrics": {"value": round(median_interval(values).mean, 6)}, "values": np.round(values, 6).tolist(),
        "parts": medians, "note": race.note, "shrink": shrink, **memory, "giga_ops": dict(race.giga_ops),
        "load": round(load, 1), "seconds": round(time.process_time() - start, 1),
        "provenance": records.provenance(target) | {"vector_units": vector_units()},
    }


def _megabytes(race: Race, device: torch.device) -> dict[str, dict]:
    """{"megabytes": {part: its peak, None if unknown}} for a race that asks for memory; else {}."""
    if not race.memory:
        return {}
    peaks = {}
    for name, part in race.parts.items():
        peak = peak_memory(part, device)
        peaks[name] = peak and round(peak, 1)
    return {"megabytes": peaks}


def _unknown(row: str, known: Iterable[str]) -> KeyError:
    return KeyError(f"{row!r} cannot be timed; these can: {', '.join(known)}")


def bench(races: Races, table: str, ids: Iterable[str] | None = None, repeats: int = 9,
          device: str | None = None, shrink: int | None = None) -> list[dict]:
    """Time claims or other rows, one thread each, and record each as soon as it is measured; new records."""
    chosen, new = list(races if ids is None else ids), []
    for row in chosen:
        if row not in races:
            raise _unknown(row, races)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for row in progress(chosen, desc="timing", unit="row"):
            new.append(measure(row, races, table, repeats, device, shrink))
            records.append(new[-1])
    finally:
        torch.set_num_threads(threads)
    return new


def measured(table: str = TABLE) -> dict[str, dict[str, dict]]:
    """{claim id or other row: {"cpu" or "cuda" ...: its newest record}}."""
    newest: dict[str, dict[str, dict]] = {}
    for record in records.read(table, BUDGET):
        kind = record["provenance"]["device"].split()[0]
        newest.setdefault(record["row"], {})[kind] = record
    return newest


def by_units(table: str) -> dict[str, dict[str, dict]]:
    """{row: {a CPU's vector units: its newest record}}; records that do not name the units are left out."""
    newest: dict[str, dict[str, dict]] = {}
    for record in records.read(table, BUDGET):
        units = record["provenance"].get("vector_units")
        if units and record["provenance"]["device"].startswith("cpu"):
            newest.setdefault(record["row"], {})[units] = record
    return newest


def share_of_peak(record: dict, part: str) -> float | None:
    """How near a part came to the speed of a matrix product, in multiplications and additions."""
    ops, seconds = record.get("giga_ops", {}), record["parts"]
    if part not in ops or PRODUCT not in ops:
        return None
    return ops[part] / seconds[part] * seconds[PRODUCT] / ops[PRODUCT]


def product() -> tuple[Callable[[], object], float]:
    """A matrix product in float32 that keeps one core at its peak, and its operations (1e9)."""
    side = 1024
    a, b = torch.rand(side, side), torch.rand(side, side)
    return (lambda: a @ b), 2 * side**3 / 1e9


def counted(part: Callable) -> float:
    """The multiplications and additions (1e9) of a function's products and convolutions, both ways."""
    with FlopCounterMode(display=False) as counter:
        part()
    return counter.get_total_flops() / 1e9


def interval(record: dict) -> Difference:
    """Median of a record's repeats and its 95% interval."""
    return median_interval(record["values"])


def fewer(number: int, shrink: int) -> int:
    """A number of regions, divided as the images' area is."""
    return max(2, number // shrink**2)


def over(top: str, bottom: str):
    """The quotient of two parts' seconds."""
    return lambda s: s[top] / s[bottom]
