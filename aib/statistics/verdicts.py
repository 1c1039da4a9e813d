"""Verdicts in four words, for a family of questions declared before the runs.

Each question has two null hypotheses: "no difference", tested by Welch's t (1947) or, for the main
effects of a factorial, by the t of the pooled spread; and "a difference of at least the margin",
tested by two one-sided tests (Schuirmann 1987). They exclude each other, so at most one of them is
true: for a single question the chance of a wrong verdict, *better* or *worse* at no difference or
*equivalent* beyond the margin, is at most alpha although two tests are read.

Over a family each kind of test is corrected by itself. The chance of any wrong *better* or *worse*
is then at most alpha, and so is the chance of any wrong *equivalent*. Only a family that mixes
questions of both kinds can err in both ways; the chance of an error of either kind is then at most
2 alpha. Two corrections are offered, and neither needs independence:

holm: Holm's method (1979). The order of the questions means nothing.

fixed-sequence: the questions are tested in the declared order, each at the full level alpha, for as
long as all before it were rejected (Maurer, Hothorn and Lehmacher 1995). There are two sequences,
one for each kind: after a question found *equivalent* a later one can be found equivalent at full
level, but not better or worse; after one that was told from 0 a later one can be told from 0. After
an undecided question all are undecided. One sequence that any verdict keeps open would test "no
difference" again after a question where that hypothesis held and survived, and would err in up to
k alpha of families; benchmarks/error_rates.py shows it.

Where a study declares looks, each question has its share of alpha and spends it over its own looks,
see `aib.statistics.group_sequential`; no question waits for another.

The tests take runs as draws from roughly normal values. Where the data cannot carry a verdict at
all, none is given, see `judge_family`.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from aib.statistics.comparisons import welch
from aib.statistics.factorial import factorial
from aib.statistics.group_sequential import Look
from aib.statistics.intervals import Interval, as_values
from aib.statistics.power import (
    seeds_for_equivalence,
    seeds_for_superiority,
    upper_std,
)

Correction = Literal["holm", "fixed-sequence"]
# Fewer errors than this an arm, and their count is too far from normal for a t test.
FEW_ERRORS = 10


class Verdict(StrEnum):
    """What the runs say of the treatment, higher being better."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"  # the difference is smaller than the margin
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on; the margin and the difference have the metric's unit.

    difference is the interval of this question alone, at confidence 1 - alpha. A raw p is NaN where
    an arm has fewer than two runs. The adjusted p values decide; in them a question counts as 1 for
    every kind of verdict that its data cannot carry. At a look they are p times alpha over the
    nominal level, and the interval is the repeated one.
    """

    verdict: Verdict
    difference: Interval
    superiority_p: float
    superiority_p_adjusted: float
    equivalence_p: float
    equivalence_p_adjusted: float
    margin: float
    alpha: float
    reason: str  # one sentence: what decided, or why nothing did
    std: float  # of the runs, pooled over the arms; NaN where nothing may be planned from it
    degrees: int
    arms: int  # 2, or 4 for a main effect
    strictest: float  # the level that a question of this family may have to meet

    @property
    def decided(self) -> bool:
        """Whether there is a word other than *undecided*."""
        return self.verdict is not Verdict.UNDECIDED

    @cached_property
    def seeds_needed_equivalence(self) -> int | None:
        """Seeds an arm that would show a true difference of 0 to be smaller than the margin.

        With power 0.8 at the family's strictest level, the spread taken at its upper 80 % limit.
        The observed difference has no part in it. None without a spread, or above 1000.
        """
        return self._needed(seeds_for_equivalence)

    @cached_property
    def seeds_needed_superiority(self) -> int | None:
        """Seeds an arm that would tell a true difference of the margin from 0; else as above."""
        return self._needed(seeds_for_superiority)

    def _needed(self, seeds: Callable[..., int | None]) -> int | None:
        if math.isnan(self.std):
            return None
        std = upper_std(self.std, self.degrees)
        return seeds(std, self.margin, self.strictest, arms=self.arms)


@dataclass(frozen=True)
class _Evidence:
    """What the runs of one question say before it is judged."""

    difference: Interval
    superiority_p: float
    equivalence_p: float
    std: float
    degrees: int
    arms: int
    objection: str  # why no verdict may rest on these runs; empty if one may
    at_ceiling: bool  # equivalence would be trivial


def holm(p_values: ArrayLike) -> np.ndarray:
    """Holm's (1979) adjusted p values, shape (k,), in the order given; NaN counts as 1."""
    p_values = _without_nan(p_values)
    order = np.argsort(p_values)
    factors = np.arange(p_values.size, 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * p_values[order]), 1)
    return adjusted


