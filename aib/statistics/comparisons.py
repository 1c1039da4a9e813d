"""One arm against another: the difference, its intervals, and its p values.

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
from scipy import stats
from scipy.special import stdtr, stdtrit

from aib.statistics.intervals import Interval, as_values, mean_interval

# Permutation tests enumerate every rearrangement up to this many: 16 pairs, or two arms of 9.
# Beyond, so many are drawn, but of more than 200 runs fewer, so that no more values are drawn than
# for those; the p of 2,000 runs rests on 10,000.
PERMUTATIONS, VALUES = 100_000, 20_000_000
BATCH = 1_000_000  # values at a time: 8 MB an array


@dataclass(frozen=True)
class Comparison:
    """All that is reported of treatment against control, in the unit of the metric unless said.

    What needs the same seeds in both arms is None where they differ. Welch's limits and p and the
    permutation p are NaN where an arm has fewer than two runs.
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
    difference = float(treatment.mean() - control.mean())
    if min(treatment.size, control.size) < 2:
        return Interval(difference, math.nan, math.nan, confidence), math.nan
    if _constant(treatment) and _constant(control):
        difference = float(treatment[0] - control[0])
        holds = {
            "two-sided": difference != 0,
            "greater": difference > 0,
            "less": difference < 0,
        }[alternative]
        return Interval(difference, difference, difference, confidence), float(not holds)
    # scipy.stats has the same test, and takes ten times as long for it.
    sizes = np.array([treatment.size, control.size])
    parts = np.array([treatment.var(ddof=1), control.var(ddof=1)]) / sizes
    error, shares = math.sqrt(parts.sum()), parts / parts.sum()
    degrees = 1 / (shares**2 / (sizes - 1)).sum()
    t = difference / error
    tails = {"two-sided": 2 * stdtr(degrees, -abs(t)), "greater": stdtr(degrees, -t)}
    tails["less"] = stdtr(degrees, t)
    sides = 2 if alternative == "two-sided" else 1
    half = -stdtrit(degrees, (1 - confidence) / sides) * error
    low = -math.inf if alternative == "less" else float(difference - half)
    high = math.inf if alternative == "greater" else float(difference + half)
    return Interval(difference, low, high, confidence), float(tails[alternative])


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


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike, groups: ArrayLike | None = None) -> McNemar:
    """Exact test (McNemar 1947) that two trained models are right equally often.

    Both arrays are boolean, shape (examples,), over the same examples; ValueError if their shapes
    differ. Examples with the same number in `groups`, shape (examples,), stem from one source and
    are one observation: the sum of each group's disagreements changes sign at random, as one
    disagreement does in McNemar's own test, which is what remains when every example is a group of
    its own. It speaks of these two trained models only: use one test a seed, never pooled seeds.
    """
    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"expected two 1-D arrays of one length, found {a.shape} and {b.shape}")
    surplus = _group_sums(np.subtract(a, b, dtype=int)[None], groups)[0]
    p = _signs_p(surplus.astype(int))
    return McNemar(int(np.sum(a & ~b)), int(np.sum(b & ~a)), p)


def _signs_p(surplus: np.ndarray) -> float:
    """Exact two-sided p of the sum of integers under random signs."""
    sizes, counts = np.unique(np.abs(surplus[surplus != 0]), return_counts=True)
    mass = np.ones(1)  # of every value the sum may take, from the lowest up in steps of 1
    for size, count in zip(sizes, counts, strict=True):
        of_one_size = np.zeros(2 * size * count + 1)
        of_one_size[:: 2 * size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        mass = np.convolve(mass, of_one_size)
    values = np.arange(mass.size) - mass.size // 2
    return float(min(1, mass[np.abs(values) >= abs(surplus.sum())].sum()))


def two_way_bootstrap(
    correct_treatment: ArrayLike,
    correct_control: ArrayLike,
    rng: np.random.Generator,
    resamples: int = 2000,
    confidence: float = 0.95,
    groups: ArrayLike | None = None,
) -> Interval:
    """Percentile interval of the difference of mean accuracies over other seeds *and* examples.

    Shapes (seeds, examples), boolean; the arms share the examples and may differ in seeds. Each
    resample draws examples once for both arms and seeds within each arm. Examples with the same
    number in `groups`, shape (examples,), stem from one source and are drawn together. Accuracies
    are on the scale 0 to 1. ValueError if the shapes do not fit.

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
    runs = _group_sums(np.concatenate([treatment, control]), groups)
    (sizes,) = _group_sums(np.ones((1, treatment.shape[1])), groups)
    accuracies = np.empty((resamples, len(runs)))
    for row in accuracies:  # one resample at a time keeps the memory at one weight a group
        drawn = np.bincount(rng.integers(sizes.size, size=sizes.size), minlength=sizes.size)
        row[:] = (runs @ drawn) / (sizes @ drawn)

    def resampled_seeds(arm: np.ndarray) -> np.ndarray:
        drawn = rng.integers(arm.shape[1], size=arm.shape)
        return np.take_along_axis(arm, drawn, axis=1).mean(axis=1)

    arms = np.split(accuracies, [len(treatment)], axis=1)
    differences = resampled_seeds(arms[0]) - resampled_seeds(arms[1])
    low, high = np.quantile(differences, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(treatment.mean() - control.mean()), float(low), float(high), confidence)


def _group_sums(values: np.ndarray, groups: ArrayLike | None) -> np.ndarray:
    """Sums over the examples of each group: (runs, examples) to (runs, groups)."""
    if groups is None:
        return values
    groups = np.asarray(groups)
    if groups.shape != values.shape[1:]:
        raise ValueError(f"groups: expected shape {values.shape[1:]}, found {groups.shape}")
    _, numbers = np.unique(groups, return_inverse=True)
    return np.array([np.bincount(numbers, weights=row) for row in values])


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

    runs = sum(sample.size for sample in samples)
    return float(
        stats.permutation_test(
            samples,
            statistic,
            permutation_type=permutation_type,
            vectorized=True,
            n_resamples=min(PERMUTATIONS, max(VALUES // runs, 1)),
            batch=max(BATCH // runs, 1),
            rng=0,
        ).pvalue
    )
