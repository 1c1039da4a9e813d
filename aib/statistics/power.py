"""How many seeds a question needs, and what a number of seeds can show.

A one-sided Welch test (1947) rejects with a probability that the noncentral t distribution gives,
with the degrees of freedom of Welch and Satterthwaite taken at the true standard deviations. Both
questions, superiority and equivalence, are made of such tests. Arms have equally many seeds.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

# A study that would need more seeds than this is not one that can be run.
MOST_SEEDS = 1000


def superiority_power(
    std_treatment: float, std_control: float, difference: float, n: ArrayLike, alpha: float
) -> np.ndarray:
    """P(two-sided Welch test at level alpha finds the difference, with its true sign).

    Standard deviations and difference in the unit of the metric; n, runs an arm, at least 2, may be
    an array and the result has its shape.
    """
    return _rejects(std_treatment, std_control, abs(difference), n, alpha / 2)


def equivalence_power(
    std_treatment: float,
    std_control: float,
    difference: float,
    margin: float,
    n: ArrayLike,
    alpha: float,
) -> np.ndarray:
    """P(two one-sided Welch tests at level alpha place the difference within the margin).

    Arguments as in `superiority_power`. By Bonferroni's inequality it is at least the sum of the
    two powers less 1, and more only by the chance that both tests fail, which is negligible at any
    power worth planning for (Phillips 1990 gives the exact form for equal variances).
    """
    above = _rejects(std_treatment, std_control, margin + difference, n, alpha)
    below = _rejects(std_treatment, std_control, margin - difference, n, alpha)
    return np.maximum(0, above + below - 1)


def seeds_needed(
    std_treatment: float,
    std_control: float,
    difference: float,
    margin: float,
    alpha: float,
    power: float = 0.8,
) -> int | None:
    """Smallest number of seeds an arm that decides the question with the given power.

    The question is superiority if |difference| >= margin, else equivalence within the margin; all
    four are in the unit of the metric. None if it takes more than 1000, as it does for a difference
    just short of the margin. ValueError for a negative spread or a margin that is not positive.
    """
    if min(std_treatment, std_control) < 0 or not margin > 0:
        raise ValueError(
            "spreads must not be negative and the margin must be positive, "
            f"found {std_treatment}, {std_control} and {margin}"
        )
    if std_treatment == std_control == 0:
        return 2
    n = np.arange(2, MOST_SEEDS + 1)
    if abs(difference) >= margin:
        powers = superiority_power(std_treatment, std_control, difference, n, alpha)
    else:
        powers = equivalence_power(std_treatment, std_control, difference, margin, n, alpha)
    enough = n[powers >= power]
    return int(enough[0]) if enough.size else None


def _rejects(
    std_treatment: float, std_control: float, effect: float, n: ArrayLike, alpha: float
) -> np.ndarray:
    """P(one-sided Welch test at level alpha rejects), the estimate lying `effect` from its null."""
    n = np.asarray(n)
    variances = np.square([std_treatment, std_control])
    degrees = (n - 1) * variances.sum() ** 2 / np.square(variances).sum()
    # Beyond 1e5 scipy's series fails, and the probability is 1 long before.
    noncentrality = np.minimum(effect / np.sqrt(variances.sum() / n), 1e5)
    return stats.nct.sf(stats.t.isf(alpha, degrees), degrees, noncentrality)
