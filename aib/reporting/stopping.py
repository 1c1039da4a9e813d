"""The judgement of each question of a study, with the runs that it rests on.

Without looks these are all runs, and a family is judged at once. With looks each question is judged
by the first block of seeds, then by two, and so on, until it gets a word, which stays.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aib.reporting.collect import CellResults, StudyResults
from aib.statistics import Judgement
from aib.statistics.group_sequential import Look, first_word, plan_looks

Arms = Sequence[CellResults]


@dataclass(frozen=True)
class Stop:
    """A question where it was judged: its arms with the runs until then, at which look if any."""

    arms: Arms
    judgement: Judgement
    look: int | None = None


def judge_questions(
    results: StudyResults,
    groups: Sequence[Arms],
    judge: Callable[[Sequence[Arms], Look | None], list[Judgement]],
    each: int = 1,
) -> list[Stop]:
    """Judge a family; `judge(groups, look)` gives `each` judgements for every group of arms."""
    if not results.plan.study.looks:
        judgements = judge(groups, None)
        return [Stop(groups[place // each], found) for place, found in enumerate(judgements)]
    size = each * len(groups)
    return [
        _first_word(
            results,
            groups[place // each],
            size,
            lambda arms, look, at=place % each: judge([arms], look)[at],
        )
        for place in range(size)
    ]


def _first_word(
    results: StudyResults, arms: Arms, size: int, judge: Callable[[Arms, Look], Judgement]
) -> Stop:
    study = results.plan.study
    there = min(len(arm.cell.runs) for arm in arms)
    looks = [
        look for look in plan_looks(study.looks.after, study.alpha, size) if look.seeds <= there
    ]

    def first(look: Look) -> Arms:
        return [arm.first(look.seeds) for arm in arms]

    number, judgement = first_word(lambda look: judge(first(look), look), looks)
    return Stop(first(looks[number - 1]), judgement, number)
