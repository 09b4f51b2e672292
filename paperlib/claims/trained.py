"""What was measured of the tables' rows under one budget, as the judges of claims read it."""
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from paperlib.claims.by_seed import difference_by_seed
from paperlib.papers.printed import published
from paperlib.tables import dials, records
from paperlib.tables.recorded import renamed, rows_of

if TYPE_CHECKING:
    from paperlib.training.recipes import Budget

NOTHING = {"metrics": {}, "stale": 0, "seconds": [], "diverged": 0, "products": {}, "changed": 0,
           "older_rules": 0, "draws": {}}
OLD_RULES = "Rule written after its numbers were seen."  # RULES.md says so of older records


class Trained:
    """The rows of every table, read once; a table without records costs nothing. `used`: the rows asked for.

    `keys` are the identities of today's runs by table and row, if they are known; else torch works them out.
    """

    def __init__(self, plan: "Budget", keys: dict[str, dict[str, str]] | None = None):
        self.plan, self.keys, self.used = plan, keys, set()
        self._tables = {}

    def rows(self, table: str) -> dict[str, dict]:
        """{row: what `compare.measured` gives} of a published table or a dial's."""
        if table not in self._tables:
            body, rows = (published() | dials.tables())[table], {}
            if "run" in body and records.path_of(table, self.plan.name).exists():
                rows = self._measured(table, body)
            self._tables[table] = rows
        return self._tables[table]

    def _measured(self, table: str, body: dict) -> dict[str, dict]:
        if self.keys is None:
            from paperlib.tables import compare  # here: it imports torch

            return compare.measured(table, self.plan)
        names, keys = renamed(), self.keys.get(table, {})

        def is_fresh(record: dict) -> bool:
            return names.get(record["hash"], record["hash"]) == keys.get(record["row"])

        return rows_of(table, self.plan.name, is_fresh, body)

    def row(self, table: str, label: str) -> dict:
        """One row; NOTHING where no run of it is recorded."""
        self.used.add((table, label))
        return self.rows(table).get(label, NOTHING)

    def points(self, table: str, row: str, metric: str) -> dict[int, float]:
        """{seed: value x 100} of the runs that are not stale. The metric may be "A - B"."""
        metrics = self.row(table, row)["metrics"]
        metric, _, subtrahend = metric.partition(" - ")
        points = _hundredfold(metrics.get(metric, {}))
        if subtrahend:
            return difference_by_seed(points, _hundredfold(metrics.get(subtrahend, {})))
        return points

    def draws(self, table: str, row: str, metric: str) -> dict[int, np.ndarray]:
        """{seed: value x 100 on each draw of the test images} of the runs that kept them.

        The metric may be "A - B".
        """
        kept = self.row(table, row)["draws"]
        metric, _, subtrahend = metric.partition(" - ")
        draws = _hundredfold_draws(kept.get(metric, {}))
        if subtrahend:
            return difference_by_seed(draws, _hundredfold_draws(kept.get(subtrahend, {})))
        return draws

    def stale(self, rows: Collection[tuple[str, str]] | None = None) -> int:
        """How many runs of these rows, or of those asked for since `used` was cleared, are of other code."""
        count = 0
        for table, label in self.used if rows is None else rows:
            count += self.rows(table).get(label, NOTHING)["stale"]
        return count

    def tables(self) -> tuple[str, ...]:
        """The tables of the rows asked for since `used` was cleared."""
        return tuple(sorted({table for table, _ in self.used}))

    def facts(self) -> "Facts":
        """What is to be said of the runs behind the rows asked for."""
        return Facts([(label, self.rows(table).get(label, NOTHING)) for table, label in sorted(self.used)])


class Facts:
    """The runs of some rows, (label, row): their cost, and what a reader must know of them."""

    def __init__(self, rows: Sequence[tuple[str, dict]]):
        self.rows = rows

    def minutes(self) -> float:
        return round(sum(sum(row["seconds"]) for _, row in self.rows) / 60, 2)

    def _sum(self, key: str) -> int:
        return sum(row[key] for _, row in self.rows)

    def sentences(self) -> list[str]:
        """On diverged, stale and changed runs, and on those of before today's rules."""
        said = []
        for label, row in self.rows:
            if row["diverged"]:
                said.append(f"{row['diverged']} of {len(row['seconds'])} runs of \"{label}\" diverged.")
        stale, changed, older = self._sum("stale"), self._sum("changed"), self._sum("older_rules")
        if stale:
            said.append(f"{stale} stale runs are left out.")
        if changed:
            said.append(f"The code has changed since {changed} of these runs.")
        if older:
            said.append(OLD_RULES)
        return said


def mixed(better: dict, worse: dict, seeds: Collection[int]) -> tuple[int, set[str]]:
    """How many of these seeds' two runs were made with different products, and their names."""
    apart, names = 0, set()
    for seed in seeds:
        kinds = {better["products"][seed], worse["products"][seed]}
        if len(kinds) > 1:
            apart += 1
            names |= kinds
    return apart, names


def _hundredfold(values: dict[int, float]) -> dict[int, float]:
    return {seed: 100 * value for seed, value in values.items()}


def _hundredfold_draws(values: dict[int, list]) -> dict[int, np.ndarray]:
    return {seed: 100 * np.array(draws, float) for seed, draws in values.items()}
