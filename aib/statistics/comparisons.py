"""One arm against another: the difference, its size in several units, and its p values.

Two arms trained from the same seeds are hardly more alike than two trained from different ones
(Bouthillier et al. 2021; Jordan 2023), so Welch's unpaired interval is the headline. The paired
interval and the measured seed correlation stand beside it and show whether pairing helped.
Differences are treatment minus control, in the unit of the metric.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from aib.statistics.intervals import Interval, as_values, mean_interval

# Permutation tests enumerate every rearrangement up to this many: 16 pairs, or two arms of 9.
PERMUTATIONS = 100_000


@dataclass(frozen=True)
class Comparison:
    """All that is reported of treatment against control, in the unit of the metric unless said.

    What needs the same seeds in both arms is None where they differ. Welch's limits and p and the
    permutation p are NaN, and hedges_g is None, where an arm has fewer than two runs.
    """

    n_treatment: int
    n_control: int
    mean_treatment: Interval
    mean_control: Interval
    difference: float
    welch: Interval
    welch_p: float
    paired: Interval | None
    paired_p: float | None
    seed_correlation: Interval | None  # Pearson's r
    hedges_g: Interval | None  # in pooled standard deviations
    probability_of_improvement: Interval  # 0 to 1
    sign_flip_p: float | None
    permutation_p: float


def compare(
    treatment: ArrayLike, control: ArrayLike, paired: bool, confidence: float = 0.95
) -> Comparison:
    """Compare two arms of shapes (n,) and (m,), one value a seed.

    paired says that value i of both arms came from the same seed. ValueError for an empty arm, a
    value that is not finite, or paired arms of different lengths.
    """
    treatment = as_values(treatment, "treatment")
    control = as_values(control, "control")
    if paired and treatment.size != control.size:
        raise ValueError(
            "paired arms need the same seeds in the same order: "
            f"treatment has {treatment.size} values, control {control.size}"
        )
    pairs = paired and treatment.size >= 2
    interval, p = welch(treatment, control, confidence)
    differences = treatment - control if pairs else None
    return Comparison(
        n_treatment=treatment.size,
        n_control=control.size,
        mean_treatment=mean_interval(treatment, confidence),
        mean_control=mean_interval(control, confidence),
        difference=interval.estimate,
        welch=interval,
        welch_p=p,
        paired=mean_interval(differences, confidence) if pairs else None,
        paired_p=_one_sample_p(differences) if pairs else None,
        seed_correlation=seed_correlation(treatment, control, confidence) if pairs else None,
        hedges_g=hedges_g(treatment, control, confidence),
        probability_of_improvement=probability_of_improvement(treatment, control, confidence),
        sign_flip_p=sign_flip_p(differences) if pairs else None,
        permutation_p=permutation_p(treatment, control),
    )


def welch(
    treatment: ArrayLike,
    control: ArrayLike,
    confidence: float = 0.95,
    alternative: str = "two-sided",
) -> tuple[Interval, float]:
    """Welch's (1947) interval and p for the difference of means, variances free to differ.

    A one-sided alternative, "greater" or "less", gives the one-sided interval and p. Fewer than two
    values in an arm give NaN limits and p. Two arms without spread differ for certain or not at
    all: an interval of no width and p = 0 or 1.
    """
    treatment = as_values(treatment, "treatment")
    control = as_values(control, "control")
    if min(treatment.size, control.size) < 2:
        difference = float(treatment.mean() - control.mean())
        return Interval(difference, math.nan, math.nan, confidence), math.nan
    if _constant(treatment) and _constant(control):
        difference = float(treatment[0] - control[0])
        holds = {
            "two-sided": difference != 0,
            "greater": difference > 0,
            "less": difference < 0,
        }[alternative]
        return Interval(difference, difference, difference, confidence), float(not holds)
    with _constant_arm_allowed():
        test = stats.ttest_ind(treatment, control, equal_var=False, alternative=alternative)
        low, high = test.confidence_interval(confidence)
    difference = float(treatment.mean() - control.mean())
    return Interval(difference, float(low), float(high), confidence), float(test.pvalue)


def seed_correlation(
    treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95
) -> Interval | None:
    """Pearson's r over shared seeds with Fisher's (1921) z interval.

    None for fewer than four pairs, which leave Fisher's interval without a degree of freedom, and
    for an arm without spread.
    """
    treatment = as_values(treatment, "treatment")
    control = as_values(control, "control")
    if treatment.size < 4 or _constant(treatment) or _constant(control):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        test = stats.pearsonr(treatment, control)
        low, high = test.confidence_interval(confidence)
    return Interval(float(test.statistic), float(low), float(high), confidence)


def hedges_g(treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Difference of means in pooled standard deviations, corrected for bias (Hedges 1981).

    The interval takes g as normal with its large-sample variance; with five runs an arm it covers
    96 to 97 % instead of 95 %. None where the pooled standard deviation is 0 or unknown.
    """
    from statsmodels.stats.meta_analysis import effectsize_smd

    treatment = as_values(treatment, "treatment")
    control = as_values(control, "control")
    if min(treatment.size, control.size) < 2 or (_constant(treatment) and _constant(control)):
        return None
    g, variance = effectsize_smd(
        *(treatment.mean(), treatment.std(ddof=1), treatment.size),
        *(control.mean(), control.std(ddof=1), control.size),
    )
    low, high = stats.norm.interval(confidence, loc=g, scale=math.sqrt(variance))
    return Interval(float(g), float(low), float(high), confidence)


