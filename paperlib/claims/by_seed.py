"""Measured numbers by seed, {seed: number}, as the judges of curves combine them."""
from collections.abc import Sequence


def mean_by_seed(rows: Sequence[dict[int, float]]) -> dict[int, float]:
    """The mean over the rows, of the seeds that every row has."""
    means = {}
    for seed in set.intersection(*map(set, rows)):
        means[seed] = sum(row[seed] for row in rows) / len(rows)
    return means


def difference_by_seed(minuend: dict[int, float], subtrahend: dict[int, float]) -> dict[int, float]:
    """The difference of two, of the seeds that both have."""
    differences = {}
    for seed in minuend.keys() & subtrahend.keys():
        differences[seed] = minuend[seed] - subtrahend[seed]
    return differences
