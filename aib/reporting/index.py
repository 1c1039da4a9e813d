"""The page over all studies: the ledger of claims, then every study that was reported."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from aib.claims import Finding, coverage
from aib.params import Parameters
from aib.reading import as_written, read_json
from aib.reporting.answer import answer
from aib.reporting.ending import was_checked
from aib.reporting.page import environment


def write_index(parameters: Parameters, findings: Sequence[Finding], reports: Path) -> Path:
    """Write reports/index.html from the ledger and all summaries; return its path."""
    groups = [
        (title, [list(tests) for _, tests in groupby(members, key=lambda each: each.claim)])
        for title, members in groupby(findings, key=lambda each: each.group)
    ]
    path = reports / "index.html"
    path.write_text(
        environment()
        .get_template("index.html.j2")
        .render(
            groups=groups,
            coverage=coverage(list(findings)),
            studies=[_study(parameters, name, reports) for name in parameters.studies],
            drafts=parameters.drafts,
        )
    )
    return path


def _study(parameters: Parameters, name: str, reports: Path) -> dict[str, Any]:
    """What the list of studies says of one; no `answer` where it was not reported."""
    study, path = parameters.studies[name], reports / name / "summary.json"
    told = {"name": name, "title": study.title, "datasets": ", ".join(study.datasets)}
    told |= {"scale": study.scale, "answer": None}
    told["unchecked"] = bool(study.checked_in) and not was_checked(study, reports)
    if path.exists():
        with as_written(path, "run the pipeline again"):
            summary = read_json(path)
            told |= {"answer": answer(summary), "runs": len(summary["runs"])}
    return told
