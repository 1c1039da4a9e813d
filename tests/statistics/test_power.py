import math

import numpy as np
import pytest
from statsmodels.stats.power import TTestIndPower

from aib.statistics import (
    equivalence_power,
    seeds_needed,
    superiority_power,
)

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("std", "gap", "n"),
    [
        (0.15, 0.2, 10),
        (0.15, 0.1, 37),
        (0.2, 0.3, 9),
        (0.2, 0.2, 17),
        (0.25, 0.5, 6),
        (0.25, 0.2, 26),
    ],
)
def test_seeds_for_superiority(std, gap, n):
    assert seeds_needed(std, std, gap, margin=0.1, alpha=0.05) == n
    assert seeds_needed(std, std, -gap, margin=0.1, alpha=0.05) == n
    oracle = TTestIndPower().solve_power(gap / std, alpha=0.05, power=0.8)
    assert n == math.ceil(oracle)


def test_power_agrees_with_statsmodels_at_equal_variances():
    for n in (2, 5, 20, 400):
        # Its two-sided power would count rejections in the wrong direction as well.
        oracle = TTestIndPower().power(1.2, n, alpha=0.025, alternative="larger")
        assert superiority_power(1, 1, 1.2, n, 0.05) == pytest.approx(oracle)


def test_seeds_are_the_fewest_that_reach_the_power():
    n = seeds_needed(0.3, 0.1, 0.05, margin=0.2, alpha=0.05)
    fewer, enough = equivalence_power(0.3, 0.1, 0.05, 0.2, [n - 1, n], 0.05)
    assert fewer < 0.8 <= enough


def test_too_near_the_margin_has_no_answer():
    assert seeds_needed(0.15, 0.15, 0.199, margin=0.2, alpha=0.05) is None
    assert seeds_needed(0.15, 0.15, 0.2, margin=0.2, alpha=0.05) == 10


@pytest.mark.parametrize("difference", [0, 0.1, 0.5, 1e9])
@pytest.mark.parametrize("std", [0, 1e-12])
def test_no_spread_needs_two_seeds(std, difference):
    assert seeds_needed(std, 0, difference, margin=0.2, alpha=0.05) == 2


def test_stricter_levels_need_more():
    counts = [seeds_needed(0.2, 0.3, 0.3, 0.2, alpha) for alpha in (0.2, 0.05, 0.01, 0.001)]
    assert counts == sorted(counts)
    counts = [seeds_needed(0.2, 0.3, 0, 0.2, 0.05, power) for power in (0.5, 0.8, 0.9, 0.99)]
    assert counts == sorted(counts)


def test_unusable_arguments_are_refused():
    with pytest.raises(ValueError, match="margin must be positive"):
        seeds_needed(0.1, 0.1, 0, margin=0, alpha=0.05)
    with pytest.raises(ValueError, match="must not be negative"):
        seeds_needed(-0.1, 0.1, 0, margin=1, alpha=0.05)


def test_power_keeps_the_shape_of_n():
    assert superiority_power(1, 2, 1, np.arange(2, 8), 0.05).shape == (6,)
    assert equivalence_power(1, 2, 3, 1, [2, 3], 0.05).max() < 0.05
