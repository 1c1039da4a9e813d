"""Intervals for one arm: where its mean lies, and where its further runs will fall; and for two,
where one further run of each will fall apart.

The intervals of means are Student's. With the five to twenty seeds that a study can afford they
keep their nominal coverage on roughly normal values, which percentile and BCa bootstraps do not.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """An estimate between two limits, all in one unit; the limits are NaN where none exist.

    confidence is the nominal coverage, strictly between 0 and 1; anything else is a ValueError.
    """

    estimate: float
    low: float
    high: float
    confidence: float

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, found {self.confidence}")


def as_values(values: ArrayLike, name: str = "values") -> np.ndarray:
    """Return the values, one a seed, as a 1-D float array that is not empty and is all finite.

    ValueError otherwise: a run that diverged belongs in a list of failures, never in a mean.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name}: expected a non-empty 1-D sequence, found shape {array.shape}")
    wrong = np.flatnonzero(~np.isfinite(array))
    if wrong.size:
        raise ValueError(
            f"{name}: value {wrong[0] + 1} of {array.size} is {array[wrong[0]]}; "
            "leave failed runs out and list them apart"
        )
    return array


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t interval of the mean of the population that the n values come from.

    One value gives NaN limits, equal values an interval of no width.
    """
    return _t_interval(as_values(values), confidence, further_runs=math.inf)


def prediction_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """t interval for one further run (Hahn & Meeker 1991, chapter 4).

    This, not the interval of the mean, is what a single published number is compared with: that
    number carries the spread of its own run as well as the uncertainty of our mean. Degenerate
    values as in `mean_interval`.
    """
    return _t_interval(as_values(values), confidence, further_runs=1)


def difference_prediction_interval(
    treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95
) -> Interval:
    """t interval for one further run of treatment minus one further run of control.

    The variance s1^2 (1 + 1/n1) + s2^2 (1 + 1/n2) is that of the two further runs and of our two
    means. Its degrees of freedom are Satterthwaite's (1946), as in Welch's test: the chi-square of
    the same mean and variance, where s^2 of n runs has n - 1. Fewer than two values in an arm give
    NaN limits, equal values in both an interval of no width.
    """
    arms = [as_values(treatment, "treatment"), as_values(control, "control")]
    estimate = float(arms[0].mean() - arms[1].mean())
    sizes = np.array([arm.size for arm in arms])
    if sizes.min() < 2:
        return Interval(estimate, math.nan, math.nan, confidence)
    # The variance of equal values is 0, and their computed one need not be.
    parts = np.array([np.ptp(arm) and arm.var(ddof=1) for arm in arms]) * (1 + 1 / sizes)
    half = 0.0
    if parts.any():
        degrees = parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum()
        half = float(stats.t.ppf((1 + confidence) / 2, degrees) * math.sqrt(parts.sum()))
    return Interval(estimate, estimate - half, estimate + half, confidence)


def proportion_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Wilson (1927) score interval of a proportion, on the scale 0 to 1.

    ValueError unless 0 <= successes <= n and n >= 1.
    """
    test = stats.binomtest(successes, n)
    low, high = test.proportion_ci(confidence, method="wilson")
    return Interval(successes / n, float(low), float(high), confidence)


def _t_interval(values: np.ndarray, confidence: float, further_runs: float) -> Interval:
    # Measured from the first value, equal values have a spread of exactly 0.
    origin = values[0]
    offsets = values - origin
    estimate = float(origin + offsets.mean())
    n = values.size
    if n == 1:
        return Interval(estimate, math.nan, math.nan, confidence)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * offsets.std(ddof=1)
    half = float(half * math.sqrt(1 / n + 1 / further_runs))
    return Interval(estimate, estimate - half, estimate + half, confidence)


def spread(name: str, interval: Interval | None) -> dict[str, float | None]:
    """An interval as three flat entries."""
    if interval is None:
        return dict.fromkeys([name, f"{name}_low", f"{name}_high"])
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}
