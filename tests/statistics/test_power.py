import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from aib.params.studies import Contrast, Factorial, Looks, Spread, Study
from aib.statistics import (
    equivalence_power,
    planned_power,
    seeds_for_equivalence,
    seeds_for_superiority,
    superiority_power,
    upper_std,
)
from aib.statistics.group_sequential import plan_looks

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("std", "margin", "n"),
    [
        (0.15, 0.2, 10),
        (0.15, 0.1, 37),
        (0.2, 0.3, 9),
        (0.2, 0.2, 17),
        (0.25, 0.5, 6),
        (0.25, 0.2, 26),
    ],
)
def test_seeds_for_superiority(std, margin, n):
    assert seeds_for_superiority(std, margin, alpha=0.05) == n
    oracle = TTestIndPower().solve_power(margin / std, alpha=0.05, power=0.8)
    assert n == math.ceil(oracle)


def test_power_agrees_with_statsmodels():
    for n in (2, 5, 20, 400):
        # Its two-sided power would count rejections in the wrong direction as well.
        oracle = TTestIndPower().power(1.2, n, alpha=0.025, alternative="larger")
        assert superiority_power(1, 1.2, n, 0.05) == pytest.approx(oracle)
        assert superiority_power(1, -1.2, n, 0.05) == pytest.approx(oracle)
        # A main effect is that of two arms of 2 n runs, with two degrees of freedom fewer.
        oracle = TTestPower().power(
            0.6, nobs=4 * n, df=4 * n - 4, alpha=0.025, alternative="larger"
        )
        assert superiority_power(1, 1.2, n, 0.05, arms=4) == pytest.approx(oracle)


@pytest.mark.parametrize("arms", [2, 4])
def test_seeds_are_the_fewest_that_reach_the_power(arms):
    for seeds, power in (
        (seeds_for_equivalence, lambda n: equivalence_power(0.3, 0.2, n, 0.05, arms)),
        (seeds_for_superiority, lambda n: superiority_power(0.3, 0.2, n, 0.05, arms)),
    ):
        n = seeds(0.3, 0.2, 0.05, arms=arms)
        assert power(n - 1) < 0.8 <= power(n)


def test_a_main_effect_needs_about_half_the_seeds():
    assert seeds_for_superiority(0.5, 0.2, 0.05) / seeds_for_superiority(
        0.5, 0.2, 0.05, arms=4
    ) == pytest.approx(2, abs=0.05)


def test_more_than_a_thousand_seeds_is_no_answer():
    assert seeds_for_equivalence(10, 0.2, alpha=0.05) is None
    assert seeds_for_superiority(10, 0.2, alpha=0.05) is None


@pytest.mark.parametrize("std", [0, 1e-12])
def test_no_spread_needs_two_seeds(std):
    assert seeds_for_equivalence(std, 0.2, alpha=0.05) == 2
    assert seeds_for_superiority(std, 0.2, alpha=0.05) == 2


def test_stricter_levels_need_more():
    for seeds in (seeds_for_equivalence, seeds_for_superiority):
        counts = [seeds(0.3, 0.2, alpha) for alpha in (0.2, 0.05, 0.01, 0.001)]
        assert counts == sorted(set(counts))
        counts = [seeds(0.3, 0.2, 0.05, power) for power in (0.5, 0.8, 0.9, 0.99)]
        assert counts == sorted(set(counts))


@pytest.mark.parametrize("seeds", [seeds_for_equivalence, seeds_for_superiority])
def test_unusable_arguments_are_refused(seeds):
    with pytest.raises(ValueError, match="margin must be positive"):
        seeds(0.1, margin=0, alpha=0.05)
    with pytest.raises(ValueError, match="must not be negative"):
        seeds(-0.1, margin=1, alpha=0.05)


