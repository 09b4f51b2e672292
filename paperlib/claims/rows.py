"""Claims that compare rows of tables: their parts, from recorded runs and printed numbers (RULES.md)."""
import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from paperlib.claims.by_seed import difference_by_seed
from paperlib.claims.comparisons import Comparison, Size, fewer_failures
from paperlib.claims.printed_effects import bound_words, failure_words, pair_words, printed_effect, sign_of
from paperlib.claims.trained import Trained
from paperlib.intervals import mean_interval, paired
from paperlib.papers.judges import Contrast, Pair, address, contrasts, more_of
from paperlib.paths import DATA

LEAST_SHARE = 0.015  # rule 3: of our mean of `worse`, where the paper prints less or nothing
FAILED = 0.5  # rule 6: a run fails below this share of the mean of the claim's best row


def compared(claim: dict, trained: Trained) -> list[Comparison]:
    """The parts of a claim on rows.

    Errors: ValueError naming file, claim and part whose rows cannot be set side by side.
    """
    parts, comparisons = contrasts(claim["judge"]), []
    where = f"{DATA / 'claims' / claim['paper']}.toml: claim {claim['id']!r}"
    for number, part in enumerate(parts, 1):
        _check_tables(part, trained, f"{where}, part {number}")
        if part.fails:
            comparisons.append(_failures(part, parts, trained))
        elif part.better is None or part.worse is None:
            comparisons.append(_against_bound(part, trained))
        else:
            comparisons.append(_difference(part, trained))
    return comparisons


def words_of(part: Contrast) -> str:
    """What a part compares, in words."""
    if part.fails:
        return failure_words(part)
    if part.better is None or part.worse is None:
        return bound_words(part)
    return pair_words(part, more_of(part))


def _check_tables(part: Contrast, trained: Trained, where: str) -> None:
    """Rows of two tables are compared only if tested alike, in the same metric, over shared seeds."""
    if part.better is None or part.worse is None:
        return
    (table, row), (other_table, other_row) = (address(name, part.table) for name in (part.better, part.worse))
    if table == other_table:
        return
    tests = [_tested_on(*place, trained) for place in ((table, row), (other_table, other_row))]
    if None not in tests and tests[0] != tests[1]:
        raise ValueError(f"{where}: {part.better!r} is tested on {tests[0]}, {part.worse!r} on {tests[1]}; "
                         "expected the same split")
    runs = [trained.row(table, row), trained.row(other_table, other_row)]
    if any(not run["seconds"] for run in runs):
        return
    for name, run in zip((part.better, part.worse), runs):
        for metric in part.metric.split(" - "):
            if metric not in run["metrics"]:
                raise ValueError(f"{where}: the runs of {name!r} have no metric {metric!r}; "
                                 f"they have {', '.join(run['metrics'])}")
    if not runs[0]["products"].keys() & runs[1]["products"].keys():
        raise ValueError(f"{where}: {part.better!r} and {part.worse!r} share no seed")


def _tested_on(table: str, row: str, trained: Trained) -> tuple | None:
    """The data set and split that a row's runs are tested on; None for a row that cannot be run."""
    if trained.keys is not None:  # asked when torch worked the identities out
        return None
    from paperlib.tables import row_jobs  # here: they import torch
    from paperlib.training.recipes import tested

    try:
        job = row_jobs.jobs_of(table, trained.plan, [row], seeds=1)[0]
    except KeyError:
        return None
    return tested(job.recipe)


def _by_seed(pair: Pair, trained: Trained, factor: float = 1) -> tuple[dict[int, float], dict[int, float]]:
    """Points by seed of both rows of a pair, the better one's times `factor`."""
    better = trained.points(*address(pair.better, pair.table), pair.metric)
    worse = trained.points(*address(pair.worse, pair.table), pair.metric)
    return {seed: factor * value for seed, value in better.items()}, worse