def probability_of_improvement(
    treatment: ArrayLike, control: ArrayLike, confidence: float = 0.95
) -> Interval:
    """P(A > B) + P(A = B) / 2 for one run of the treatment, A, and one of the control, B: U / nm.

    The interval is method 5 of Newcombe (2006, Part 2): it holds every theta whose distance from
    the estimate is at most z standard errors *at theta*, so that it keeps a width when all runs of
    one arm beat all runs of the other.
    """
    treatment = as_values(treatment, "treatment")
    control = as_values(control, "control")
    n, m = treatment.size, control.size
    u = stats.mannwhitneyu(treatment, control, method="asymptotic").statistic
    estimate = float(u / (n * m))
    z = stats.norm.ppf((1 + confidence) / 2)

    def standard_error(theta: float) -> float:
        within = ((n + m) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return math.sqrt(theta * (1 - theta) * (1 + within) / (n * m))

    def lower_limit(centre: float) -> float:
        if centre == 0:
            return 0.0
        # The search stops just below the estimate, which at 1 solves the equation as well.
        return optimize.brentq(
            lambda theta: centre - theta - z * standard_error(theta), 0, np.nextafter(centre, 0)
        )

    # The standard error is symmetric about 1/2, so the upper limit is a lower limit mirrored.
    return Interval(estimate, lower_limit(estimate), 1 - lower_limit(1 - estimate), confidence)


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p of the mean of n >= 2 paired differences under random signs (Fisher 1935).

    Exact up to 16 pairs. Its smallest value is 2 / 2**n: five seeds never reach 0.05.
    """
    return _rearranged_p((as_values(differences, "differences"),), "samples")


def permutation_p(treatment: ArrayLike, control: ArrayLike) -> float:
    """Two-sided p of the difference of means when runs change arms at random (Fisher 1935).

    Twice the smaller tail; exact up to 100,000 rearrangements. NaN for fewer than two runs in an
    arm.
    """
    treatment = as_values(treatment, "treatment")
    control = as_values(control, "control")
    if min(treatment.size, control.size) < 2:
        return math.nan
    centre = np.concatenate([treatment, control]).mean()
    return _rearranged_p((treatment - centre, control - centre), "independent")


@dataclass(frozen=True)
class McNemar:
    """Examples that only one of two models gets right, and the exact two-sided p."""

    only_a: int
    only_b: int
    p: float


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike) -> McNemar:
    """Exact test (McNemar 1947) that two trained models are right equally often.

    Both arrays are boolean, shape (examples,), over the same examples; ValueError if their shapes
    differ. It speaks of these two trained models only: use one test a seed, never pooled seeds.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected two 1-D arrays of one length, found {a.shape} and {b.shape}")
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    disagreements = only_a + only_b
    p = stats.binomtest(only_a, disagreements).pvalue if disagreements else 1.0
    return McNemar(only_a, only_b, float(p))


def two_way_bootstrap(
    correct_treatment: ArrayLike,
    correct_control: ArrayLike,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Percentile interval of the difference of mean accuracies over other seeds *and* examples.

    Shapes (seeds, examples), boolean; the arms share the examples and may differ in seeds. Each
    resample draws examples once for both arms and seeds within each arm. Accuracies are on the
    scale 0 to 1. ValueError if the shapes do not fit.

    This is the pigeonhole bootstrap of Owen (2007). The noise of single predictions it counts up
    to three times, which is conservative; the variance between seeds it takes too small by the
    factor (seeds - 1) / seeds, so read Welch's interval beside it.
    """
    treatment = np.asarray(correct_treatment, dtype=float)
    control = np.asarray(correct_control, dtype=float)
    matrices = treatment.ndim == control.ndim == 2 and treatment.size * control.size > 0
    if not matrices or treatment.shape[1] != control.shape[1]:
        raise ValueError(
            "expected two arrays (seeds, examples) over the same examples, "
            f"found {treatment.shape} and {control.shape}"
        )
    examples = treatment.shape[1]
    runs = np.concatenate([treatment, control]) / examples
    accuracies = np.empty((resamples, len(runs)))
    for row in accuracies:  # one resample at a time keeps the memory at one weight an example
        row[:] = runs @ np.bincount(rng.integers(examples, size=examples), minlength=examples)

    def resampled_seeds(arm: np.ndarray) -> np.ndarray:
        drawn = rng.integers(arm.shape[1], size=arm.shape)
        return np.take_along_axis(arm, drawn, axis=1).mean(axis=1)

    arms = np.split(accuracies, [len(treatment)], axis=1)
    differences = resampled_seeds(arms[0]) - resampled_seeds(arms[1])
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(treatment.mean() - control.mean()), float(low), float(high), confidence)


def _constant(values: np.ndarray) -> bool:
    return np.ptp(values) == 0


@contextmanager
def _constant_arm_allowed() -> Iterator[None]:
    """Silence scipy's doubt about an arm without spread: its variance of 0 is what is meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        yield


def _one_sample_p(differences: np.ndarray) -> float:
    if _constant(differences):
        return float(differences[0] == 0)
    with _constant_arm_allowed():
        return float(stats.ttest_1samp(differences, 0).pvalue)


def _rearranged_p(samples: tuple[np.ndarray, ...], permutation_type: str) -> float:
    scale = max(np.abs(sample).max() for sample in samples)
    if scale == 0:
        return 1.0

    def statistic(first: np.ndarray, *_: np.ndarray, axis: int) -> np.ndarray:
        # The total is fixed, so the mean of the first arm orders rearrangements as the difference
        # of the means does. scipy counts as ties what lies within 2e-14 of the observed statistic,
        # relatively; 10,000 spreads away from 0 that forgives the rounding of decimals and sums.
        return first.mean(axis=axis) / scale + 1e4

    return float(
        stats.permutation_test(
            samples,
            statistic,
            permutation_type=permutation_type,
            vectorized=True,
            n_resamples=PERMUTATIONS,
            rng=0,
        ).pvalue
    )
