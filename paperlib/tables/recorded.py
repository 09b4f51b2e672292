"""The records of a table row by row, without torch: metrics by seed, and what is to be said of the runs."""
import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from statistics import median

from paperlib.paths import DATA
from paperlib.tables import records
from paperlib.tables.rules import before_rules
from paperlib.tables.source import changed_since


@cache
def renamed() -> dict[str, str]:
    """{older hash: identity} of early recorded runs, which are known by a hash of the whole configuration."""
    path = DATA / "results" / "identities.json"
    if not path.is_file():
        return {}
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(table: str, budget: str, is_fresh: Callable[[dict], bool], body: dict) -> dict[str, dict]:
    """What the records say of each row, {row: entry}.

    An entry is {"metrics": {metric: {seed: value}}, "draws": {metric: {seed: its values on draws of the
    images}}, "seconds": [...], "products": {seed: kind}} and numbers of runs: "stale", "diverged", "changed"
    (their code since), "older_rules"; "copied" and "older" are the seconds of copies and of older CPUs.
    Runs that are not fresh are counted as stale, and left out. The table's `body` names metrics as the paper
    does, by its `measures` {the paper's: ours} and those of its rows. A run that diverged has 0 in every
    score that a run of the table has (records.is_score).
    """
    rows, lost = {}, []
    for (row, seed), record in records.latest(records.read(table, budget)).items():
        entry = rows.setdefault(row, {"metrics": {}, "seconds": [], "stale": 0, "diverged": 0, "copied": 0.0,
                                      "older": [], "products": {}, "changed": 0, "older_rules": 0,
                                      "draws": {}})
        if not is_fresh(record):
            entry["stale"] += 1
            continue
        entry["seconds"].append(record["seconds"])
        entry["products"][seed] = records.products(record)
        entry["changed"] += changed_since(record)
        entry["older_rules"] += before_rules(record)
        if "measured_as" in record:
            entry["copied"] += record["seconds"]
        elif record["provenance"].get("products") == "float32":  # a CPU without units for bfloat16
            entry["older"].append(record["seconds"])
        if record["status"] != "ok":
            entry["diverged"] += 1
            lost.append((row, seed))
        for kept in ("metrics", "draws"):
            for metric, value in record.get(kept, {}).items():
                entry[kept].setdefault(metric, {})[seed] = value
    _add_zeros(rows, lost)
    _add_printed_names(rows, body)
    return rows


def _add_printed_names(rows: dict[str, dict], body: dict) -> None:
    """Give what is measured also the names that the paper prints; a row's own come before the table's."""
    of_rows = {row["label"]: row.get("measures", {}) for row in body.get("rows", ())}
    for label, entry in rows.items():
        measures = body.get("measures", {}) | of_rows.get(label, {})
        for kept in (entry["metrics"], entry["draws"]):
            for printed, measure in measures.items():
                if measure in kept:
                    kept[printed] = kept[measure]


def _add_zeros(rows: dict[str, dict], lost: list[tuple[str, int]]) -> None:
    """Give the runs that diverged, (row, seed), a zero in every score that they lack and others have."""
    measured_of_any = set()
    for entry in rows.values():
        measured_of_any |= entry["metrics"].keys()
    for row, seed in lost:
        for name in filter(records.is_score, measured_of_any):
            rows[row]["metrics"].setdefault(name, {}).setdefault(seed, 0.0)


def typical_seconds(systems: dict[str, str], budget: str) -> dict[str, float]:
    """{table or system: median core-seconds of its runs}, where there are any, of these {table: system}.

    Runs with float32 products, on chips that have no faster ones, count only where a system has no others.
    """
    every, usual = defaultdict(list), defaultdict(list)
    for table, system in systems.items():
        for record in records.read(table, budget):
            if "measured_as" in record:
                continue
            for key in (table, system):
                every[key].append(record["seconds"])
                if record["provenance"].get("products") != "float32":
                    usual[key].append(record["seconds"])
    medians = {}
    for key, seconds in every.items():
        medians[key] = median(usual[key] or usual[systems.get(key, key)] or seconds)
    return medians
