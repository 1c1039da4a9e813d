"""Verdicts in four words, for a family of contrasts declared before the runs.

Each contrast has two null hypotheses: "no difference", tested by Welch's t (1947), and "a
difference of at least the margin", tested by two one-sided tests (Schuirmann 1987). They exclude
each other, so at most one of them is true: for a single contrast the chance of a wrong verdict,
*better* or *worse* at no difference or *equivalent* beyond the margin, is at most alpha although
two tests are read. Over a family each kind of test is adjusted by Holm's method (1979), which
needs no independence: the chance of any wrong *better* or *worse* is at most alpha, and so is the
chance of any wrong *equivalent*. Only a family that mixes contrasts of both kinds can err in both
ways; the chance of an error of either kind is then at most 2 alpha.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from aib.statistics.comparisons import welch
from aib.statistics.intervals import Interval, as_values
from aib.statistics.power import MOST_SEEDS, seeds_needed


class Verdict(StrEnum):
    """What the runs say of the treatment, higher being better."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"  # the difference is smaller than the margin
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on; the margin and the difference have the metric's unit.

    difference is Welch's interval of this contrast alone, at confidence 1 - alpha. A raw p is NaN
    where an arm has fewer than two runs; the adjusted p values, which decide, then count it as 1.
    seeds_needed, an arm, is None when the verdict is in, when it cannot be computed, and when it
    exceeds 1000; the reason, one sentence, says which.
    """

    verdict: Verdict
    difference: Interval
    superiority_p: float
    superiority_p_holm: float
    equivalence_p: float
    equivalence_p_holm: float
    margin: float
    alpha: float
    seeds_needed: int | None
    reason: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", _reason(self))


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's (1979) adjusted p values, shape (k,), in the order given; NaN counts as 1."""
    from statsmodels.stats.multitest import multipletests

    p_values = np.asarray(p_values, dtype=float)
    if p_values.size == 0:
        return p_values
    return multipletests(np.where(np.isnan(p_values), 1.0, p_values), method="holm")[1]


def tost(treatment: ArrayLike, control: ArrayLike, margin: float) -> float:
    """p that the difference of means is at least the margin in size (Schuirmann 1987).

    The larger p of two one-sided Welch tests; small means equivalent. NaN if an arm has fewer than
    two values; ValueError unless the margin is positive and finite.
    """
    if not 0 < margin < math.inf:
        raise ValueError(f"margin must be positive and finite, found {margin}")
    treatment = as_values(treatment, "treatment")
    _, above = welch(treatment + margin, control, alternative="greater")
    _, below = welch(treatment - margin, control, alternative="less")
    return max(above, below)


def judge_family(
    comparisons: Sequence[tuple[ArrayLike, ArrayLike]], margin: float, alpha: float = 0.05
) -> list[Judgement]:
    """Judge every (treatment, control) pair of a declared family, in order, at level alpha.

    *equivalent* if the adjusted equivalence p is below alpha, even where the difference can be told
    from 0: it is smaller than what matters. Else *better* or *worse* if the adjusted superiority p
    is. Else *undecided*, with the seeds an arm that would decide a contrast with the spread and the
    difference seen here with power 0.8, were it to face the family's strictest level, alpha / k.
    ValueError as in `tost` and `as_values`.
    """
    arms = [
        (as_values(treatment, "treatment"), as_values(control, "control"))
        for treatment, control in comparisons
    ]
    welch_tests = [welch(*pair, 1 - alpha) for pair in arms]
    superiority = [p for _, p in welch_tests]
    equivalence = [tost(*pair, margin) for pair in arms]
    judgements = []
    for pair, (difference, p), p_holm, q, q_holm in zip(
        arms,
        welch_tests,
        holm(superiority).tolist(),
        equivalence,
        holm(equivalence).tolist(),
        strict=True,
    ):
        verdict = _verdict(difference.estimate, differs=p_holm < alpha, within=q_holm < alpha)
        needed = None
        if verdict is Verdict.UNDECIDED and not math.isnan(p):
            spreads = (arm.std(ddof=1) for arm in pair)
            needed = seeds_needed(*spreads, difference.estimate, margin, alpha / len(arms))
        judgements.append(
            Judgement(verdict, difference, p, p_holm, q, q_holm, margin, alpha, needed)
        )
    return judgements


def _verdict(difference: float, differs: bool, within: bool) -> Verdict:
    if within:
        return Verdict.EQUIVALENT
    if not differs:
        return Verdict.UNDECIDED
    return Verdict.BETTER if difference > 0 else Verdict.WORSE


def _reason(judgement: Judgement) -> str:
    difference, margin = judgement.difference, f"the margin of {judgement.margin:g}"
    if math.isnan(judgement.superiority_p):
        return (
            f"The difference is {difference.estimate:+.3g}, but an arm has fewer than two runs: "
            f"without a spread there is no interval to hold against {margin}."
        )
    found = (
        f"The difference is {difference.estimate:+.3g} ({difference.confidence * 100:g} % interval "
        f"{difference.low:+.3g} to {difference.high:+.3g})"
    )
    differs = f"(adjusted p = {judgement.superiority_p_holm:.2g})"
    within = f"(adjusted p = {judgement.equivalence_p_holm:.2g})"
    if judgement.verdict is Verdict.EQUIVALENT:
        zero = (
            "can be told from 0, but is" if judgement.superiority_p_holm < judgement.alpha else "is"
        )
        return f"{found}: it {zero} smaller than {margin} {within}."
    if judgement.verdict is Verdict.UNDECIDED:
        seeds = judgement.seeds_needed
        seeds = f"more than {MOST_SEEDS}" if seeds is None else f"about {seeds}"
        return (
            f"{found}: neither told from 0 {differs} nor shown to be smaller than {margin} "
            f"{within}; {seeds} seeds an arm would decide it."
        )
    beyond = min(abs(difference.low), abs(difference.high)) >= judgement.margin
    place = "lies beyond" if beyond else "reaches into"
    return f"{found}: it can be told from 0 {differs}, and the interval {place} {margin}."
