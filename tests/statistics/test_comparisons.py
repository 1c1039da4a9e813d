import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from aib.statistics import (
    Interval,
    compare,
    mcnemar,
    permutation_p,
    seed_correlation,
    sign_flip_p,
    two_way_bootstrap,
    welch,
)

TREATMENT = [93.1, 93.4, 92.8, 93.9, 93.3, 93.6]
CONTROL = [92.9, 93.0, 92.2, 93.1, 93.2, 92.7]

pytestmark = pytest.mark.filterwarnings("error")


def limits(interval):
    return interval.low, interval.high


# Values on a grid of hundredths, as accuracies in percent are: ties happen.
arms = st.lists(
    st.integers(-300, 300).map(lambda hundredths: hundredths / 100), min_size=2, max_size=5
)


class TestOracles:
    found = compare(TREATMENT, CONTROL, paired=True)

    def test_counts_and_means(self):
        assert (self.found.n_treatment, self.found.n_control) == (6, 6)
        assert self.found.mean_treatment.estimate == pytest.approx(np.mean(TREATMENT))
        assert self.found.mean_control.estimate == pytest.approx(np.mean(CONTROL))
        assert self.found.difference == pytest.approx(0.5)

    def test_welch(self):
        oracle = stats.ttest_ind(TREATMENT, CONTROL, equal_var=False)
        assert self.found.welch_p == pytest.approx(oracle.pvalue)
        assert limits(self.found.welch) == pytest.approx(tuple(oracle.confidence_interval()))

    @pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
    def test_welch_of_unequal_arms_and_either_side(self, alternative):
        oracle = stats.ttest_ind(TREATMENT, CONTROL[:3], equal_var=False, alternative=alternative)
        interval, p = welch(TREATMENT, CONTROL[:3], 0.9, alternative)
        assert p == pytest.approx(oracle.pvalue)
        assert limits(interval) == pytest.approx(tuple(oracle.confidence_interval(0.9)))

    def test_paired(self):
        oracle = stats.ttest_rel(TREATMENT, CONTROL)
        assert self.found.paired_p == pytest.approx(oracle.pvalue)
        assert limits(self.found.paired) == pytest.approx(tuple(oracle.confidence_interval()))

    def test_seed_correlation(self):
        r = np.corrcoef(TREATMENT, CONTROL)[0, 1]
        half = stats.norm.ppf(0.975) / math.sqrt(3)
        expected = np.tanh([np.arctanh(r) - half, np.arctanh(r) + half])
        assert self.found.seed_correlation.estimate == pytest.approx(r)
        assert limits(self.found.seed_correlation) == pytest.approx(tuple(expected))

    def test_permutation_p_counts_all_924_splits(self):
        oracle = stats.permutation_test(
            (TREATMENT, CONTROL),
            lambda a, b, axis: np.round(a.mean(axis) - b.mean(axis), 9),
            vectorized=True,
            n_resamples=10_000,
        )
        assert self.found.permutation_p == pytest.approx(oracle.pvalue)
        assert self.found.permutation_p * 924 == pytest.approx(round(oracle.pvalue * 924))


@pytest.mark.parametrize(
    ("n", "smallest"), [(3, 0.25), (4, 0.125), (5, 0.0625), (6, 0.03125), (8, 2**-7), (10, 2**-9)]
)
def test_smallest_sign_flip_p(n, smallest):
    assert sign_flip_p(np.arange(1, n + 1)) == smallest


def test_ties_survive_rounding_errors():
    # In binary 0.1 + 0.2 > 0.3, so these flips tie with the observed signs only after rounding.
    assert sign_flip_p([0.1, 0.2, -0.3]) == 1
    # A constant far above the spread must not let the observed split escape its own tail.
    offset = 90.0
    assert permutation_p(np.array([0.01, 0.02, 0.03]) + offset, np.zeros(3) + offset) == 0.1


hundredths = st.lists(st.integers(-30, 30), min_size=2, max_size=5)


