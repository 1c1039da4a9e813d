"""What `aib verify` prints: a table of checks, a line a problem, what was not looked at."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aib.errors import AibError
from aib.params import Parameters, load
from aib.provenance import TRAINING, code_hash
from aib.terminal import print_whole, table
from aib.verification.findings import CHECKS, Findings
from aib.verification.given import Given
from aib.verification.together import code_of_commit
from aib.verification.verify import Target, cell_of, target, verify


class Retrain(NamedTuple):
    """How many runs to train again, which, and on what."""

    count: int
    seed: int | None
    device: str


def verify_target(
    name: str,
    study: str | None,
    results: Path,
    reports: Path,
    commit: str | None,
    again: Retrain,
) -> Findings:
    """Verify a study, a folder or a file of evidence; nothing is printed."""
    parameters = load(Path.cwd())
    here = code_hash(TRAINING)
    code = code_of_commit(commit) if commit else here
    where = f"commit {commit}" if commit else "this checkout"
    with target(parameters, name, study, results, reports) as given:
        findings, runs = verify(parameters, given, code, where, current=code == here)
        if again.count:
            if code != here:
                raise AibError("--retrain trains by this checkout's code: check that commit out")
            _retrain(findings, given, parameters, runs, code, again)
    return findings


def _retrain(
    findings: Findings,
    given: Target,
    parameters: Parameters,
    runs: Sequence[Given],
    code: str,
    again: Retrain,
) -> None:
    from aib.evaluation.subject import Surroundings  # torch from here on
    from aib.training.device import prepare_device
    from aib.verification.retraining import draw, retrain

    seed = random.SystemRandom().randrange(2**32) if again.seed is None else again.seed
    findings.notes.append(f"retraining: drawn with --draw-seed {seed}")
    around = Surroundings(
        given.results / "data", parameters.label_maps, prepare_device(again.device, "fp32")
    )
    for run in draw(runs, again.count, seed):
        found = retrain(
            run,
            cell_of(run, runs),
            code,
            given.results,
            again.device,
            parameters.evaluations,
            around,
        )
        findings.look("retraining", run.place, found)


def show(findings: Findings, runs: str) -> None:
    """The findings on the terminal."""
    rows = table(f"verified: {runs}", "check", "looked at", "problems", "", right=("looked at",))
    counts = dict.fromkeys(CHECKS, 0)
    for problem in findings.problems:
        counts[problem.check] += 1
    for check, says in CHECKS.items():
        looked = findings.looked[check]
        if looked:
            wrong = f"[red]{counts[check]}[/]" if counts[check] else "[green]none[/]"
            rows.add_row(check, str(looked), wrong, says)
    print_whole(rows)
    for note in findings.notes:
        print(f"not checked: {note}" if not note.startswith("retraining") else note)
    for problem in findings.problems:
        print(problem.line())
    count = len(findings.problems)
    print("no problem found" if not count else f"{count} problem{'s' * (count > 1)} found")