def fixed_sequence(p_values: ArrayLike) -> np.ndarray:
    """Adjusted p values of tests in declared order, shape (k,): the largest so far; NaN is 1."""
    return np.maximum.accumulate(_without_nan(p_values))


def _without_nan(p_values: ArrayLike) -> np.ndarray:
    p_values = np.asarray(p_values, dtype=float)
    return np.where(np.isnan(p_values), 1.0, p_values)


CORRECTIONS: dict[Correction, Callable[[ArrayLike], np.ndarray]] = {
    "holm": holm,
    "fixed-sequence": fixed_sequence,
}


def _against(level: float, alpha: float) -> Callable[[ArrayLike], np.ndarray]:
    """Adjusted p values that are below alpha where p is below the level."""

    def adjust(p_values: ArrayLike) -> np.ndarray:
        p_values = _without_nan(p_values)
        return np.minimum(alpha / level * p_values, 1) if level else np.ones(p_values.shape)

    return adjust


def strictest_level(alpha: float, questions: int, correction: Correction) -> float:
    """The level that the hardest question of a family must meet."""
    return alpha / questions if correction == "holm" else alpha


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
    comparisons: Sequence[tuple[ArrayLike, ArrayLike]],
    margin: float | Sequence[float],
    alpha: float = 0.05,
    correction: Correction = "holm",
    resolutions: Sequence[float] | None = None,
    ceiling: float = math.inf,
    look: Look | None = None,
) -> list[Judgement]:
    """Judge every (treatment, control) pair of a declared family, in order, at level alpha.

    *equivalent* if the adjusted equivalence p is below alpha, even where the difference can be told
    from 0: it is smaller than what matters. Else *better* or *worse* if the adjusted superiority p
    is. Else *undecided*. The margin is that of every comparison, or one for each, in its unit.

    Always *undecided*: where an arm has fewer than two runs; where neither arm has a spread; where
    one test example is worth more than the margin. `resolutions` is that worth, one a comparison,
    in the unit of the metric (100 / N for an accuracy in per cent); none means continuous values.
    Never *equivalent*: where the better arm lies within the margin, or within ten examples, of
    `ceiling`, the highest value that the metric can have: no treatment could be better by the
    margin there. ValueError as in `tost` and `as_values`.
    """
    resolutions = resolutions if resolutions is not None else [0.0] * len(comparisons)
    margins = np.broadcast_to(margin, len(comparisons)).tolist()
    evidence = [
        _of_pair(*pair, own, _interval_level(alpha, look), resolution, ceiling)
        for pair, own, resolution in zip(comparisons, margins, resolutions, strict=True)
    ]
    return _judge(evidence, margins, alpha, correction, look)


def judge_main_effects(
    factorials: Sequence[Sequence[ArrayLike]],
    margin: float,
    alpha: float = 0.05,
    resolutions: Sequence[float] | None = None,
    ceiling: float = math.inf,
    look: Look | None = None,
) -> list[Judgement]:
    """Judge both main effects of each (neither, first, second, both), in order, as one family.

    Rules and arguments as in `judge_family`. Neither effect comes before the other, so the
    correction is always Holm's, but at a look.
    """
    resolutions = resolutions if resolutions is not None else [0.0] * len(factorials)
    evidence = [
        effect
        for arms, resolution in zip(factorials, resolutions, strict=True)
        for effect in _of_factorial(arms, margin, _interval_level(alpha, look), resolution, ceiling)
    ]
    return _judge(evidence, [margin] * len(evidence), alpha, "holm", look)


def _interval_level(alpha: float, look: Look | None) -> float:
    return look.interval if look else alpha


# ---------------------------------------------------------------- what the runs say


def _of_pair(
    treatment: ArrayLike,
    control: ArrayLike,
    margin: float,
    alpha: float,
    resolution: float,
    ceiling: float,
) -> _Evidence:
    arms = [as_values(treatment, "treatment"), as_values(control, "control")]
    difference, p = welch(*arms, 1 - alpha)
    equivalence_p = tost(*arms, margin)
    degrees = sum(arm.size - 1 for arm in arms)
    std = math.nan
    if min(arm.size for arm in arms) > 1:
        std = math.sqrt(sum(arm.var(ddof=1) * (arm.size - 1) for arm in arms) / degrees)
    return _Evidence(
        *(difference, p, equivalence_p, std, degrees, 2),
        objection=_objection(arms, margin, resolution),
        at_ceiling=_at_ceiling(arms, margin, resolution, ceiling),
    )


def _of_factorial(
    arms: Sequence[ArrayLike], margin: float, alpha: float, resolution: float, ceiling: float
) -> Iterable[_Evidence]:
    found = factorial(arms, margin, 1 - alpha)
    arms = [as_values(arm) for arm in arms]
    for effect in (found.first, found.second):
        yield _Evidence(
            *(effect.interval, effect.p, effect.equivalence_p, found.std, found.degrees, 4),
            objection=_objection(arms, margin, resolution),
            at_ceiling=_at_ceiling(arms, margin, resolution, ceiling),
        )


