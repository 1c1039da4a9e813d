"""A repetition of a study held against its reference: every figure, every verdict, every seed."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from aib.reporting.reference import ERROR, Content
from aib.reporting.words import listed
from aib.statistics.repetition import Arm, Pairs, Pool, Shift, own_pools, pairs, pools, shift

FALSE_ALARMS = 0.01  # of the whole comparison, where nothing changed
ACCURACY = (ERROR, "accuracy")  # what the first half of them is for
OPPOSITE = ({"better", "worse"}, {"higher", "lower"})

Key = tuple[str, str]  # dataset and figure
Run = tuple[str, int]  # spec and seed
Values = dict[Key, dict[str, dict[Run, float]]]  # by arm
Arms = dict[Key, dict[str, Arm]]
Shared = dict[Key, dict[str, Pool]]


@dataclass(frozen=True)
class Row:
    """One figure on both sides, in its own unit."""

    dataset: str
    of: str
    about: str  # an arm, or a question
    shift: Shift
    margin: float | None  # the change that matters, where one was declared
    verdicts: tuple[str, str] | None = None  # of a question: found, expected
    is_apart: bool = False  # an arm that spreads too much to share others' spread
    level: float = FALSE_ALARMS  # of its test

    @property
    def is_beyond(self) -> bool:
        """Whether it lies further off than chance allows."""
        return self.shift.p < self.level

    @property
    def is_turned(self) -> bool:
        """Whether the verdicts contradict each other."""
        return self.verdicts is not None and {*self.verdicts} in OPPOSITE

    @property
    def tolerance(self) -> float:
        """How far chance alone lets it lie off."""
        return self.shift.tolerance(self.level)

    @property
    def noticed(self) -> float:
        """The smallest change that would have been noticed with 80 %."""
        return self.shift.noticed(self.level)

    @property
    def is_blind(self) -> bool:
        """Whether a change as large as the margin could have gone unnoticed."""
        return self.margin is not None and self.noticed > self.margin

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.of} of {self.about} on {self.dataset}"


@dataclass(frozen=True)
class Comparison:
    """What came of it, and all that it rests on."""

    outcome: Literal["identical", "same", "different", "cannot tell"]
    around: str  # code, data and processors of both sides
    unlike: tuple[str, ...]  # where the two are not the same experiment, or end otherwise
    lacking: tuple[str, ...]  # figures of the reference that the repetition has not
    rows: tuple[Row, ...]
    same_seeds: dict[Key, Pairs]
    same_weights: tuple[int, int]  # so many, of so many runs of the same seed


def compare(found: Content, expected: Content) -> Comparison:
    """Hold a repetition against its reference, both as `make_reference` made them.

    Questions keep the margin that the reference declares.
    """
    values = _values(found), _values(expected)
    arms = _arms(*values)
    shared = {
        key: pools(of_figure) if key[1] == ERROR else own_pools(of_figure)
        for key, of_figure in arms.items()
    }
    rows = _levelled(
        [*_questions(found, expected, arms, shared), *_figures(expected, arms, shared)]
    )
    unlike, lacking = _unlike(found, expected), [*_lacking(found, expected, values[1], arms)]
    runs = _by_run(found), _by_run(expected)
    if unlike or any(row.is_beyond or row.is_turned for row in rows):
        outcome = "different"
    elif runs[0] == runs[1]:
        outcome = "identical"
    elif lacking or not rows or any(row.is_blind for row in rows):
        outcome = "cannot tell"
    else:
        outcome = "same"
    both = runs[0].keys() & runs[1].keys()
    same = sum(len({side[run]["weights_sha256"] for side in runs}) == 1 for run in both)
    return Comparison(
        outcome=outcome,
        around=_around(found, expected),
        unlike=tuple(unlike),
        lacking=tuple(lacking),
        rows=tuple(rows),
        same_seeds=_same_seeds(*values, arms),
        same_weights=(same, len(both)),
    )


# ---------------------------------------------------------------- figures


def _values(content: Content) -> Values:
    """Every figure of every run that has figures."""
    values: Values = {}
    for run in content["runs"]:
        for figure, value in run["figures"].items():
            for arm in run["arms"]:
                of_figure = values.setdefault((run["dataset"], figure), {})
                of_figure.setdefault(arm, {})[run["key"], run["seed"]] = value
    return values


def _arms(found: Values, expected: Values) -> Arms:
    """What both sides have."""
    return {
        key: {
            arm: Arm(np.array([*found[key][arm].values()]), np.array([*runs.values()]))
            for arm, runs in of_figure.items()
            if arm in found[key]
        }
        for key, of_figure in expected.items()
        if key in found
    }


def _figures(expected: Content, arms: Arms, shared: Shared) -> Iterator[Row]:
    """The mean of every figure in every arm, test errors first."""
    for key, of_figure in sorted(arms.items(), key=lambda item: item[0][1] != ERROR):
        for arm, both in of_figure.items():
            margin, pool = expected["margin"] if key[1] == ERROR else None, shared[key][arm]
            apart = key[1] == ERROR and len(pool.arms) == 1 < len(of_figure)
            yield Row(*key, arm, shift([(1, both, pool)]), margin, is_apart=apart)


def _questions(found: Content, expected: Content, arms: Arms, shared: Shared) -> Iterator[Row]:
    """Every declared question that both sides can answer."""
    verdicts = {_asked(question): question["verdict"] for question in found["questions"]}
    for question in expected["questions"]:
        dataset, of, asked = _asked(question)
        terms = [(weight, arm, (dataset, figure)) for weight, arm, figure in question["terms"]]
        if (dataset, of, asked) in verdicts and all(a in arms.get(k, {}) for _, a, k in terms):
            moved = shift([(w, arms[key][arm], shared[key][arm]) for w, arm, key in terms])
            both = verdicts[dataset, of, asked], question["verdict"]
            yield Row(dataset, of, asked, moved, question["margin"], both)


def _asked(question: Content) -> tuple[str, str, str]:
    return question["dataset"], question["of"], question["asked"]


def _levelled(rows: list[Row]) -> list[Row]:
    """Each row with the level of its test.

    Test errors and the questions on accuracy share one half of the false alarms, all other figures
    the other, by Bonferroni's inequality: as one alarm is enough, Holm's method would find no more.
    What is the same in every run of both sides cannot alarm and has no share.
    """
    half = FALSE_ALARMS / 2
    tested = Counter(row.of in ACCURACY for row in rows if row.shift.error or row.shift.difference)
    return [replace(row, level=half / max(1, tested[row.of in ACCURACY])) for row in rows]


def _same_seeds(found: Values, expected: Values, arms: Arms) -> dict[Key, Pairs]:
    """How far the runs of one spec and seed lie apart, for each figure."""
    made = {}
    for key, of_figure in arms.items():
        each = []
        for arm, both in of_figure.items():
            ours, theirs = found[key][arm], expected[key][arm]
            each.append((both, [(ours[run], theirs[run]) for run in ours if run in theirs]))
        made[key] = pairs(each)
    return {key: paired for key, paired in made.items() if paired}


# ---------------------------------------------------------------- the experiments


def _unlike(found: Content, expected: Content) -> list[str]:
    """Arms, specs and outcomes that are others."""
    ours, theirs = _cells(found), _cells(expected)
    lines = [f"{arm} on {dataset}: not in the reference" for dataset, arm in ours.keys() - theirs]
    lines += [f"{arm} on {dataset}: only in the reference" for dataset, arm in theirs.keys() - ours]
    for dataset, arm in ours.keys() & theirs.keys():
        mine, other = ours[dataset, arm], theirs[dataset, arm]
        if mine.key != other.key:
            lines.append(f"{arm} on {dataset}: spec {mine.key}, reference {other.key}")
        elif mine.failed != other.failed:
            words = f"{_failures(mine)} of {mine.runs} runs; reference {_failures(other)}"
            lines.append(f"{arm} on {dataset}: {words} of {other.runs}")
    return sorted(lines)


@dataclass(frozen=True)
class _Cell:
    """An arm's spec, its number of runs, and how many of these failed in which way."""

    key: str
    runs: int
    failed: Counter