@given(hundredths, hundredths, st.sampled_from([0, 90_00]))
@settings(max_examples=50, deadline=None)
def test_permutation_p_values_are_those_of_exact_integers(treatment, control, offset):
    def two_sided(observed, sums):
        below = sum(total <= observed for total in sums)
        above = sum(total >= observed for total in sums)
        return min(1, 2 * min(below, above) / len(sums))

    splits = itertools.combinations(treatment + control, len(treatment))
    expected = two_sided(sum(treatment), [sum(split) for split in splits])
    a, b = (np.array(arm) + offset for arm in (treatment, control))
    assert permutation_p(a / 100, b / 100) == pytest.approx(expected)

    pairs = [one - other for one, other in zip(treatment, control, strict=False)]
    flips = itertools.product([-1, 1], repeat=len(pairs))
    expected = two_sided(sum(pairs), [np.dot(signs, pairs) for signs in flips])
    n = len(pairs)
    assert sign_flip_p(a[:n] / 100 - b[:n] / 100) == pytest.approx(expected)


def test_many_pairs_are_sampled_with_a_fixed_seed():
    differences = np.random.default_rng(0).normal(0.3, 1, 20)
    p = sign_flip_p(differences)
    assert p == sign_flip_p(differences)
    assert p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)


class TestDegenerate:
    def test_identical_arms_without_spread(self):
        found = compare([0.1] * 3, [0.1] * 3, paired=True)
        nothing = Interval(0, 0, 0, 0.95)
        assert found.welch == found.paired == nothing
        assert found.welch_p == found.paired_p == found.sign_flip_p == found.permutation_p == 1
        assert found.seed_correlation is None

    def test_identical_arms_of_different_sizes(self):
        assert welch([0.1] * 3, [0.1] * 7) == (Interval(0, 0, 0, 0.95), 1)

    def test_different_arms_without_spread(self):
        found = compare([3.0] * 4, [1.0] * 4, paired=True)
        assert found.welch == found.paired == Interval(2, 2, 2, 0.95)
        assert found.welch_p == found.paired_p == 0
        assert found.sign_flip_p == 0.125

    @pytest.mark.parametrize(
        ("alternative", "p"), [("greater", 0.0), ("less", 1.0), ("two-sided", 0.0)]
    )
    def test_alternatives_without_spread(self, alternative, p):
        assert welch([3.0] * 4, [1.0] * 2, alternative=alternative)[1] == p

    def test_one_arm_without_spread(self):
        interval, p = welch([0.3] * 3, [0.1, 0.2, 0.15])
        assert interval.low < interval.estimate < interval.high
        assert 0 < p < 1
        assert seed_correlation([0.3] * 4, [0.1, 0.2, 0.15, 0.3]) is None

    def test_one_run_an_arm(self):
        found = compare([2.0], [1.0], paired=True)
        assert found.difference == 1
        assert np.isnan([found.welch.low, found.welch.high, found.welch_p]).all()
        assert math.isnan(found.permutation_p)
        assert found.paired is found.paired_p is found.sign_flip_p is None

    def test_unpaired_arms_may_differ_in_size(self):
        found = compare(TREATMENT, CONTROL[:4], paired=False)
        assert (found.n_treatment, found.n_control) == (6, 4)
        assert found.paired is found.paired_p is found.sign_flip_p is found.seed_correlation is None

    def test_paired_arms_may_not(self):
        with pytest.raises(ValueError, match="treatment has 6 values, control 4"):
            compare(TREATMENT, CONTROL[:4], paired=True)

    def test_failed_runs_are_refused_by_arm(self):
        with pytest.raises(ValueError, match="control: value 1 of 2 is nan"):
            compare([1.0, 2.0], [math.nan, 2.0], paired=False)

    def test_perfect_correlation_has_no_width(self):
        found = seed_correlation([1, 2, 3, 4], [2, 4, 6, 8])
        assert limits(found) == pytest.approx((1, 1))
        assert seed_correlation([1, 2, 3], [2, 4, 6]) is None


