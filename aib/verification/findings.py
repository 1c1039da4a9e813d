"""What was looked at, what is wrong with it, and what could not be looked at."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from aib.errors import AibError
from aib.terminal import printable

CHECKS = {
    "declared": "every declared run is there, and no other",
    "files": "each file of a run has the digest that training sealed",
    "record": "result.json has the form of a record, and is its copy",
    "spec": "spec, key, seed, names and place belong together",
    "history": "the epochs are those of the spec, and give the result's figures",
    "predictions": "accuracy and cross-entropy, from the predictions",
    "maps": "attention maps and anchors are in their range and of their number",
    "weights": "parameters are counted and finite; no two runs share weights",
    "evaluations": "figures of the evaluations, from arrays and predictions",
    "code": "one version of the training code, and that of this checkout",
    "data": "prepared arrays have the digest that the runs saw",
    "evidence": "evidence tells of the same weights what the runs here do",
    "report": "statistics, verdicts, tables and page, from the records",
    "retraining": "runs trained again give the same",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is not what it should be."""

    check: str
    where: str
    what: str

    def line(self) -> str:
        """The problem in one line."""
        return printable(f"{self.check}: {self.where}: {self.what}")


@dataclass
class Findings:
    """The outcome of a verification, by check."""

    looked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CHECKS, 0))
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what could not be looked at, and why

    def look(self, check: str, where: object, problems: Iterable[str]) -> None:
        """Count one thing looked at, with its problems.

        What is handed over may be anything: content that a check cannot even digest is a finding.
        """
        self.looked[check] += 1
        try:
            for what in problems:
                self.problems.append(Problem(check, str(where), what))
        except AibError as error:
            self.problems.append(Problem(check, str(where), str(error)))
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            self.problems.append(Problem(check, str(where), f"cannot be checked ({said[:200]})"))

    def content(self) -> dict[str, Any]:
        """All of it, for programs."""
        return {
            "looked": self.looked,
            "problems": [asdict(problem) for problem in self.problems],
            "notes": self.notes,
        }