@pytest.mark.parametrize("degrees", [4, 28])
def test_the_upper_limit_of_a_spread_covers(degrees):
    rng = np.random.default_rng(0)
    seen = np.sqrt(rng.chisquare(degrees, 4000) / degrees)
    covered = np.mean([upper_std(std, degrees) >= 1 for std in seen])
    assert covered == pytest.approx(0.8, abs=3.5 * math.sqrt(0.16 / 4000))


# ---------------------------------------------------------------- of a study


def study(**changes) -> Study:
    content = {
        "title": "t",
        "hypothesis": "h",
        "datasets": ("d",),
        "scale": "s",
        "protocol": "p",
        "seeds": tuple(range(8)),
        "margin": 0.75,
        "stopping_rule": "r",
        "spread": Spread(std=0.6, source="earlier runs"),
        "arms": {name: {"model": name} for name in "abcd"},
        "factorial": Factorial(neither="a", attention="b", bottleneck="c", both="d"),
        "contrasts": (Contrast(treatment="d", control="a"), Contrast(treatment="d", control="b")),
    }
    return Study(**content | changes)


def simulated(rng, effect, arms, level, repetitions=20_000):
    """How often a t test of runs with spread 0.6 tells the effect from 0."""
    values = rng.normal(0, 0.6, (repetitions, arms, 8))
    weights = np.array([-1, 1]) if arms == 2 else np.array([-1, 1, -1, 1]) / 2
    estimates = values.mean(axis=2) @ weights + effect
    errors = np.sqrt(values.var(axis=2, ddof=1).mean(axis=1) * (weights**2).sum() / 8)
    return np.mean(estimates / errors > stats.t.isf(level, 7 * arms))


def test_planned_power_is_what_a_simulation_finds():
    planned, rng = planned_power(study()), np.random.default_rng(0)
    assert (planned["n"], planned["std"], planned["source"]) == (8, 0.6, "earlier runs")
    assert planned["main_effects"]["level"] == planned["pairs"]["level"] == 0.025
    for kind, arms in (("main_effects", 4), ("pairs", 2)):
        powers = planned[kind]
        found = simulated(rng, 0.75, arms, powers["level"] / 2)
        assert powers["superiority"] == pytest.approx(found, abs=0.015)
        found = 2 * simulated(rng, 0.75, arms, powers["level"]) - 1
        assert powers["equivalence"] == pytest.approx(found, abs=0.02)


def test_the_plan_follows_the_correction_and_the_datasets():
    assert planned_power(study(correction="fixed-sequence"))["pairs"]["level"] == 0.05
    assert planned_power(study(correction="fixed-sequence"))["main_effects"]["level"] == 0.025
    two = planned_power(study(datasets=("d", "e")))
    assert (two["main_effects"]["level"], two["pairs"]["level"]) == (0.0125, 0.0125)


def test_with_looks_the_power_is_that_of_the_last_one():
    """Which the looks before it add to, and which all seeds at once would exceed."""
    looks = Looks(after=(2, 4, 8), spending="obrien-fleming")
    planned, at_once = planned_power(study(looks=looks)), planned_power(study())
    last = plan_looks((2, 4, 8), 0.05, 2)[-1]
    for kind, arms in (("main_effects", 4), ("pairs", 2)):
        powers = planned[kind]
        assert powers["level"] == at_once[kind]["level"] == 0.025
        told = superiority_power(0.6, 0.75, 8, last.superiority, arms)
        within = equivalence_power(0.6, 0.75, 8, last.equivalence, arms)
        assert (powers["superiority"], powers["equivalence"]) == (told, within)
        assert 0.9 < told / at_once[kind]["superiority"] < 1


def test_nothing_is_planned_from_no_spread_or_of_no_question():
    assert planned_power(study(spread=None)) is None
    assert not {"main_effects", "pairs"} & set(planned_power(study(factorial=None, contrasts=())))
    assert not {"main_effects", "pairs"} & set(planned_power(study(seeds=(0,))))
