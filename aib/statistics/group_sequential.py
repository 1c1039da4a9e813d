"""Looking at the runs several times: what a p value is held against at each look.

A test that is repeated as runs come in has more than one chance to be wrong. A spending function
says beforehand how much of the error may have been spent by the time that a share t of the runs is
there (Lan and DeMets 1983). The one used here, of O'Brien and Fleming's type, spends

    f(t) = 2 - 2 Phi(z_{alpha/2} / sqrt(t))

on a one-sided test at level alpha: nearly nothing early, so that the last look is hardly harder
than a single test. A two-sided test spends it on each side with half of alpha. The boundaries of a
Brownian motion that spend just that are found by the recursive integration of Armitage, McPherson
and Rowe (1969), and given as nominal p values; a t test is held against them by its p value
(Jennison and Turnbull 2000, section 4.4).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq
from scipy.special import roots_legendre
from scipy.stats import norm

if TYPE_CHECKING:  # verdicts hold p values against looks, not the other way round
    from aib.statistics.verdicts import Judgement

NODES, WEIGHTS = roots_legendre(500)
TINY = 1e-12  # of an interval's level: at less its confidence would be 1
FAR = 40.0  # standard deviations: beyond it the normal density is 0 in double precision


@dataclass(frozen=True)
class Look:
    """One look of a question: after how many seeds an arm, and the nominal p values there.

    superiority is two-sided; equivalence that of each of the two one-sided tests; both spend the
    question's `share` of alpha. interval is two-sided and spends all of alpha: at 1 - interval the
    intervals of all looks hold together with confidence 1 - alpha, whenever one stops (repeated
    confidence intervals, Jennison and Turnbull 1989).
    """

    seeds: int
    superiority: float
    equivalence: float
    interval: float
    share: float


@lru_cache
def plan_looks(after: tuple[int, ...], alpha: float, questions: int) -> tuple[Look, ...]:
    """The looks of each question in a family of so many, at the declared numbers of seeds.

    Every question has alpha / questions of each kind of error (Bonferroni) and spends it over its
    own looks. ValueError unless the seeds increase from at least 1.
    """
    share = alpha / questions
    fractions = [seeds / after[-1] for seeds in after]
    told, within = (nominal_levels(fractions, share, sides) for sides in (2, 1))
    intervals = [max(level, TINY) for level in nominal_levels(fractions, alpha, sides=2)]
    return tuple(
        Look(seeds, *levels, share)
        for seeds, *levels in zip(after, told, within, intervals, strict=True)
    )


def first_word(
    judge: "Callable[[Look], Judgement]", looks: Iterable[Look]
) -> "tuple[int, Judgement]":
    """Judge a question look by look until it gets a word, which stays.

    Gives the number of the look, from 1, and the judgement there; of the last look if there was
    no word.
    """
    for number, look in enumerate(looks, 1):
        found = number, judge(look)
        if found[1].decided:
            break
    return found


def spent(fractions: Sequence[float], alpha: float) -> np.ndarray:
    """Error that a one-sided test at level alpha has spent by each information fraction."""
    return 2 * norm.sf(norm.isf(alpha / 2) / np.sqrt(fractions))


def nominal_levels(fractions: Sequence[float], alpha: float, sides: int) -> list[float]:
    """What the p value of each look is held against, so that all looks together err in alpha.

    fractions: of the information at each look, increasing in (0, 1]; sides: of the test, 1 or 2.
    A level is 0 where the function spends less than a double precision number can hold.
    """
    bounds = _bounds(fractions, alpha / sides, sides)
    return [float(sides * norm.sf(bound)) for bound in bounds]


def _bounds(fractions: Sequence[float], alpha: float, sides: int) -> list[float]:
    """Upper boundaries on the scale of z, each side spending alpha.

    Between looks the density of those paths that crossed no boundary is carried along at the nodes
    of a Gauss-Legendre rule, on the scale of the Brownian motion z sqrt(t).
    """
    steps = np.diff([0.0, *fractions])
    if min(steps) <= 0 or fractions[-1] > 1:
        raise ValueError(f"information fractions must increase within (0, 1], found {fractions}")
    increments = np.diff([0.0, *spent(fractions, alpha)])
    places, density = np.zeros(1), np.ones(1)  # all paths start at 0
    bounds = []
    for fraction, step, increment in zip(fractions, steps, increments, strict=True):
        scale, root = math.sqrt(step), math.sqrt(fraction)

        def crossing(bound, places=places, density=density, scale=scale, root=root) -> float:
            return float(norm.sf((bound * root - places) / scale) @ density)

        found = FAR
        if increment > crossing(FAR):
            found = brentq(lambda b, c=crossing, i=increment: c(b) - i, 0, FAR, xtol=1e-12)
        bounds.append(found)
        high = min(found, 9.0) * root  # beyond 9 standard deviations lies nothing that counts
        low = -high if sides == 2 else -9.0 * root
        nodes = (high - low) / 2 * NODES + (high + low) / 2
        kernel = norm.pdf((nodes[:, None] - places) / scale) / scale
        places, density = nodes, (high - low) / 2 * WEIGHTS * (kernel @ density)
    return bounds