def _objection(arms: Sequence[np.ndarray], margin: float, resolution: float) -> str:
    if min(arm.size for arm in arms) < 2:
        return (
            "An arm has fewer than two runs: without a spread there is no interval to hold against "
            f"the margin of {margin:g}."
        )
    if all(np.ptp(arm) == 0 for arm in arms):
        return "All runs of an arm have the same value: a spread of 0 says nothing of other seeds."
    if resolution > margin:
        return (
            f"One test example is worth {resolution:.3g}, more than the margin of {margin:g}: so "
            "few examples cannot resolve it."
        )
    return ""


def _at_ceiling(
    arms: Sequence[np.ndarray], margin: float, resolution: float, ceiling: float
) -> bool:
    room = ceiling - max(arm.mean() for arm in arms)
    return bool(room < max(margin, FEW_ERRORS * resolution))


# ---------------------------------------------------------------- and what follows


def _judge(
    evidence: list[_Evidence],
    margins: list[float],
    alpha: float,
    correction: Correction,
    look: Look | None,
) -> list[Judgement]:
    adjust_superiority = adjust_equivalence = CORRECTIONS[correction]
    if look:
        adjust_superiority = _against(look.superiority, alpha)
        adjust_equivalence = _against(look.equivalence, alpha)
    superiority = adjust_superiority(
        [math.nan if e.objection else e.superiority_p for e in evidence]
    )
    equivalence = adjust_equivalence(
        [math.nan if e.objection or e.at_ceiling else e.equivalence_p for e in evidence]
    )
    judgements: list[Judgement] = []
    found = zip(evidence, margins, superiority.tolist(), equivalence.tolist(), strict=True)
    for each, margin, p, q in found:
        # At the ceiling a difference that is surely small is not reported as one that matters.
        trivial = each.at_ceiling and each.equivalence_p < alpha
        verdict = Verdict.UNDECIDED
        if q < alpha:
            verdict = Verdict.EQUIVALENT
        elif p < alpha and not trivial:
            verdict = Verdict.BETTER if each.difference.estimate > 0 else Verdict.WORSE
        sequence = correction == "fixed-sequence" and judgements and not look
        reason = _reason(each, verdict, p, q, margin, alpha, judgements[-1] if sequence else None)
        judgements.append(
            Judgement(
                *(verdict, each.difference, each.superiority_p, p, each.equivalence_p, q),
                *(margin, alpha, reason),
                std=math.nan if each.objection else each.std,
                degrees=each.degrees,
                arms=each.arms,
                strictest=(
                    look.share if look else strictest_level(alpha, len(evidence), correction)
                ),
            )
        )
    return judgements


def _reason(
    evidence: _Evidence,
    verdict: Verdict,
    p: float,
    q: float,
    margin: float,
    alpha: float,
    before: Judgement | None,
) -> str:
    """What decided; `before` is the question ahead in a fixed sequence."""
    edge = f"the margin of {margin:g}"
    differs, within = (
        f"(adjusted p {'< 0.001' if value < 0.001 else f'= {value:.2g}'})" for value in (p, q)
    )
    if verdict is Verdict.EQUIVALENT:
        zero = "can be told from 0, but is" if p < alpha else "is"
        return f"The difference {zero} smaller than {edge} {within}."
    if verdict is not Verdict.UNDECIDED:
        low, high = evidence.difference.low, evidence.difference.high
        beyond = min(abs(low), abs(high)) >= margin
        place = f"and the interval lies beyond {edge}"
        if not beyond:
            place = f"but the interval reaches into {edge}: whether it exceeds that is not settled"
        return f"It can be told from 0 {differs}, {place}."
    if evidence.objection:
        return evidence.objection
    if before and before.verdict is Verdict.UNDECIDED:
        return "An earlier question of the sequence is undecided."
    if evidence.at_ceiling and evidence.equivalence_p < alpha:
        return (
            "The better arm is so near the best possible value that the difference cannot but be "
            f"smaller than {edge}, which says nothing of the arms."
        )
    if before and before.superiority_p_adjusted >= alpha > evidence.superiority_p:
        return (
            f"Not shown to be smaller than {edge} {within}; that it differs from 0 may not be "
            "said, since an earlier question of the sequence was not told from 0."
        )
    if before and before.equivalence_p_adjusted >= alpha > evidence.equivalence_p:
        return (
            f"Not told from 0 {differs}; that it is smaller than {edge} may not be said, since "
            "an earlier question of the sequence was not shown to be."
        )
    return f"Neither told from 0 {differs} nor shown to be smaller than {edge} {within}."