class TestProperties:
    @given(arms, arms)
    @settings(max_examples=40, deadline=None)
    def test_swapping_the_arms_mirrors_everything(self, treatment, control):
        paired = len(treatment) == len(control)
        one, other = compare(treatment, control, paired), compare(control, treatment, paired)
        for name in ("welch", "paired"):
            a, b = getattr(one, name), getattr(other, name)
            if a is not None:
                assert (a.estimate, a.low, a.high) == pytest.approx((-b.estimate, -b.high, -b.low))
        for name in ("welch_p", "paired_p", "sign_flip_p", "permutation_p"):
            assert getattr(one, name) == pytest.approx(getattr(other, name))

    @given(arms, arms, st.sampled_from([-100.0, 0.3, 90.0]), st.sampled_from([0.01, 3.0, 100.0]))
    @settings(max_examples=40, deadline=None)
    def test_shift_changes_no_difference_and_scale_scales_it(self, a, b, shift, scale):
        assume(np.ptp(a) > 0 and np.ptp(b) > 0)  # a shift can round a spread of 0 away from 0
        one = compare(a, b, paired=False)
        other = compare(np.array(a) * scale + shift, np.array(b) * scale + shift, paired=False)
        for field in dataclasses.fields(one.welch)[:3]:
            expected = getattr(one.welch, field.name) * scale
            assert getattr(other.welch, field.name) == pytest.approx(expected, abs=1e-9 * scale)
        assert other.welch_p == pytest.approx(one.welch_p, rel=1e-6)
        assert other.permutation_p == pytest.approx(one.permutation_p)

    @given(arms, arms, st.randoms(use_true_random=False))
    @settings(max_examples=40, deadline=None)
    def test_order_of_unpaired_seeds_is_irrelevant(self, treatment, control, random):
        one = compare(treatment, control, paired=False)
        other = compare(
            random.sample(treatment, len(treatment)),
            random.sample(control, len(control)),
            paired=False,
        )
        assert limits(one.welch) == pytest.approx(limits(other.welch))
        assert one.permutation_p == other.permutation_p

    @given(arms.filter(lambda values: len(values) > 3), st.randoms(use_true_random=False))
    @settings(max_examples=20, deadline=None)
    def test_pairs_may_be_listed_in_any_order(self, treatment, random):
        pairs = [(value, index) for index, value in enumerate(treatment)]
        shuffled = random.sample(pairs, len(pairs))
        one = compare(*zip(*pairs, strict=True), paired=True)
        other = compare(*zip(*shuffled, strict=True), paired=True)
        assert limits(one.paired) == pytest.approx(limits(other.paired))
        assert one.sign_flip_p == other.sign_flip_p


