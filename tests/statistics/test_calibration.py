"""Error rates and coverage by simulation, each held to its Monte-Carlo error.

A rate p estimated from r repetitions has standard error sqrt(p (1 - p) / r). An observed rate may
lie 3.5 of them from the nominal one: with the fixed seeds below nothing here is left to chance,
and another seed would fail one check in two thousand.
"""

import math

import numpy as np
import pytest
from scipy import stats

from aib.statistics import (
    Verdict,
    difference_prediction_interval,
    factorial,
    judge_family,
    judge_main_effects,
    mcnemar,
    mean_interval,
    permutation_p,
    prediction_interval,
    seeds_for_equivalence,
    seeds_for_superiority,
    sign_flip_p,
    tost,
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


@pytest.mark.parametrize(
    ("sizes", "spreads"),
    [
        ((5, 5), (1, 1)),
        ((10, 10), (1, 3)),
        ((5, 10), (3, 1)),
        ((10, 4), (1, 3)),
        ((20, 20), (1, 1)),
    ],
)
def test_the_prediction_of_a_difference_covers(rng, sizes, spreads):
    arms = [rng.normal(0, std, (3000, n + 1)) for n, std in zip(sizes, spreads, strict=True)]
    hits = [
        covers(difference_prediction_interval(a[1:], b[1:]), a[0] - b[0])
        for a, b in zip(*arms, strict=True)
    ]
    assert_rate(hits, 0.95)


@pytest.mark.parametrize("n", SIZES)
def test_t_and_prediction_intervals_cover(rng, n):
    arms = rng.normal(3, 2, (2000, n))
    assert_rate([covers(mean_interval(arm), 3) for arm in arms], 0.95)
    coming = rng.normal(3, 2, 2000)
    hits = [
        covers(prediction_interval(arm, 0.9), run) for arm, run in zip(arms, coming, strict=True)
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


def test_equivalence_is_rarely_claimed_at_the_margin(rng):
    arms = zip(rng.normal(0.5, 0.3, (700, 6)), rng.normal(0, 0.1, (700, 10)), strict=True)
    assert_rate([tost(*pair, margin=0.5) < 0.05 for pair in arms], 0.05)


class TestFamily:
    """Four contrasts, eight seeds an arm; a claim is wrong if any contrast of the family is."""

    REPETITIONS, CONTRASTS, SEEDS = 250, 4, 8

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


class TestSequence:
    """Three contrasts in a declared order, eight seeds an arm; each kind of verdict keeps alpha."""

    REPETITIONS = 2000

    def wrong(self, rng, differences, std, verdicts, first=0):
        runs = rng.normal(0, std, (self.REPETITIONS, 3, 2, 8))
        runs[:, :, 0] += np.array(differences)[:, None]
        for family in runs:
            judged = judge_family(list(family), 0.75, correction="fixed-sequence")[first:]
            yield any(judgement.verdict in verdicts for judgement in judged)

    def test_better_or_worse_at_no_difference(self, rng):
        # At this spread a sequence that equivalence keeps open would err in 9 % of families.
        wrong = {Verdict.BETTER, Verdict.WORSE}
        for std in (0.5, 1.5):
            assert_at_most(list(self.wrong(rng, (0, 0, 0), std, wrong)), 0.05)
        hits = list(self.wrong(rng, (8, 0, 0), 1.5, wrong, first=1))
        assert_rate(hits, 0.05)

    def test_equivalent_at_the_margin(self, rng):
        wrong = {Verdict.EQUIVALENT}
        assert_at_most(list(self.wrong(rng, (0.75,) * 3, 0.3, wrong)), 0.05)
        assert_rate(list(self.wrong(rng, (0, 0.75, 0.75), 0.3, wrong, first=1)), 0.05)


class TestFactorial:
    """Two main effects beside an interaction, eight seeds an arm."""

    REPETITIONS = 2000

    def studies(self, rng, effect, stds, n=8):
        means = np.array([0.4, effect - 0.4, effect - 0.4, 2 * effect + 0.4])
        return rng.normal(means[:, None], np.array(stds)[:, None], (self.REPETITIONS, 4, n))

    @pytest.mark.parametrize("stds", [(1, 1, 1, 1), (0.5, 0.5, 1.5, 1.5)])
    def test_one_effect_keeps_its_level_and_covers(self, rng, stds):
        found = [factorial(arms, 0.5).first for arms in self.studies(rng, 0, stds)]
        assert_rate([effect.p < 0.05 for effect in found], 0.05)
        assert_rate([covers(effect.interval, 0) for effect in found], 0.95)
        found = [factorial(arms, 4).first for arms in self.studies(rng, 4, stds)]
        assert_rate([effect.equivalence_p < 0.05 for effect in found], 0.05)

    def test_the_interaction_is_covered(self, rng):
        found = [factorial(arms, 0.5).interaction for arms in self.studies(rng, 0, (1,) * 4)]
        assert_rate([covers(effect.interval, 1.6) for effect in found], 0.95)

    def test_lacking_runs_cost_no_level(self, rng):
        """Fewer runs in the arms that spread more: a pooled spread would err in 14 %."""
        found = [
            factorial([*arms[:2], arms[2][:5], arms[3][:5]], 0.5).second
            for arms in self.studies(rng, 0, (0.5, 0.5, 1.5, 1.5), n=10)
        ]
        assert np.mean([effect.p < 0.05 for effect in found]) == pytest.approx(0.055, abs=0.015)

    def test_the_family_of_both_keeps_alpha(self, rng):
        for effect, std, wrong in (
            (0, 1.5, {Verdict.BETTER, Verdict.WORSE}),
            (0.75, 0.3, {Verdict.EQUIVALENT}),
        ):
            hits = [
                any(judged.verdict in wrong for judged in judge_main_effects([arms], 0.75))
                for arms in self.studies(rng, effect, (std,) * 4)
            ]
            assert_at_most(hits, 0.05)
            assert np.mean(hits) > 0.02


def test_mcnemar_of_clustered_images_keeps_its_level(rng):
    """Images in pairs from one source on which models err together: a design effect of 2."""
    sources, groups = 300, np.repeat(np.arange(300), 2)
    clustered, plain = [], []
    for right in rng.random((600, 2, sources)) < 0.8:
        a, b = np.repeat(right, 2, axis=1)
        clustered.append(mcnemar(a, b, groups).p < 0.05)
        plain.append(mcnemar(a, b).p < 0.05)
    assert_at_most(clustered, 0.05)
    assert np.mean(clustered) > 0.02
    assert np.mean(plain) > 0.1


class TestPlannedSeeds:
    """Studies of the planned size decide at least as often as planned."""

    REPETITIONS = 20_000

    def arms(self, rng, spreads, difference, n):
        treatment = rng.normal(difference, spreads[0], (self.REPETITIONS, n))
        return treatment, rng.normal(0, spreads[1], (self.REPETITIONS, n))

    # With one spread, as planned, and with two of the same pooled spread.
    @pytest.mark.parametrize("spreads", [(0.15, 0.15), (0.2, 0.0707)])
    def test_superiority(self, rng, spreads):
        def power(n):
            test = stats.ttest_ind(*self.arms(rng, spreads, 0.2, n), axis=1, equal_var=False)
            return np.mean((test.pvalue < 0.05) & (test.statistic > 0))

        self.assert_fewest(power, seeds_for_superiority(0.15, margin=0.2, alpha=0.05), spreads)

    @pytest.mark.parametrize("spreads", [(0.15, 0.15), (0.2, 0.0707)])
    def test_equivalence(self, rng, spreads):
        def power(n):
            treatment, control = self.arms(rng, spreads, 0, n)
            options = {"axis": 1, "equal_var": False}
            above = stats.ttest_ind(treatment + 0.2, control, alternative="greater", **options)
            below = stats.ttest_ind(treatment - 0.2, control, alternative="less", **options)
            return np.mean(np.maximum(above.pvalue, below.pvalue) < 0.05)

        self.assert_fewest(power, seeds_for_equivalence(0.15, margin=0.2, alpha=0.05), spreads)

    def assert_fewest(self, power, n, spreads):
        # A point for the random degrees of freedom, which the noncentral t takes as known, and
        # two for those that unequal spreads cost.
        slack = tolerance(0.8, self.REPETITIONS) + (0.01 if spreads[0] == spreads[1] else 0.03)
        assert power(n) >= 0.8 - slack
        assert power(n - 1) < 0.8 + slack