def _difference(part: Contrast, trained: Trained) -> Comparison:
    """Two rows, seed by seed: the claim is a sign, or a margin."""
    better, worse = _by_seed(part, trained, part.factor or 1)
    values, base, more = _lead(better, worse, part.relative), worse, more_of(part)
    if more is not None:
        values = difference_by_seed(values, _lead(*_by_seed(more, trained), part.relative))
    sign, printed = sign_of(part), printed_effect(part, more)
    pair = (address(part.better, part.table), address(part.worse, part.table))
    effect = {"words": words_of(part), "pair": pair, "delta": printed and round(printed[0], 4)}
    if not values:
        stale = trained.stale(pair + _rows_of(more)) > 0
        return Comparison(difference=None, stale=stale, size=printed and Size(0, printed[1]), **effect)
    of = 100.0
    if not part.relative:
        of = abs(fmean(base[seed] for seed in values))
    difference = paired(values, dict.fromkeys(values, 0.0))
    if part.margin is not None:
        share = part.bound
        if share is None:
            share = max(LEAST_SHARE, abs(printed[1]) / 100 if printed else 0)
        effect["margin"] = share * of
    low, high = _claimed(sign, part.margin, effect.get("margin"))
    size = None
    if part.factor is None:
        size = Size(of, printed and printed[1])
    images = None
    if not part.relative:
        images = _over_images(part, more, trained)
    return Comparison(difference=difference, low=low, high=high, size=size, images=images, **effect)


def _over_images(part: Contrast, more: Pair | None, trained: Trained) -> tuple[float, float] | None:
    """The 95% interval of the mean difference over draws of the test images (rule 9); None without draws."""
    lead = _lead_on_draws(part, trained, part.factor or 1)
    if more is not None:
        lead = difference_by_seed(lead, _lead_on_draws(more, trained))
    if not lead:
        return None
    by_draw = np.mean(list(lead.values()), axis=0)
    low, high = np.nanpercentile(by_draw, [2.5, 97.5])
    return float(low), float(high)


def _lead_on_draws(pair: Pair, trained: Trained, factor: float = 1) -> dict[int, np.ndarray]:
    """The difference of both rows on each draw, by seed."""
    better = trained.draws(*address(pair.better, pair.table), pair.metric)
    worse = trained.draws(*address(pair.worse, pair.table), pair.metric)
    return difference_by_seed({seed: factor * draws for seed, draws in better.items()}, worse)


def _lead(better: dict[int, float], worse: dict[int, float], relative: bool) -> dict[int, float]:
    """The difference by seed, in points or, relative, in percent of `worse`; a seed with 0 there has none."""
    lead = difference_by_seed(better, worse)
    if not relative:
        return lead
    return {seed: 100 * value / worse[seed] for seed, value in lead.items() if worse[seed]}


def _claimed(sign: int, margin: str | None, points: float | None) -> tuple[float, float]:
    """Between which bounds the claim says that the difference lies."""
    if margin == "two-sided":
        return -points, points
    least = 0.0
    if margin == "one-sided":
        least = -points
    if sign > 0:
        return least, math.inf
    return -math.inf, -least


def _against_bound(part: Contrast, trained: Trained) -> Comparison:
    """One row's metric above or below a bound of ours, in its own unit x 100."""
    row = part.better or part.worse
    place = address(row, part.table)
    values = trained.points(*place, part.metric)
    if not values:
        return Comparison(words_of(part), None, stale=trained.stale([place]) > 0, pair=(place,))
    low, high = part.bound, math.inf
    if part.better is None:
        low, high = -math.inf, part.bound
    return Comparison(words_of(part), mean_interval(list(values.values())), low, high, pair=(place,))


def _failures(part: Contrast, parts: Sequence[Contrast], trained: Trained) -> Comparison:
    """Of how many runs the better row failed, and of how many the worse (rule 6)."""
    scores, rows = {}, []
    for each in parts:
        rows += [(address(row, each.table), each.metric) for row in (each.better, each.worse)]
    for place, metric in rows:
        points = trained.points(*place, metric)
        if points:
            scores[place] = points
    pair = (address(part.better, part.table), address(part.worse, part.table))
    if pair[0] not in scores or pair[1] not in scores:
        return Comparison(words_of(part), None, stale=trained.stale(pair) > 0, pair=pair)
    least = FAILED * max(fmean(points.values()) for points in scores.values())
    counts = []
    for place in pair:
        failed = [score < least for score in scores[place].values()]
        counts += [sum(failed), len(failed)]
    return replace(fewer_failures(*counts, words_of(part)), pair=pair)


def _rows_of(pair: Pair | None) -> tuple:
    if pair is None:
        return ()
    return address(pair.better, pair.table), address(pair.worse, pair.table)