def _failures(cell: _Cell) -> str:
    return (
        listed([f"{count} {word}" for word, count in sorted(cell.failed.items())]) or "no failure"
    )


def _cells(content: Content) -> dict[tuple[str, str], _Cell]:
    runs: dict[tuple[str, str], list[Content]] = {}
    for run in content["runs"]:
        for arm in run["arms"]:
            runs.setdefault((run["dataset"], arm), []).append(run)
    return {
        place: _Cell(
            key=each[0]["key"],
            runs=len(each),
            failed=Counter(run["status"] for run in each if run["status"] != "completed"),
        )
        for place, each in runs.items()
    }


def _lacking(found: Content, expected: Content, values: Values, arms: Arms) -> Iterator[str]:
    """What the reference holds and the repetition cannot be held against."""
    for (dataset, figure), of_figure in values.items():
        absent = [arm for arm in of_figure if arm not in arms.get((dataset, figure), {})]
        yield from (f"{figure} of {arm} on {dataset}" for arm in absent)
    asked = {_asked(question) for question in found["questions"]}
    for question in expected["questions"]:
        if (key := _asked(question)) not in asked:
            yield f"the question of {key[1]}, {key[2]} on {key[0]}"


def _by_run(content: Content) -> dict[tuple[str, str, int], Content]:
    return {(run["dataset"], run["key"], run["seed"]): run for run in content["runs"]}


def _around(found: Content, expected: Content) -> str:
    """Code, data and processors of both sides."""
    sides = found, expected
    same = [
        f"{'same' if found[key] == expected[key] else 'other'} {word}"
        for key, word in (("code_hash", "code"), ("data_digest", "data"))
    ]
    here, there = (" and ".join(sorted(_machines(side))) for side in sides)
    same.append(f"both on {here}" if here == there else f"on {here}; reference on {there}")
    return ", ".join(same)


def _machines(content: Content) -> set[str]:
    return {
        f"{each['processor']}, {each['device']}, torch {each['libraries'].get('torch', '?')}"
        for each in content["environments"]
    }
