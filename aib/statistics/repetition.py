"""A study beside its repetition: is a figure further off than two sets of runs lie apart by chance?

A figure is a weighted sum of arms' means: one arm, a difference of two, a main effect. Without a
change both sides are draws of the same arms, so that the difference of the two sums has the
variance of Σ w² s² (1/n + 1/m), which is what a prediction of new means from old ones allows for.
The spread s of single runs is pooled over both sides and over like arms, degrees of freedom added
up. An arm whose spread is grossly larger, as when some of its runs learn nothing, stands apart with
its own: Cochran's test for an outlying variance, repeated, as in ISO 5725-2 for laboratories, in
't Lam's (2010) form for unequal numbers. It misses spreads that differ less, so that no arm counts
for less than its own: in made-up studies of four runs an arm, where one spreads twice as much as
the others, that kept false alarms at 0.9 % where they had been 2.0, of a nominal 0.5.

The sides are taken as independent. Runs from the same seeds agree more than others, if anything,
and then alarms are rarer than the level says.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc, nctdtrinc, stdtr, stdtrit

APART = 0.05  # level of Cochran's test
POWER = 0.8


@dataclass(frozen=True)
class Arm:
    """The values of one arm, one a run: those of the repetition and those of the reference."""

    found: np.ndarray
    expected: np.ndarray

    @property
    def shift(self) -> float:
        """Mean of the repetition less that of the reference; exactly 0 where all values agree."""
        return 0.0 if self.constant else float(self.found.mean() - self.expected.mean())

    @property
    def constant(self) -> bool:
        """Whether all runs of both sides have the same value."""
        return np.ptp(np.concatenate([self.found, self.expected])) == 0

    @property
    def degrees(self) -> int:
        """Of the spread within both sides."""
        return self.found.size + self.expected.size - 2

    @property
    def variance(self) -> float:
        """Of single runs, within both sides; 0 without a degree of freedom."""
        return self.squares / self.degrees if self.degrees else 0.0

    @property
    def squares(self) -> float:
        """The sum of squares within both sides; that of equal values is exactly 0."""
        return sum(
            float(np.square(side - side.mean()).sum())
            for side in (self.found, self.expected)
            if np.ptp(side)
        )


@dataclass(frozen=True)
class Pool:
    """The variance of single runs that some arms share; NaN without a degree of freedom."""

    arms: tuple[str, ...]
    variance: float
    degrees: int


@dataclass(frozen=True)
class Shift:
    """How far a figure of the repetition lies from the reference's, in the figure's unit.

    p is that of no change, two-sided. error, the standard error, and p are NaN without a spread.
    """

    found: float
    expected: float
    difference: float
    error: float
    degrees: float
    p: float

    def tolerance(self, level: float) -> float:
        """How far off a figure may lie before the test at this level finds a change."""
        if math.isnan(self.error):
            return math.inf
        return float(-stdtrit(self.degrees, level / 2) * self.error) if self.error else 0.0

    def noticed(self, level: float) -> float:
        """The smallest change that the test at this level finds with 80 %; infinite without one.

        By the noncentral t distribution, with the spread as seen.
        """
        if math.isnan(self.error):
            return math.inf
        if self.error == 0:
            return 0.0
        beyond = self.tolerance(level) / self.error
        return float(self.error * nctdtrinc(self.degrees, 1 - POWER, beyond))


def pools(arms: Mapping[str, Arm]) -> dict[str, Pool]:
    """The pool of each arm where arms may share their spread, for one figure.

    Arms whose runs all have one value have no spread to share.
    """
    apart = [name for name, arm in arms.items() if arm.constant and arm.degrees]
    alike = [name for name in arms if name not in apart]
    while (outlier := _outlier([arms[name] for name in alike])) is not None:
        apart.append(alike.pop(outlier))
    shared = _pool(arms, alike)
    return dict.fromkeys(alike, shared) | own_pools({name: arms[name] for name in apart})


def own_pools(arms: Mapping[str, Arm]) -> dict[str, Pool]:
    """Each arm by its own spread."""
    return {name: _pool(arms, [name]) for name in arms}


def _pool(arms: Mapping[str, Arm], names: Sequence[str]) -> Pool:
    degrees = sum(arms[name].degrees for name in names)
    squares = sum(arms[name].squares for name in names)
    return Pool(tuple(names), squares / degrees if degrees else math.nan, degrees)


def _outlier(arms: Sequence[Arm]) -> int | None:
    """The place of the arm whose variance is too large for the others', if there is one."""
    squares = np.array([arm.squares for arm in arms])
    degrees = np.array([arm.degrees for arm in arms])
    others = degrees.sum() - degrees
    tested = np.flatnonzero((degrees > 0) & (others > 0) & (squares > 0))
    if not tested.size:
        return None
    with np.errstate(divide="ignore"):  # nothing spreads but this one
        rest = (squares.sum() - squares[tested]) / others[tested]
        ratios = squares[tested] / degrees[tested] / rest
    p = tested.size * fdtrc(degrees[tested], others[tested], ratios)
    return int(tested[p.argmin()]) if p.min() < APART else None


def shift(terms: Sequence[tuple[float, Arm, Pool]]) -> Shift:
    """The change of a weighted sum of arms' means; each arm with its weight and its pool.

    Where arms of several pools meet, the degrees of freedom are Satterthwaite's (1946).
    """
    difference = sum(weight * arm.shift for weight, arm, _ in terms)
    sums = [sum(w * getattr(a, side).mean() for w, a, _ in terms) for side in ("found", "expected")]
    parts: dict[Pool, float] = {}
    for weight, arm, pool in terms:
        share = weight**2 * (1 / arm.found.size + 1 / arm.expected.size)
        parts[pool] = parts.get(pool, 0.0) + share * np.maximum(pool.variance, arm.variance)
    variance = float(sum(parts.values()))
    if math.isnan(variance):
        return Shift(*map(float, sums), difference, math.nan, 0.0, math.nan)
    if variance == 0:
        return Shift(*map(float, sums), difference, 0.0, 0.0, float(difference == 0))
    degrees = variance**2 / sum(part**2 / pool.degrees for pool, part in parts.items() if part)
    error = math.sqrt(variance)
    p = 2 * float(stdtr(degrees, -abs(difference) / error))
    return Shift(*map(float, sums), difference, error, float(degrees), p)


@dataclass(frozen=True)
class Pairs:
    """How far runs from the same seed lie apart on the two sides, in the figure's unit."""

    count: int
    equal: int  # to the last digit
    mean: float  # of the distances
    largest: float
    std: float  # of the differences within arms; NaN without a degree of freedom
    seeds_std: float  # of the difference of two runs from different seeds; NaN likewise


def pairs(arms: Sequence[tuple[Arm, Sequence[tuple[float, float]]]]) -> Pairs | None:
    """Arms with their pairs of values from one seed, repetition first; None without any pair."""
    differences = [np.subtract(*np.array(found).T) for _, found in arms if found]
    if not differences:
        return None
    distances = np.abs(np.concatenate(differences))
    degrees = sum(each.size - 1 for each in differences)
    squares = sum(float(np.square(each - each.mean()).sum()) for each in differences)
    of_seeds = sum(arm.degrees for arm, _ in arms)
    within = sum(arm.squares for arm, _ in arms)
    return Pairs(
        count=distances.size,
        equal=int((distances == 0).sum()),
        mean=float(distances.mean()),
        largest=float(distances.max()),
        std=math.sqrt(squares / degrees) if degrees else math.nan,
        seeds_std=math.sqrt(2 * within / of_seeds) if of_seeds else math.nan,
    )
