"""Every test of every claim with what came of it, and how much of the whole that is.

The form is that of a rubric as in PaperBench (Starace et al. 2025): a tree whose leaves are
*implemented*, *executed* and *result matches*, one of each for every test of a claim.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aib.claims.judging import JUDGES
from aib.claims.words import DECIDED, NOT_TESTED, SUPPORTED, UNDECIDED, Judged
from aib.errors import AibError
from aib.params import ParameterError, Parameters, check_claims, nearest
from aib.params.claims import (
    AnyTest,
    Claim,
    ClaimGroup,
    Contrasted,
    Measured,
    Missing,
    Placed,
    kind,
)
from aib.reading import as_written, read_json
from aib.reporting.ending import was_checked
from aib.reporting.evaluations import teller
from aib.reporting.words import listed
from aib.studies.plan import Plan, plan

LEAVES = ("implemented", "executed", "matches")


@dataclass(frozen=True)
class Finding:
    """One test of a claim: a word, the numbers it rests on, and what it would take to decide it."""

    group: str
    claim: str
    source: str
    ours: bool  # asked here, and not claimed by the paper
    study: str  # empty where none asks
    where: str  # dataset, scale and study
    asked: str
    word: str
    found: str
    wanted: str

    @property
    def implemented(self) -> bool:
        """Is there a study that asks it?"""
        return bool(self.study)

    @property
    def executed(self) -> bool:
        """Has that study been run and reported?"""
        return self.word != NOT_TESTED

    @property
    def matches(self) -> bool:
        """Did it come out as the paper says?"""
        return self.word == SUPPORTED

    def content(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self) | {name: getattr(self, name) for name in LEAVES}


def ledger(parameters: Parameters, reports: Path) -> list[Finding]:
    """Every test of every claim, in the order of params/claims.yaml.

    `AibError` names a test whose question its study does not declare.
    """
    check_claims(parameters)
    return [
        _finding(parameters, reports, group, claim, test, f"{group_name}.claims.{name}")
        for group_name, group in parameters.claims.items()
        for name, claim in group.claims.items()
        for test in claim.tests
    ]


def coverage(findings: Sequence[Finding]) -> dict[str, Any]:
    """Of the tests of the paper's own claims: how many are implemented, executed, as it says.

    And how many of those that were executed came to each word.
    """
    asked = [each for each in findings if not each.ours]
    counts = {name: sum(getattr(each, name) for each in asked) for name in LEAVES}
    words = Counter(each.word for each in asked if each.executed)
    return {"tests": len(asked), **counts, "words": {w: words[w] for w in DECIDED if words[w]}}


def _finding(
    parameters: Parameters,
    reports: Path,
    group: ClaimGroup,
    claim: Claim,
    test: AnyTest,
    place: str,
) -> Finding:
    where, study = "", ""
    if isinstance(test, Missing):
        judged = Judged(NOT_TESTED, wanted=test.missing)
    else:
        study, where = test.study, f"{test.dataset}, study {test.study}"
        try:
            made = plan(parameters, study)
        except ParameterError as error:
            judged = Judged(NOT_TESTED, wanted=f"the study has a mistake: {error}")
        else:
            where = f"{test.dataset}, scale {made.study.scale}, study {study}"
            _check_asked(parameters, made, test, place)
            judged = _judged(made, test, reports)
    return Finding(
        group=group.title,
        claim=claim.claim,
        source=claim.source,
        ours=claim.ours,
        study=study,
        where=where,
        asked=_asked(test),
        word=judged.word,
        found=judged.found,
        wanted=judged.wanted,
    )


def _judged(made: Plan, test: AnyTest, reports: Path) -> Judged:
    path = reports / test.study / "summary.json"
    if not path.exists():
        command = f"snakemake --cores all --config study={test.study}"
        return Judged(NOT_TESTED, wanted=f"its {len(made.runs)} runs are not made: {command}")
    with as_written(path, "run the pipeline again"):
        found = JUDGES[kind(test)](read_json(path), test)
    open_end = made.study.checked_in is not None and not was_checked(made.study, reports)
    if found and open_end and isinstance(test, Contrasted) and found.word != UNDECIDED:
        check = f"snakemake --cores all --config study={made.study.checked_in}"
        return Judged(
            UNDECIDED, found.found, f"whether training was over is not known; {check} tells"
        )
    return found or Judged(NOT_TESTED, wanted="the study was reported without it; report it again")


def _asked(test: AnyTest) -> str:
    """The test in words."""
    if isinstance(test, Missing):
        return ""
    if isinstance(test, Placed):
        side, limit = ("above", test.above) if test.below is None else ("below", test.below)
        of = f"{test.evaluation}, " if test.evaluation else ""
        return f"{of}{test.figure} of {listed(test.arms)}: {side} {limit:g}?"
    pair = f"{test.treatment} against {test.control}"
    if isinstance(test, Contrasted):
        return f"{pair}: {test.expects}?"
    if isinstance(test, Measured):
        return f"{test.evaluation}, {test.figure} of {pair}: {test.expects}?"
    return f"{test.cost.replace('_', ' ')} of {pair}: below {test.below:g} times?"


# ---------------------------------------------------------------- is it asked at all?


def _check_asked(parameters: Parameters, made: Plan, test: AnyTest, place: str) -> None:
    """A question must stand in its study, and a figure in its evaluation, or none can answer."""
    if isinstance(test, Contrasted):
        questions = [(q.treatment, q.control) for q in made.questions]
        if made.study.factorial:
            questions += [(part, f"no {part}") for part in ("attention", "bottleneck")]
        declared = {f"{treatment} against {control}" for treatment, control in questions}
        _refuse_unknown(place, test, f"{test.treatment} against {test.control}", declared)
    elif isinstance(test, Measured):
        declared = {
            f"{m.evaluation}, {m.figure} of {m.treatment} against {m.control}"
            for m in made.study.measures
        }
        asked = f"{test.evaluation}, {test.figure} of {test.treatment} against {test.control}"
        _refuse_unknown(place, test, asked, declared)
    elif isinstance(test, Placed) and test.evaluation is not None:
        columns = teller(parameters.evaluations[test.evaluation].kind).COLUMNS
        if test.figure not in columns:
            raise AibError(
                f"params/claims.yaml: {place}: '{test.evaluation}' has no figure '{test.figure}'; "
                + nearest(test.figure, set(columns))
            )


def _refuse_unknown(place: str, test: AnyTest, asked: str, declared: set[str]) -> None:
    if asked not in declared:
        raise AibError(
            f"params/claims.yaml: {place}: study '{test.study}' does not ask '{asked}'; "
            + nearest(asked, declared or {"nothing of this kind"})
        )
