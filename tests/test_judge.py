"""Intervals and verdicts against hand-worked numbers."""

import math
import random

import numpy as np
import pytest
from scipy import stats

from paperlib.intervals import Difference, at_level, mean_interval, p_above, p_below, paired, pairs_to_see, verdict


def test_interval_by_hand():
    # 1, 2, 3: mean 2, standard error 1/sqrt(3), t(.975, 2 degrees) = 4.3027
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.mean == 2 and found.n == 3
    assert found.high - found.mean == pytest.approx(4.30265 / math.sqrt(3), rel=1e-5)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_one_value_has_no_interval_and_none_is_refused():
    assert mean_interval([5.0]) == Difference(5.0, -math.inf, math.inf, 1)
    for bad in ([], [1.0, math.nan]):
        with pytest.raises(ValueError, match="an interval needs numbers"):
            mean_interval(bad)


def test_pairing_uses_the_seeds_that_both_have():
    found = paired({0: 3.0, 1: 5.0, 2: 9.0}, {1: 4.0, 2: 8.0, 7: 1.0})
    assert (found.mean, found.n) == (1.0, 2)
    assert paired({0: 1.0}, {1: 1.0}) is None


def test_pairing_removes_what_the_seeds_share():
    seeds = range(5)
    base = {s: 10.0 * s for s in seeds}  # a spread of 10 points between seeds
    ours = {s: base[s] + 1 + 0.01 * s for s in seeds}  # but always about one point better
    assert verdict(paired(ours, base), published=2.0) == "holds"


@pytest.mark.parametrize(
    ("low", "high", "published", "margin", "want"),
    [
        (0.1, 2.0, 3.0, None, "holds"),
        (-2.0, -0.1, 3.0, None, "contradicted"),
        (-0.1, 2.0, 3.0, None, "unresolved"),
        (-2.0, -0.1, -3.0, None, "holds"),
        (0.1, 2.0, -3.0, None, "contradicted"),
        (0.1, 2.0, None, None, "not printed"),
        (0.1, 2.0, 0.0, None, "contradicted"),
        (-2.0, -0.1, 0.0, None, "contradicted"),
        (-0.1, 2.0, 0.0, None, "unresolved"),
        (-0.4, 0.4, 0.0, 0.5, "holds"),
        (-0.6, 0.4, 0.0, 0.5, "unresolved"),
        (0.6, 0.9, 0.0, 0.5, "contradicted"),
        (-0.9, -0.6, 0.0, 0.5, "contradicted"),
        (-math.inf, math.inf, 3.0, None, "unresolved"),
    ],
)
def test_verdicts(low, high, published, margin, want):
    assert verdict(Difference((low + high) / 2, low, high, 5), published, margin) == want
    assert verdict(None, published, margin) == "not run"


def test_an_interval_of_another_level():
    values = [1.0, 2.0, 4.0, 0.5, 3.0]
    wide = mean_interval(values, 0.975)
    assert wide.level == 0.975
    moved = at_level(mean_interval(values), 0.975)
    assert (moved.low, moved.high) == pytest.approx((wide.low, wide.high)) and moved.level == 0.975
    assert at_level(mean_interval([2.0]), 0.9) == Difference(2.0, -math.inf, math.inf, 1, 0.9)


def test_p_is_scipys_and_agrees_with_the_interval():
    values = [1.0, 2.0, 4.0, 0.5, 3.0]
    found = mean_interval(values)
    assert p_above(found) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert p_below(found, 4.0) == pytest.approx(stats.ttest_1samp(values, 4.0).pvalue)
    assert p_below(found) == 1 and p_above(found, math.inf) == 1 and p_above(found, -math.inf) == 0
    assert p_above(found, found.low) == pytest.approx(0.05) and p_below(found, found.high) == pytest.approx(0.05)
    assert p_above(mean_interval([3.0])) == 1 and p_above(mean_interval([3.0, 3.0])) == 0
    assert p_above(mean_interval([0.0, 0.0])) == 1


@pytest.mark.parametrize("power", [0.8, 0.9])
def test_pairs_to_see_are_those_of_a_power_analysis(power):
    """Against the noncentral t distribution of scipy.stats, at the number itself and one below it."""
    found, effect = mean_interval([1.0, 2.0, 4.0, 0.5, 3.0]), 0.9
    spread = np.std([1.0, 2.0, 4.0, 0.5, 3.0], ddof=1)
    n = pairs_to_see(effect, found, power)

    def power_of(n):
        return stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * n**0.5 / spread)

    assert power_of(n) >= power > power_of(n - 1) and n > 20
    assert pairs_to_see(-effect, found, power) == n  # the sign says nothing
    assert pairs_to_see(effect, at_level(found, 0.975), power) > n


def test_pairs_that_nobody_can_tell():
    found = mean_interval([1.0, 2.0, 4.0, 0.5, 3.0])
    assert pairs_to_see(0.01, found, most=50) is None and pairs_to_see(0.0, found) is None
    assert pairs_to_see(1.0, Difference(2.0, -math.inf, math.inf, 1)) is None
    assert pairs_to_see(1.0, mean_interval([2.0, 2.0])) == 2  # no spread at all


def test_that_many_pairs_show_a_true_difference_in_four_of_five_trials():
    effect, spread, rng = 1.5, 1.9, random.Random(0)
    known = Difference(0.0, *(sign * 2.570582 * spread / math.sqrt(6) for sign in (-1, 1)), 6)  # t for 5 degrees
    n = pairs_to_see(effect, known)
    shown = [mean_interval([rng.gauss(effect, spread) for _ in range(n)]).low > 0 for _ in range(2000)]
    assert 0.77 < sum(shown) / len(shown) < 0.85
