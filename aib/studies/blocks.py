"""Seeds in blocks: which runs of a study with looks are due, by what its looks decided so far.

The looks are kept in reports/STUDY/looks.json, which `aib look` writes after each block. All arms
are trained for the first block; for each later one only those that an undecided question needs.
The file names the declaration that it was taken of, so that nobody changes it after looking.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

from aib.errors import AibError
from aib.files import read_json
from aib.params import check
from aib.spec.base import Strict
from aib.studies.plan import Plan

LOOKS = "looks.json"
MAIN_EFFECTS = "main effects"  # the family of the factorial's two questions
KEY = ("dataset", "family", "treatment", "control")  # what tells one question from another


@dataclass(frozen=True)
class Asked:
    """A question, contrast or main effect, by its key, and the arms that it needs."""

    key: tuple[str, str, str, str]
    arms: tuple[str, ...]


class Word(Strict):
    """What one look said of a question; the difference in points, with its repeated interval."""

    dataset: str
    family: str
    treatment: str
    control: str
    verdict: Literal["better", "worse", "equivalent", "undecided"]
    difference: float | None
    low: float | None
    high: float | None

    @property
    def key(self) -> tuple[str, ...]:
        """Which question it is of."""
        return tuple(getattr(self, part) for part in KEY)


class Taken(Strict):
    """A look that was taken: after how many seeds an arm, with all questions open until then."""

    seeds: int
    questions: tuple[Word, ...]


class Looks(Strict):
    """The content of looks.json; `declaration` is a digest of all that the looks rest on."""

    study: str
    declaration: str
    looks: tuple[Taken, ...]


def asked(plan: Plan) -> list[Asked]:
    """All questions of a study, the main effects first."""
    study = plan.study
    effects = [
        Asked((dataset, MAIN_EFFECTS, part, f"no {part}"), study.factorial.arms)
        for dataset in (study.datasets if study.factorial else ())
        for part in ("attention", "bottleneck")
    ]
    return effects + [
        Asked((q.dataset, q.family, q.treatment, q.control), (q.treatment, q.control))
        for q in plan.questions
    ]


def taken(plan: Plan, folder: Path) -> tuple[Taken, ...]:
    """The looks in `folder`, reports/STUDY; `AibError` if they are not of this declaration."""
    path = folder / LOOKS
    if not path.exists():
        return ()
    found = check(Looks, read_json(path), str(path))
    if found.declaration != declaration(plan):
        raise AibError(
            f"{path}: was taken before params/studies/{plan.name}.yaml, or what its arms are made "
            "of, was changed; undo the change, or delete this file and take all looks again"
        )
    return found.looks


def declaration(plan: Plan) -> str:
    """A digest of what the looks rest on: level, margin, seeds, arms with keys, questions."""
    study = plan.study
    content = study.model_dump(
        mode="json", include={"alpha", "margin", "looks", "seeds", "checkpoint", "collapsed"}
    )
    content["arms"] = [[cell.dataset, cell.arm, cell.key] for cell in plan.cells]
    content["questions"] = [question.key for question in asked(plan)]
    return "sha256:" + sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def due(plan: Plan, looks: Sequence[Taken]) -> Plan:
    """The plan with the runs alone that are due after these looks; itself if it declares none.

    A decided question needs the seeds at which it was decided, an open one those of the next block.
    """
    if not plan.study.looks:
        return plan
    after = plan.study.looks.after
    # By key, since an ablation's own value has the runs of its arm.
    needed = {(cell.dataset, cell.key): after[0] for cell in plan.cells}
    given = words_given(looks)
    for question in asked(plan):
        seeds = after[min(len(looks), len(after) - 1)]
        if question.key in given:
            seeds, _ = given[question.key]
        for arm in question.arms:
            place = question.key[0], plan.cell(question.key[0], arm).key
            needed[place] = max(needed[place], seeds)
    cells = [replace(cell, runs=cell.runs[: needed[cell.dataset, cell.key]]) for cell in plan.cells]
    return replace(plan, cells=tuple(cells))


def words_given(looks: Sequence[Taken]) -> dict[tuple[str, ...], tuple[int, str]]:
    """Each decided question by its key: after how many seeds an arm, and its verdict."""
    return {
        word.key: (look.seeds, word.verdict)
        for look in reversed(looks)  # the first word is the one that stays
        for word in look.questions
        if word.verdict != "undecided"
    }


def check_declared(plan: Plan) -> None:
    """Refuse a study without looks where they are asked for."""
    if not plan.study.looks:
        raise AibError(f"study '{plan.name}' declares no 'looks': its report judges it, once")


def next_look(plan: Plan, looks: Sequence[Taken]) -> int | None:
    """The number of the look to be taken next, from 1; None where all is decided or looked at."""
    if not plan.study.looks or len(looks) == len(plan.study.looks.after):
        return None
    given = words_given(looks)
    return len(looks) + 1 if any(q.key not in given for q in asked(plan)) else None


def next_words(plan: Plan, number: int) -> str:
    """What is to be done before that look, for a person."""
    after = plan.study.looks.after
    return (
        f"study '{plan.name}' is trained in blocks, and look {number} of {len(after)}, after "
        f"{after[number - 1]} seeds an arm, is due; run: snakemake --cores all block --config "
        f"study={plan.name}"
    )


def check_over(plan: Plan, looks: Sequence[Taken]) -> None:
    """Refuse what needs all looks while one is still to be taken."""
    number = next_look(plan, looks)
    if number:
        raise AibError(next_words(plan, number))
