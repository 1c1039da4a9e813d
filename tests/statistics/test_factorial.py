import math

import numpy as np
import pytest
import statsmodels.api as sm

from aib.statistics import Interval, factorial, tost, welch
from aib.statistics.factorial import FIRST, INTERACTION, SECOND

pytestmark = pytest.mark.filterwarnings("error")

RNG = np.random.default_rng(7)
MEANS = (90.0, 90.4, 86.0, 87.1)
ARMS = [RNG.normal(mean, std, 6) for mean, std in zip(MEANS, (0.3, 0.5, 0.9, 0.4), strict=True)]
MARGIN = 0.75


def ols(arms):
    """The same model by least squares: parts coded as -1/2 and 1/2."""
    first, second = (
        np.concatenate([np.full(len(arm), code) for arm, code in zip(arms, codes, strict=True)])
        for codes in ((-0.5, 0.5, -0.5, 0.5), (-0.5, -0.5, 0.5, 0.5))
    )
    design = np.column_stack([np.ones(len(first)), first, second, first * second])
    return sm.OLS(np.concatenate(arms), design).fit()


def effects(found):
    return found.first, found.second, found.interaction


def test_effects_are_those_of_least_squares():
    found, oracle = factorial(ARMS, MARGIN, 0.9), ols(ARMS)
    limits = oracle.conf_int(0.1)[1:]
    assert found.degrees == oracle.df_resid == 20
    assert found.std == pytest.approx(math.sqrt(oracle.mse_resid))
    for effect, estimate, p, interval in zip(
        effects(found), oracle.params[1:], oracle.pvalues[1:], limits, strict=True
    ):
        assert effect.interval.estimate == pytest.approx(estimate)
        assert (effect.interval.low, effect.interval.high) == pytest.approx(tuple(interval))
        assert effect.p == pytest.approx(p)


def test_equivalence_is_two_one_sided_tests_of_least_squares():
    close = [ARMS[0], ARMS[0] + 0.2, ARMS[2], ARMS[2] + 0.4]
    oracle = ols(close)
    first = factorial(close, MARGIN).first
    above = oracle.t_test(([[0, 1, 0, 0]], [-MARGIN]))
    below = oracle.t_test(([[0, 1, 0, 0]], [MARGIN]))
    one_sided = [test.pvalue.item() / 2 for test in (above, below)]
    assert first.equivalence_p == pytest.approx(max(one_sided))


def test_a_main_effect_is_the_mean_of_two_simple_effects():
    neither, first, second, both = (arm.mean() for arm in ARMS)
    found = factorial(ARMS, MARGIN)
    simple = first - neither, both - second
    assert found.first.interval.estimate == pytest.approx(sum(simple) / 2)
    assert found.interaction.interval.estimate == pytest.approx(simple[1] - simple[0])


def test_exchanging_the_parts_exchanges_their_effects():
    found = factorial(ARMS, MARGIN)
    other = factorial([ARMS[0], ARMS[2], ARMS[1], ARMS[3]], MARGIN)
    assert found.first.p == pytest.approx(other.second.p)
    assert found.second.interval.low == pytest.approx(other.first.interval.low)
    assert found.interaction.p == pytest.approx(other.interaction.p)


def test_weights_are_orthogonal_and_add_to_nothing():
    weights = np.array([FIRST, SECOND, INTERACTION])
    assert not weights.sum(axis=1).any()
    assert not (weights @ weights.T - np.diag((weights**2).sum(axis=1))).any()


def test_lacking_runs_leave_each_arm_its_own_spread():
    """Two arms of no spread, and what is left is Welch's test of the other two, halved."""
    arms = [np.full(4, 90.0), ARMS[1], np.full(5, 90.0), ARMS[3][:4]]
    second = factorial(arms, MARGIN).second
    interval, p = welch(ARMS[3][:4], ARMS[1])
    assert second.interval.estimate == pytest.approx(interval.estimate / 2)
    assert second.interval.low == pytest.approx(interval.low / 2)
    assert second.p == pytest.approx(p)
    assert second.equivalence_p == pytest.approx(tost(ARMS[3][:4], ARMS[1], 2 * MARGIN))


def test_no_spread_and_too_few_runs():
    flat = [[90.1] * 3, [90.1] * 3, [91.0] * 3, [91.0] * 3]
    found = factorial(flat, MARGIN)
    assert found.std == 0
    assert found.second.interval == Interval(*[pytest.approx(0.9)] * 3, 0.95)
    assert (found.second.p, found.second.equivalence_p) == (0, 1)
    short = factorial([[90.0], [91.0, 92.0], [90.0, 91.0], [93.0, 94.0]], MARGIN)
    assert math.isnan(short.std)
    for effect in effects(short):
        assert np.isfinite(effect.interval.estimate)
        assert np.isnan([effect.interval.low, effect.p, effect.equivalence_p]).all()


def test_unusable_arguments_are_refused():
    with pytest.raises(ValueError, match="margin must be positive"):
        factorial(ARMS, 0)
    with pytest.raises(ValueError, match="both: value 1 of 2 is nan"):
        factorial([*ARMS[:3], [math.nan, 1]], MARGIN)
    with pytest.raises(ValueError, match="zip"):
        factorial(ARMS[:3], MARGIN)
