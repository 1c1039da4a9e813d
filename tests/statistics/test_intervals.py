import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from aib.statistics import (
    Interval,
    difference_prediction_interval,
    mean_interval,
    prediction_interval,
    proportion_interval,
)

VALUES = [92.1, 92.4, 91.8, 92.0, 92.6]


def limits(interval):
    return interval.low, interval.high


def test_mean_interval_is_the_one_sample_t_interval():
    oracle = stats.ttest_1samp(VALUES, 0).confidence_interval(0.9)
    interval = mean_interval(VALUES, 0.9)
    assert interval.estimate == pytest.approx(np.mean(VALUES))
    assert limits(interval) == pytest.approx((oracle.low, oracle.high))
    assert interval.confidence == 0.9


def test_prediction_interval_by_hand():
    half = stats.t.ppf(0.975, 4) * np.std(VALUES, ddof=1) * math.sqrt(1 / 5 + 1)
    mean = np.mean(VALUES)
    assert limits(prediction_interval(VALUES)) == pytest.approx((mean - half, mean + half))


def test_prediction_of_a_difference_by_hand():
    """Two arms of one spread and size have all their degrees of freedom, n - 1 each."""
    control = [value - 3 for value in VALUES]
    half = stats.t.ppf(0.95, 8) * np.std(VALUES, ddof=1) * math.sqrt(2 * (1 + 1 / 5))
    found = difference_prediction_interval(VALUES, control, 0.9)
    assert found.estimate == pytest.approx(3)
    assert limits(found) == pytest.approx((3 - half, 3 + half))


def test_prediction_of_a_difference_from_a_constant_is_that_of_one_arm():
    alone = prediction_interval(VALUES)
    found = difference_prediction_interval(VALUES, [0.1] * 3)
    assert limits(found) == pytest.approx((alone.low - 0.1, alone.high - 0.1))


def test_prediction_of_a_difference_without_spread_or_runs():
    nothing = difference_prediction_interval([3.0] * 2, [1.0] * 4)
    assert (nothing.estimate, *limits(nothing)) == (2, 2, 2)
    assert all(map(math.isnan, limits(difference_prediction_interval(VALUES, [1.0]))))


def test_proportion_interval_is_wilsons():
    interval = proportion_interval(9_400, 10_000)
    assert limits(interval) == pytest.approx(proportion_confint(9_400, 10_000, method="wilson"))
    assert interval.estimate == 0.94
    assert 0 < proportion_interval(10, 10).low < proportion_interval(10, 10).high == 1


@pytest.mark.parametrize("interval", [mean_interval, prediction_interval])
def test_one_value_has_no_limits(interval):
    found = interval([3.0])
    assert found.estimate == 3
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("interval", [mean_interval, prediction_interval])
def test_equal_values_have_no_width(interval):
    assert interval([0.1] * 3) == Interval(0.1, 0.1, 0.1, 0.95)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, math.nan, 2.0], "value 2 of 3 is nan"),
        ([1.0, 2.0, -math.inf], "value 3 of 3 is -inf"),
        ([], "non-empty"),
        ([[1.0, 2.0]], "1-D"),
    ],
)
def test_unusable_values_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        mean_interval(values)


@pytest.mark.parametrize("confidence", [0, 1, 95, math.nan])
def test_confidence_is_a_fraction(confidence):
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        mean_interval(VALUES, confidence)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="must"):
        proportion_interval(11, 10)
