"""Looks: boundaries as published and as another integral has them; a word stays; the promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from aib.statistics import Verdict, judge_family, judge_main_effects
from aib.statistics.group_sequential import Look, first_word, nominal_levels, plan_looks, spent

# Cumulative numbers of seeds, from two blocks on.
BLOCKS = st.lists(st.integers(2, 12), min_size=2, max_size=4).map(
    lambda sizes: tuple(np.cumsum(sizes).tolist())
)


def bounds(fractions, alpha, sides):
    return [norm.isf(level / sides) for level in nominal_levels(fractions, alpha, sides)]


@pytest.mark.parametrize(
    ("fractions", "alpha", "sides", "published"),
    [
        # Reboussin, DeMets, Kim and Lan (2000), program ld98: five equal looks.
        ((0.2, 0.4, 0.6, 0.8, 1), 0.05, 2, (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        # R package ldbounds, as posted to R-help in March 2020.
        ((0.1, 0.33, 1), 0.05, 2, (6.9913, 3.7308, 1.9605)),
        # Julia package SeqBounds, its documentation.
        ((0.25, 0.5, 0.75, 1), 0.05, 1, (3.74955, 2.53993, 2.01604, 1.72014)),
    ],
)
def test_published_boundaries(fractions, alpha, sides, published):
    assert bounds(fractions, alpha, sides) == pytest.approx(published, abs=2e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(2, 12), min_size=2, max_size=3), st.sampled_from((1, 2)))
def test_the_error_spent_by_each_look_is_the_declared_one(sizes, sides):
    """By the multivariate normal distribution of z, which the boundaries are not computed from."""
    fractions = np.cumsum(sizes) / sum(sizes)
    limits = np.array(bounds(fractions, 0.2, sides))
    low, high = (np.minimum.outer(fractions, fractions), np.maximum.outer(fractions, fractions))
    correlation = np.sqrt(low / high)
    declared = sides * spent(fractions, 0.2 / sides)
    assert declared[-1] == pytest.approx(0.2)
    for count in range(1, len(fractions) + 1):
        inside = multivariate_normal(cov=correlation[:count, :count]).cdf(
            limits[:count],
            lower_limit=-limits[:count] if sides == 2 else np.full(count, -np.inf),
            rng=np.random.default_rng(0),
        )
        assert 1 - inside == pytest.approx(declared[count - 1], abs=2e-4)


@settings(max_examples=12, deadline=None)
@given(BLOCKS, st.floats(0.001, 0.3), st.integers(1, 6), st.data())
def test_levels_lie_within_the_share_and_another_look_makes_none_easier(
    after, alpha, questions, data
):
    looks = plan_looks(after, alpha, questions)
    assert [look.seeds for look in looks] == list(after)
    for look in looks:
        assert look.share == alpha / questions
        assert 0 <= look.superiority <= look.share
        assert 0 <= look.equivalence <= look.share
        assert look.superiority <= look.interval <= alpha
    # What is spent before is the same, what is left for the end is less.
    between = data.draw(st.integers(1, after[-1] - 1).filter(lambda n: n not in after))
    more = plan_looks(tuple(sorted((*after, between))), alpha, questions)
    assert more[-1].superiority <= looks[-1].superiority + 1e-12
    assert more[-1].equivalence <= looks[-1].equivalence + 1e-12


@pytest.mark.parametrize("count", [2, 5, 10])
def test_equal_blocks_make_it_easier_from_look_to_look(count):
    looks = plan_looks(tuple(range(4, 4 * count + 1, 4)), 0.05, 3)
    for kind in ("superiority", "equivalence", "interval"):
        levels = [getattr(look, kind) for look in looks]
        assert levels == sorted(levels)
        assert levels[0] < levels[-1] / 10


def test_fractions_must_increase():
    for wrong in ([0.5, 0.5, 1], [0, 1], [0.5, 1.1], [0.6, 0.5]):
        with pytest.raises(ValueError, match="must increase"):
            nominal_levels(wrong, 0.05, 2)


def test_a_level_that_underflows_lets_nothing_pass():
    first, last = plan_looks((2, 2000), 0.05, 50)
    assert first.superiority == 0
    pair = (np.array([90.0, 90.1]), np.array([10.0, 10.1]))
    early, late = (judge_family([pair], 1.0, look=look)[0] for look in (first, last))
    assert early.verdict is Verdict.UNDECIDED
    assert early.superiority_p_adjusted == 1
    assert late.verdict is Verdict.BETTER


def test_a_p_value_decides_just_below_the_level_of_its_look():
    rng = np.random.default_rng(2)
    pair = rng.normal(86, 1, 10), rng.normal(85, 1, 10)
    p = judge_family([pair], 0.1)[0].superiority_p
    for level, verdict in ((1.01 * p, Verdict.BETTER), (0.99 * p, Verdict.UNDECIDED)):
        look = Look(10, level, 0.01, 0.02, 0.05)
        (judged,) = judge_family([pair], 0.1, look=look)
        assert judged.verdict is verdict
        assert judged.difference.confidence == 1 - 0.02
        assert judged.strictest == 0.05
    q = judge_family([pair], 5.0)[0].equivalence_p
    for level, verdict in ((1.01 * q, Verdict.EQUIVALENT), (0.99 * q, Verdict.UNDECIDED)):
        look = Look(10, 1e-9, level, 0.02, 0.05)
        assert judge_family([pair], 5.0, look=look)[0].verdict is verdict


@settings(max_examples=30, deadline=None)
@given(BLOCKS, st.integers(0, 2**32), st.floats(-3, 3), st.floats(0.1, 2))
def test_a_word_stays_and_ends_the_looking(after, seed, difference, std):
    rng = np.random.default_rng(seed)
    arms = rng.normal(difference, std, after[-1]), rng.normal(0, std, after[-1])
    looks, asked = plan_looks(after, 0.2, 2), []

    def judge(look):
        asked.append(look.seeds)
        return judge_family([[arm[: look.seeds] for arm in arms]], 1.0, 0.2, look=look)[0]

    number, final = first_word(judge, looks)
    assert asked == list(after[:number])
    for taken in range(1, len(looks) + 1):
        at, said = first_word(judge, looks[:taken])
        if taken < number:
            assert said.verdict is Verdict.UNDECIDED
        else:
            assert (at, said) == (number, final)


def test_main_effects_are_held_against_the_look_too():
    rng = np.random.default_rng(3)
    arms = [rng.normal(mean, 0.3, 8) for mean in (85, 87, 85, 87)]
    strict = Look(8, 1e-25, 1e-25, 0.05, 0.025)
    assert [j.verdict for j in judge_main_effects([arms], 1.0)] == [
        Verdict.BETTER,
        Verdict.EQUIVALENT,
    ]
    for judged in judge_main_effects([arms], 1.0, look=strict):
        assert judged.verdict is Verdict.UNDECIDED
        assert judged.strictest == 0.025


def test_repeated_intervals_hold_together():
    """The truth lies in the intervals of all looks at once in 95 % of studies."""
    rng, looks, held, studies = np.random.default_rng(4), plan_looks((5, 10, 20), 0.05, 3), 0, 3000
    for _ in range(studies):
        arms = rng.normal(1.0, 1, 20), rng.normal(0, 1, 20)
        intervals = [
            judge_family([[arm[: look.seeds] for arm in arms]], 1.0, look=look)[0].difference
            for look in looks
        ]
        held += all(interval.low <= 1 <= interval.high for interval in intervals)
    assert abs(held / studies - 0.95) < 4 * math.sqrt(0.95 * 0.05 / studies)
