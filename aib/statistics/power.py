"""How many seeds a question needs, and what a number of seeds can show.

A question sets one half of N runs against the other: two arms of n runs (N = 2 n), or one side of a
2x2 factorial against the other (N = 4 n). With one spread the difference of means then has the
standard error 2 std / sqrt(N) on N - arms degrees of freedom, and a one-sided t test rejects with a
probability that the noncentral t distribution gives. Superiority and equivalence are made of such
tests. Standard deviations, differences and margins have the unit of the metric.
"""

import bisect
import math
from collections.abc import Callable

from scipy import stats

# A study that would need more seeds than this is not one that can be run.
MOST_SEEDS = 1000


def superiority_power(std: float, difference: float, n: int, alpha: float, arms: int = 2) -> float:
    """P(a two-sided t test at level alpha finds the difference, with its true sign).

    n: runs an arm, at least 2; arms: 2 for a pair, 4 for a main effect of a 2x2 factorial.
    """
    return _rejects(std, abs(difference), n, alpha / 2, arms)


def equivalence_power(std: float, margin: float, n: int, alpha: float, arms: int = 2) -> float:
    """P(two one-sided t tests at level alpha place a true difference of 0 within the margin).

    Arguments as in `superiority_power`. By Bonferroni's inequality it is at least twice the power
    of one test less 1, and more only by the chance that both tests fail, which is negligible at any
    power worth planning for (Phillips 1990 gives the exact form).
    """
    return max(0.0, 2 * _rejects(std, margin, n, alpha, arms) - 1)


def seeds_for_superiority(
    std: float, margin: float, alpha: float, power: float = 0.8, arms: int = 2
) -> int | None:
    """Fewest seeds an arm that tell a true difference of the margin from 0; None above 1000."""
    _check(std, margin)
    return _fewest(lambda n: superiority_power(std, margin, n, alpha, arms) >= power)


def seeds_for_equivalence(
    std: float, margin: float, alpha: float, power: float = 0.8, arms: int = 2
) -> int | None:
    """Fewest seeds an arm that place a true difference of 0 in the margin; None above 1000."""
    _check(std, margin)
    return _fewest(lambda n: equivalence_power(std, margin, n, alpha, arms) >= power)


def upper_std(std: float, degrees: int, confidence: float = 0.8) -> float:
    """One-sided upper limit of a standard deviation seen on so many degrees of freedom.

    The chi-square limit of normal values. Seeds planned from it suffice in `confidence` of all
    studies; planned from the spread as seen, they would in hardly more than half of them.
    """
    return float(std * math.sqrt(degrees / stats.chi2.ppf(1 - confidence, degrees)))


def _rejects(std: float, effect: float, n: int, alpha: float, arms: int) -> float:
    """P(one-sided t test at level alpha rejects), the truth lying `effect` from its null."""
    degrees = arms * (n - 1)
    # Beyond 1e5 scipy's series fails, and the probability is 1 long before.
    error = 2 * std / math.sqrt(arms * n)
    noncentrality = effect / error if effect < 1e5 * error else 1e5
    return float(stats.nct.sf(stats.t.isf(alpha, degrees), degrees, noncentrality))


def _fewest(enough: Callable[[int], bool]) -> int | None:
    """The least n from 2 on that is enough; more seeds never do worse."""
    seeds = range(2, MOST_SEEDS + 1)
    found = bisect.bisect_left(seeds, True, key=enough)
    return seeds[found] if found < len(seeds) else None


def _check(std: float, margin: float) -> None:
    if std < 0 or not margin > 0:
        raise ValueError(
            "the spread must not be negative and the margin must be positive, "
            f"found {std} and {margin}"
        )
