"""Error rates and coverage by simulation, each held to its Monte-Carlo error.

A rate p estimated from r repetitions has standard error sqrt(p (1 - p) / r). An observed rate may
lie 3.5 of them from the nominal one: with the fixed seeds below nothing here is left to chance,
and another seed would fail one check in two thousand.
"""

import gc
import math

import numpy as np
import pytest
from scipy import stats

from aib.statistics import (
    Verdict,
    hedges_g,
    judge_family,
    mean_interval,
    permutation_p,
    prediction_interval,
    probability_of_improvement,
    seeds_needed,
    sign_flip_p,
    tost,
    verdicts,
    welch,
)

SIZES = [5, 10, 20]


def tolerance(rate, repetitions):
    return 3.5 * math.sqrt(rate * (1 - rate) / repetitions)


def assert_rate(hits, nominal):
    assert np.mean(hits) == pytest.approx(nominal, abs=tolerance(nominal, len(hits)))


def assert_at_most(hits, nominal):
    assert np.mean(hits) <= nominal + tolerance(nominal, len(hits))


def covers(interval, truth):
    return interval.low <= truth <= interval.high


@pytest.fixture
def rng():
    return np.random.default_rng(20210819)


@pytest.mark.parametrize("n", SIZES)
def test_t_and_prediction_intervals_cover(rng, n):
    arms = rng.normal(3, 2, (2000, n))
    assert_rate([covers(mean_interval(arm), 3) for arm in arms], 0.95)
    coming = rng.normal(3, 2, (2000, 2)).mean(axis=1)
    hits = [
        covers(prediction_interval(arm, 0.9, new=2), mean)
        for arm, mean in zip(arms, coming, strict=True)
    ]
    assert_rate(hits, 0.9)


@pytest.mark.parametrize("n", SIZES)
def test_welch_keeps_its_level_and_covers(rng, n):
    tests = [welch(*arms) for arms in rng.normal(0, 1, (1000, 2, n))]
    assert_rate([p < 0.05 for _, p in tests], 0.05)
    assert_rate([covers(interval, 0) for interval, _ in tests], 0.95)


def test_welch_covers_with_unequal_spreads_and_sizes(rng):
    wide, narrow = rng.normal(1, 3, (1000, 8)), rng.normal(0, 1, (1000, 16))
    tests = [welch(*arms) for arms in zip(wide, narrow, strict=True)]
    assert_rate([covers(interval, 1) for interval, _ in tests], 0.95)


def test_permutation_tests_keep_their_level(rng):
    # Both p values are discrete: the levels are ones that they attain exactly.
    assert_rate([sign_flip_p(pairs) <= 12 / 256 for pairs in rng.normal(0, 1, (1000, 8))], 12 / 256)
    hits = [permutation_p(*arms) <= 12 / 252 for arms in rng.normal(0, 1, (500, 2, 5))]
    assert_rate(hits, 12 / 252)


@pytest.mark.parametrize(("n", "truth"), [(5, 0.5), (5, 0.9), (10, 0.75), (20, 0.75)])
def test_newcombes_interval_covers(rng, n, truth):
    shift = math.sqrt(2) * stats.norm.ppf(truth)
    arms = zip(rng.normal(shift, 1, (600, n)), rng.normal(0, 1, (600, n)), strict=True)
    hits = [covers(probability_of_improvement(*pair), truth) for pair in arms]
    # An approximation: at these sizes it errs on the safe side by up to 2 points.
    assert 0.95 - tolerance(0.95, 600) <= np.mean(hits) <= 0.97 + tolerance(0.97, 600)


@pytest.mark.parametrize(("n", "upper"), [(5, 0.97), (20, 0.955)])
def test_hedges_interval_covers(rng, n, upper):
    arms = zip(rng.normal(1, 1, (1500, n)), rng.normal(0, 1, (1500, n)), strict=True)
    hits = [covers(hedges_g(*pair), 1) for pair in arms]
    assert 0.95 - tolerance(0.95, 1500) <= np.mean(hits) <= upper + tolerance(upper, 1500)


def test_equivalence_is_rarely_claimed_at_the_margin(rng):
    arms = zip(rng.normal(0.5, 0.3, (700, 6)), rng.normal(0, 0.1, (700, 10)), strict=True)
    assert_rate([tost(*pair, margin=0.5) < 0.05 for pair in arms], 0.05)


class TestFamily:
    """Four contrasts, eight seeds an arm; a claim is wrong if any contrast of the family is."""

    REPETITIONS, CONTRASTS, SEEDS = 250, 4, 8

    @pytest.fixture(autouse=True)
    def quick(self, monkeypatch):
        monkeypatch.setattr(verdicts, "seeds_needed", lambda *_: None)
        gc.freeze()  # statsmodels collects all garbage at every adjustment
        yield
        gc.unfreeze()

    def families(self, rng, difference, margin):
        shape = (self.REPETITIONS, self.CONTRASTS, 2, self.SEEDS)
        runs = rng.normal(0, 0.1, shape) + np.array([[difference], [0]])
        for pairs in runs:
            yield {judgement.verdict for judgement in judge_family(list(pairs), margin)}

    def test_better_or_worse_at_no_difference(self, rng):
        # A margin too narrow to prove leaves every contrast to the superiority test.
        wrong = {Verdict.BETTER, Verdict.WORSE}
        hits = [bool(found & wrong) for found in self.families(rng, 0, margin=1e-6)]
        assert_at_most(hits, 0.05)
        assert np.mean(hits) > 0.01

    def test_equivalent_at_the_margin(self, rng):
        hits = [Verdict.EQUIVALENT in found for found in self.families(rng, 0.2, margin=0.2)]
        assert_at_most(hits, 0.05)
        assert np.mean(hits) > 0.01


class TestPlannedSeeds:
    """Studies of the planned size decide at least as often as planned."""

    REPETITIONS = 20_000

    def arms(self, rng, spreads, difference, n):
        treatment = rng.normal(difference, spreads[0], (self.REPETITIONS, n))
        return treatment, rng.normal(0, spreads[1], (self.REPETITIONS, n))

    @pytest.mark.parametrize("spreads", [(0.15, 0.15), (0.3, 0.1)])
    def test_superiority(self, rng, spreads):
        def power(n):
            test = stats.ttest_ind(*self.arms(rng, spreads, 0.2, n), axis=1, equal_var=False)
            return np.mean((test.pvalue < 0.05) & (test.statistic > 0))

        self.assert_fewest(power, seeds_needed(*spreads, 0.2, margin=0.2, alpha=0.05))

    @pytest.mark.parametrize("difference", [0, 0.05, -0.1])
    @pytest.mark.parametrize("spreads", [(0.15, 0.15), (0.3, 0.1)])
    def test_equivalence(self, rng, spreads, difference):
        def power(n):
            treatment, control = self.arms(rng, spreads, difference, n)
            options = {"axis": 1, "equal_var": False}
            above = stats.ttest_ind(treatment + 0.2, control, alternative="greater", **options)
            below = stats.ttest_ind(treatment - 0.2, control, alternative="less", **options)
            return np.mean(np.maximum(above.pvalue, below.pvalue) < 0.05)

        self.assert_fewest(power, seeds_needed(*spreads, difference, margin=0.2, alpha=0.05))

    def assert_fewest(self, power, n):
        # A point for the random degrees of freedom, which the noncentral t takes as known.
        slack = tolerance(0.8, self.REPETITIONS) + 0.01
        assert power(n) >= 0.8 - slack
        assert power(n - 1) < 0.8 + slack