class TestExamples:
    def test_mcnemar_counts_and_tests_disagreements(self):
        a = np.array([True] * 8 + [False] * 2 + [True] * 5)
        b = np.array([False] * 8 + [True] * 2 + [True] * 5)
        found = mcnemar(a, b)
        assert (found.only_a, found.only_b) == (8, 2)
        assert found.p == pytest.approx(2 * stats.binom.cdf(2, 10, 0.5))
        assert mcnemar(a, a).p == 1

    def test_every_example_its_own_group_is_mcnemars_own_test(self):
        a, b = np.random.default_rng(3).random((2, 200)) < 0.8
        assert mcnemar(a, b, groups=np.arange(200)) == mcnemar(a, b)

    def test_images_of_one_source_count_once(self):
        """Every example copied twice says no more than every example once."""
        a, b = np.random.default_rng(3).random((2, 200)) < [[0.9], [0.8]]
        once, copied = mcnemar(a, b), mcnemar(np.tile(a, 3), np.tile(b, 3), np.tile(range(200), 3))
        assert copied.p == pytest.approx(once.p)
        assert copied.only_a == 3 * once.only_a
        assert mcnemar(np.tile(a, 3), np.tile(b, 3)).p < once.p / 10

    def test_mcnemar_of_groups_counts_all_signs(self):
        surplus = [2, -1, 1, 3, -1]
        sums = [np.dot(signs, surplus) for signs in itertools.product([-1, 1], repeat=len(surplus))]
        expected = np.mean(np.abs(sums) >= sum(surplus))
        groups = np.repeat(np.arange(5), np.abs(surplus))
        better = np.repeat(np.array(surplus) > 0, np.abs(surplus))
        assert mcnemar(better, ~better, groups).p == pytest.approx(expected)

    def test_groups_have_a_number_for_every_example(self):
        with pytest.raises(ValueError, match="groups: expected shape"):
            mcnemar([True, False], [True, True], groups=[0])
        with pytest.raises(ValueError, match="groups: expected shape"):
            two_way_bootstrap(
                np.ones((2, 3)), np.ones((2, 3)), np.random.default_rng(0), groups=[0, 1]
            )

    def test_bootstrap_draws_images_of_one_source_together(self):
        """Copies of every image widen nothing, and taken for images of their own they narrow."""
        rng = np.random.default_rng(1)
        right = rng.random((2, 3, 200)) < rng.uniform(0.5, 1, (2, 1, 200))
        copies, groups = np.repeat(right, 4, axis=2), np.repeat(np.arange(200), 4)

        def width(arms, groups):
            found = two_way_bootstrap(*arms, np.random.default_rng(0), groups=groups)
            return found.high - found.low

        assert width(copies, groups) == pytest.approx(width(right, None))
        assert width(copies, None) < 0.7 * width(right, None)

    def test_bootstrap_divides_by_the_images_drawn(self):
        # Sources of unequal size: the number of images differs from one resample to the next.
        groups = np.repeat(np.arange(20), np.arange(1, 21))
        right = np.ones((2, groups.size))
        found = two_way_bootstrap(right, 0 * right, np.random.default_rng(0), groups=groups)
        assert limits(found) == pytest.approx((1, 1))

    def test_mcnemar_refuses_other_examples(self):
        with pytest.raises(ValueError, match="one length"):
            mcnemar([True, False], [True])

    def test_bootstrap_has_the_variance_of_the_pigeonhole(self):
        """Accuracies b + s + noise, whose bootstrap variance Owen (2007) gives in closed form."""
        rng = np.random.default_rng(0)
        seeds, examples = 8, 300
        treatment = rng.random((seeds, examples)) < rng.random(examples)
        control = rng.random((seeds, examples)) < 0.5
        found = two_way_bootstrap(treatment, control, rng, resamples=8000, confidence=0.6827)
        half = (found.high - found.low) / 2
        assert found.estimate == pytest.approx(treatment.mean() - control.mean())
        # Seeds are drawn apart in each arm, examples once for both.
        by_example = (treatment.mean(0) - control.mean(0)).var() / examples
        by_seed = (treatment.mean(1).var() + control.mean(1).var()) / seeds
        interaction = sum(
            (arm - arm.mean(0) - arm.mean(1, keepdims=True) + arm.mean()).var()
            for arm in (treatment.astype(float), control.astype(float))
        ) / (seeds * examples)
        expected = math.sqrt(by_example + by_seed + interaction)
        # The standard error of a standard deviation over 8000 draws is 1 / sqrt(16000) = 0.8 %.
        assert half == pytest.approx(expected, rel=0.05)

    def test_bootstrap_of_identical_runs_has_no_width(self):
        same = np.ones((3, 50), dtype=bool)
        found = two_way_bootstrap(same, same, np.random.default_rng(0), resamples=100)
        assert limits(found) == pytest.approx((0, 0))

    def test_bootstrap_shares_examples_between_the_arms(self):
        # Each example is hard or easy for every run: a shared draw leaves no difference at all.
        easy = np.tile(np.arange(200) % 2 == 0, (3, 1))
        found = two_way_bootstrap(easy, easy, np.random.default_rng(0), resamples=200)
        assert limits(found) == pytest.approx((0, 0), abs=1e-12)

    def test_bootstrap_is_reproducible(self):
        correct = np.random.default_rng(1).random((2, 6, 2000)) < 0.9
        found = [two_way_bootstrap(*correct, np.random.default_rng(2)) for _ in range(2)]
        assert found[0] == found[1]

    @pytest.mark.parametrize(
        ("first", "second"), [((2, 3), (2, 4)), ((3,), (3,)), ((0, 3), (2, 3))]
    )
    def test_bootstrap_refuses_shapes_that_do_not_fit(self, first, second):
        with pytest.raises(ValueError, match="same examples"):
            two_way_bootstrap(np.ones(first), np.ones(second), np.random.default_rng(0))


def test_of_many_runs_fewer_rearrangements_are_drawn_in_batches(monkeypatch):
    """As many values as for 200 runs, some at a time; the t test is what they approach."""
    drawn = []
    test = stats.permutation_test

    def counted(*samples, n_resamples, batch, **options):
        drawn.append((n_resamples, batch))
        return test(*samples, n_resamples=n_resamples, batch=batch, **options)

    monkeypatch.setattr(stats, "permutation_test", counted)
    rng = np.random.default_rng(1)
    treatment, control = rng.normal(0.1, 1, 500), rng.normal(0, 1, 500)
    assert permutation_p(treatment, control) == pytest.approx(
        stats.ttest_ind(treatment, control).pvalue, abs=0.01
    )
    assert sign_flip_p(treatment - control) == pytest.approx(
        stats.ttest_rel(treatment, control).pvalue, abs=0.01
    )
    assert drawn == [(20_000, 1000), (40_000, 2000)]
