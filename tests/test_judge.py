"""Intervals and verdicts against hand-worked numbers."""

import math
import random

import pytest

from paperlib.intervals import Difference, mean_interval, paired, pairs_to_see, verdict


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
        (-math.inf, math.inf, 3.0, None, "unresolved"),
    ],
)
def test_verdicts(low, high, published, margin, want):
    assert verdict(Difference((low + high) / 2, low, high, 5), published, margin) == want
    assert verdict(None, published, margin) == "not run"


def test_as_many_pairs_as_there_are_see_their_own_half_width():
    found = mean_interval([1.0, 2.0, 4.0, 0.5, 3.0])
    half = found.high - found.mean
    assert pairs_to_see(half * 1.0001, found) == 5 and pairs_to_see(-half * 1.0001, found) == 5  # the sign says nothing
    assert pairs_to_see(half * 0.9999, found) == 6
    assert pairs_to_see(half / 100, found, most=50) is None
    assert pairs_to_see(1.0, Difference(2.0, -math.inf, math.inf, 1)) is None and pairs_to_see(0.0, found) is None


def test_that_many_pairs_tell_a_true_difference_half_of_the_time():
    effect, spread, rng = 1.5, 1.9, random.Random(0)
    known = Difference(0.0, *(sign * 2.570582 * spread / math.sqrt(6) for sign in (-1, 1)), 6)  # t for 5 degrees
    n = pairs_to_see(effect, known)
    told = [mean_interval([rng.gauss(effect, spread) for _ in range(n)]).low > 0 for _ in range(2000)]
    assert 0.45 < sum(told) / len(told) < 0.62
