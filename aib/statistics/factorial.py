"""The 2x2 factorial: two parts, each there or not, measured in the same four arms.

Every run counts for both parts, so a main effect of 4 n runs has the standard error that two arms
of 2 n runs would have. One spread is pooled over the arms, on N - 4 degrees of freedom (Cox & Reid
2000, chapter 5); with equally many runs an arm the level nearly holds for unequal spreads too (5.9
instead of 5 % for spreads 1:1:3:3 and six runs). Where runs are lacking it would not, and each
arm's own spread is used, on the degrees of freedom of Welch and Satterthwaite (1946).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr, stdtrit

from aib.statistics.intervals import Interval, as_values

# Weights of the arms neither, first, second, both. A main effect is the mean of two simple effects.
FIRST = (-0.5, 0.5, -0.5, 0.5)
SECOND = (-0.5, -0.5, 0.5, 0.5)
INTERACTION = (1, -1, -1, 1)  # the difference of the simple effects


@dataclass(frozen=True)
class Effect:
    """A weighted sum of the arms' means with its interval, in the unit of the metric.

    p is that of no effect, two-sided; equivalence_p that of an effect of at least the margin in
    size (two one-sided tests). Limits and both p are NaN where an arm has fewer than two runs.
    """

    interval: Interval
    p: float
    equivalence_p: float


@dataclass(frozen=True)
class Factorial:
    """Both main effects, the interaction, and the pooled spread that they rest on."""

    first: Effect
    second: Effect
    interaction: Effect
    std: float  # in the unit of the metric; NaN where an arm has fewer than two runs
    degrees: int  # of std


def factorial(arms: Sequence[ArrayLike], margin: float, confidence: float = 0.95) -> Factorial:
    """Effects of the arms (neither, first, second, both), one value a seed, shape (n,) each.

    ValueError for other than four arms, for values as in `as_values`, and unless the margin is
    positive and finite.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be positive and finite, found {margin}")
    names = ("neither", "first", "second", "both")
    values = [as_values(arm, name) for arm, name in zip(arms, names, strict=True)]
    sizes = np.array([arm.size for arm in values])
    degrees = int(sizes.sum()) - 4
    variances, std = np.full(4, math.nan), math.nan
    if sizes.min() > 1:
        variances = np.array([np.ptp(arm) and arm.var(ddof=1) for arm in values])
        std = math.sqrt(variances @ (sizes - 1) / degrees)

    def effect(weights: Sequence[float]) -> Effect:
        estimate = sum(w * arm.mean() for w, arm in zip(weights, values, strict=True))
        # With equal sizes and weights this is the pooled variance of the effect as well.
        parts = np.square(weights) * variances / sizes
        error, own = math.sqrt(parts.sum()), degrees
        if np.ptp(sizes) and error:
            own = parts.sum() ** 2 / (parts**2 / (sizes - 1)).sum()
        return _effect(float(estimate), error, own, margin, confidence)

    return Factorial(effect(FIRST), effect(SECOND), effect(INTERACTION), std, degrees)


def _effect(
    estimate: float, error: float, degrees: float, margin: float, confidence: float
) -> Effect:
    if math.isnan(error):
        return Effect(Interval(estimate, math.nan, math.nan, confidence), math.nan, math.nan)
    if error == 0:
        interval = Interval(estimate, estimate, estimate, confidence)
        return Effect(interval, float(estimate == 0), float(abs(estimate) >= margin))
    half = float(-stdtrit(degrees, (1 - confidence) / 2) * error)
    interval = Interval(estimate, estimate - half, estimate + half, confidence)
    p = 2 * stdtr(degrees, -abs(estimate) / error)
    equivalence_p = stdtr(degrees, (abs(estimate) - margin) / error)
    return Effect(interval, float(p), float(equivalence_p))
