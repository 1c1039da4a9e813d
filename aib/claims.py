"""The ledger: each claim of the paper with its verdicts, from the reports of studies alone."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from aib.errors import AibError
from aib.files import read_json
from aib.params import ParameterError, Parameters, check_claims, nearest
from aib.params.claims import AnyTest, Claim, ClaimGroup, Contrasted, Evaluated, Missing
from aib.reporting.evaluations import teller
from aib.reporting.summary import seeds_words
from aib.reporting.words import estimated, listed, number
from aib.statistics import Interval
from aib.studies.plan import Plan, plan

SUPPORTED, CONTRADICTED = "supported", "contradicted"
UNDECIDED, NOT_TESTED = "undecided", "not tested here"
# An effect may be there; it is too small to matter.
SMALL = "within the margin"
ENDS = ("", "_low", "_high")


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
        return asdict(self) | {
            name: getattr(self, name) for name in ("implemented", "executed", "matches")
        }


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


def coverage(findings: list[Finding]) -> dict[str, int]:
    """Of the tests of the paper's own claims: how many are implemented, executed, as it says."""
    asked = [each for each in findings if not each.ours]
    counts = {
        name: sum(getattr(each, name) for each in asked)
        for name in ("implemented", "executed", "matches")
    }
    return {"tests": len(asked)} | counts


def _finding(
    parameters: Parameters,
    reports: Path,
    group: ClaimGroup,
    claim: Claim,
    test: AnyTest,
    place: str,
) -> Finding:
    def said(word: str, found: str = "", wanted: str = "") -> Finding:
        return Finding(
            group=group.title,
            claim=claim.claim,
            source=claim.source,
            ours=claim.ours,
            study="" if isinstance(test, Missing) else test.study,
            where=where,
            asked=_asked(test),
            word=word,
            found=found,
            wanted=wanted,
        )

    where = ""
    if isinstance(test, Missing):
        return said(NOT_TESTED, wanted=test.missing)
    where = f"{test.dataset}, study {test.study}"
    try:
        made = plan(parameters, test.study)
    except ParameterError as error:
        return said(NOT_TESTED, wanted=f"the study has a mistake: {error}")
    where = f"{test.dataset}, scale {made.study.scale}, study {test.study}"
    if isinstance(test, Contrasted):
        _check_declared(made, test, place)
    else:
        columns = teller(parameters.evaluations[test.evaluation].kind).COLUMNS
        if test.figure not in columns:
            raise AibError(
                f"params/claims.yaml: {place}: '{test.evaluation}' has no figure '{test.figure}'; "
                + nearest(test.figure, set(columns))
            )
    path = reports / test.study / "summary.json"
    summary = read_json(path) if path.exists() else None
    judge = _judged if isinstance(test, Contrasted) else _placed
    found = summary and judge(summary, test)
    if summary and not found:
        return said(NOT_TESTED, wanted="the study was reported without it; report it again")
    if not found:
        return said(
            NOT_TESTED, wanted=f"{len(made.runs)} runs: snakemake --config study={test.study}"
        )
    return said(*found)


def _asked(test: AnyTest) -> str:
    if isinstance(test, Missing):
        return ""
    if isinstance(test, Contrasted):
        return f"{test.treatment} against {test.control}: {test.expects}?"
    side, limit = ("above", test.above) if test.below is None else ("below", test.below)
    return f"{test.evaluation}, {test.figure} of {listed(test.arms)}: {side} {limit:g}?"


def _check_declared(made: Plan, test: Contrasted, place: str) -> None:
    """The question must stand in its study: as a contrast, an ablation's, or a main effect."""
    questions = [(q.treatment, q.control) for q in made.questions]
    if made.study.factorial:
        questions += [(part, f"no {part}") for part in ("attention", "bottleneck")]
    if (test.treatment, test.control) not in questions:
        asked, declared = (
            f"{test.treatment} against {test.control}",
            {f"{treatment} against {control}" for treatment, control in questions},
        )
        raise AibError(
            f"params/claims.yaml: {place}: study '{test.study}' does not ask '{asked}'; "
            + nearest(asked, declared)
        )


def _judged(summary: dict[str, Any], test: Contrasted) -> tuple[str, str, str] | None:
    """The verdict of a question, as it bears on the claim."""
    asked = {"dataset": test.dataset, "treatment": test.treatment, "control": test.control}
    rows = [row for row in summary["verdicts"] if asked.items() <= row.items()]
    if not rows:
        return None
    (row,) = rows
    if row["difference"] is None:
        return UNDECIDED, row["reason"], ""
    found = number(row["difference"], sign="+")
    if row["low"] is not None:
        found += f" [{number(row['low'], sign='+')}, {number(row['high'], sign='+')}]"
    found += f" points, {row['verdict']}, n = {row['n_treatment']} and {row['n_control']}"
    if row["verdict"] == "undecided":
        return UNDECIDED, found, seeds_words(row)
    if row["verdict"] == test.expects:
        return SUPPORTED, found, ""
    return (SMALL if row["verdict"] == "equivalent" else CONTRADICTED), found, ""


def _placed(summary: dict[str, Any], test: Evaluated) -> tuple[str, str, str] | None:
    """On which side of the limit the intervals of all named arms lie."""
    told = summary.get("evaluations", {}).get(test.dataset, {}).get(test.evaluation)
    rows = [told["arms"].get(arm) for arm in test.arms] if told else [None]
    if None in rows or any(row.get(test.figure) is None for row in rows):
        return None
    figures = [
        [math.nan if row[test.figure + end] is None else row[test.figure + end] for end in ENDS]
        for row in rows
    ]
    known = [Interval(*each, 1 - summary["alpha"]) for each in figures]
    found = "; ".join(
        f"{arm} {estimated(each)}" for arm, each in zip(test.arms, known, strict=True)
    )
    if any(math.isnan(each.low) for each in known):
        return UNDECIDED, found, "more than one run an arm"
    limit = test.above if test.below is None else test.below
    above = [each.low > limit for each in known]
    below = [each.high < limit for each in known]
    wanted, opposite = (above, below) if test.below is None else (below, above)
    if all(wanted):
        return SUPPORTED, found, ""
    if all(opposite):
        return CONTRADICTED, found, ""
    return UNDECIDED, found, "intervals on one side, which takes more seeds where they are wide"


# ---------------------------------------------------------------- as text


STYLES = {
    SUPPORTED: "green",
    CONTRADICTED: "red",
    SMALL: "blue",
    UNDECIDED: "yellow",
    NOT_TESTED: "dim",
}


def show(findings: list[Finding]) -> None:
    """Print the ledger: groups, claims, tests, and how much of it there is."""
    console = Console(highlight=False, soft_wrap=True)
    seen: set[str] = set()
    for test in findings:
        if test.group not in seen:
            console.print(Text(f"\n{test.group}", style="bold"))
        if test.claim not in seen:
            console.print(Text(f"  {test.claim} ({test.source})"))
        seen |= {test.group, test.claim}
        line = Text(f"    {test.word:<18}", style=STYLES[test.word])
        said = (test.asked, test.found, test.where, test.wanted)
        console.print(line.append("; ".join(filter(None, said)), style="default"))
    counts = coverage(findings)
    console.print(
        f"\n{counts['tests']} tests of the paper's claims: {counts['implemented']} implemented, "
        f"{counts['executed']} executed, {counts['matches']} as the paper says"
    )
