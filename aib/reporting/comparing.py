"""Differences between arms in what evaluations found: looked at afterwards, judged by nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from aib.reporting import words
from aib.reporting.collect import CellResults
from aib.reporting.evaluations import Told
from aib.reporting.words import estimated
from aib.statistics import Interval, factorial, welch


@dataclass(frozen=True)
class Difference:
    """What is set against what, and by how much they differ."""

    words: str
    found: Interval

    @property
    def is_told_from_0(self) -> bool:
        return self.found.low > 0 or self.found.high < 0

    def text(self, digits: int, unit: str) -> str:
        """The words with the number, its interval and its unit."""
        return f"{self.words} {change(self.found, digits)} {unit}".rstrip()


def change(found: Interval, digits: int = 2) -> str:
    """A signed number with its interval in brackets, where there is one."""
    return estimated(found, digits, "+")


def main_effects(told: Told, column: str) -> list[Difference]:
    """Of attention and of the bottleneck, where the study has a factorial and all its arms."""
    study = told.results.plan.study
    if not study.factorial:
        return []
    arms = {cell.arm: told.values(cell, column) for cell in told.arms}
    values = [arms.get(arm, np.empty(0)) for arm in study.factorial.arms]
    if not all(each.size for each in values):
        return []
    found = factorial(values, study.margin, told.results.confidence)
    return [
        Difference("main effect of attention", found.first.interval),
        Difference("main effect of the bottleneck", found.second.interval),
    ]


def contrasts(told: Told, column: str, among: list[CellResults]) -> Iterator[Difference]:
    """Attention with bottleneck against attention alone, then the contrasts that were declared."""
    study = told.results.plan.study
    pairs = [(each.treatment, each.control) for each in study.contrasts]
    if study.factorial:
        pairs.insert(0, (study.factorial.both, study.factorial.attention))
    values = {cell.arm: told.values(cell, column) for cell in among}
    for treatment, control in dict.fromkeys(pairs):
        arms = [values.get(arm, np.empty(0)) for arm in (treatment, control)]
        if all(arm.size for arm in arms):
            interval, _ = welch(*arms, confidence=told.results.confidence)
            yield Difference(f"{treatment} less {control}", interval)


def differences(told: Told, column: str) -> list[Difference]:
    """The study's own questions asked of another column than accuracy."""
    return main_effects(told, column) or list(contrasts(told, column, told.arms))


def sorted_out(
    about: str, found: Sequence[Difference], digits: int = 2, unit: str = "points"
) -> str:
    """A sentence on what can be told from 0 and what cannot; nothing where nothing is compared."""
    told = "; ".join(each.text(digits, unit) for each in found if each.is_told_from_0)
    rest = "; ".join(each.text(digits, unit) for each in found if not each.is_told_from_0)
    parts = [f"told from 0, each for itself, {told}"] * bool(told)
    parts += [f"not told from 0 {rest}"] * bool(rest)
    return f" {about}: {'; '.join(parts)}." if parts else ""


def spanned(told: Told, column: str, cells: list[CellResults], digits: int = 1) -> str:
    """The lowest and the highest mean of some arms; one number where they are alike."""
    values = [told.values(cell, column) for cell in cells]
    return words.spanned([each.mean() for each in values if each.size], digits)
