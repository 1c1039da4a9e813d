"""What is kept of a study to tell later whether a repetition agrees with it."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from aib.errors import AibError
from aib.files import read_json
from aib.numbers import plain
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.evaluations import Told, tell
from aib.reporting.measures import measure_rows
from aib.reporting.questions import verdict_rows
from aib.reporting.summary import provenance
from aib.studies.blocks import MAIN_EFFECTS

SCHEMA = 2  # the first had no evaluations and no questions
ERROR, RATE = "test error", "rate"
Content = dict[str, Any]
# Of a weighted sum of arms' means: weight, arm and figure of each.
Terms = list[tuple[float, str, str]]


def make_reference(results: StudyResults) -> Content:
    """Every run with its digests and headline figures, and every declared question.

    Test errors are in per cent, rates in bits, figures of evaluations as these have them.
    """
    found, study = provenance(results), results.plan.study
    told = {dataset: tell(results, dataset) for dataset in results.datasets}
    asked = {(m.evaluation, figure) for m in study.measures for figure in _both(m.model_dump())}
    runs = []
    for record, cells in results.runs:
        dataset = cells[0].dataset
        distinct = [cell for cell in cells if cell in results.distinct(dataset)]
        runs.append(_run(record, distinct, told[dataset], asked))
    content = {
        "schema": SCHEMA,
        "study": results.plan.name,
        "margin": study.margin,
        **{key: found[key] for key in ("code_hash", "data_digest", "environments")},
        "questions": _questions(results),
        "runs": runs,
    }
    # As it is read back, or the same runs would not be identical.
    return json.loads(json.dumps(plain(content)))


def read_reference(path: Path) -> Content:
    """A reference from its file; `AibError` for what is none."""
    content = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise AibError(
            f"{path}: no reference of schema {SCHEMA}; write it anew with `aib accept STUDY`, from "
            "the runs or from evidence of them"
        )
    return content


def _run(record: Record, cells: list[CellResults], told: list[Told], asked: set) -> Content:
    result, counted = record.result, record in cells[0].counted
    numbers = {name: record.numbers(name) for name in record.evaluation}
    return {
        "dataset": result["names"]["dataset"],
        "arms": [cell.arm for cell in cells],
        "key": result["key"],
        "seed": result["seed"],
        "status": record.status,
        "weights_sha256": result.get("weights_sha256"),
        "figures": _figures(record, cells[0], told, asked) if counted else {},
        "evaluations": {k: _digest(found) for k, found in numbers.items() if found is not None},
    }


def _figures(
    record: Record, cell: CellResults, told: list[Told], asked: set[tuple[str, str]]
) -> dict[str, float]:
    """The values that a run is compared by: headline figures, and what the study asks about."""
    found = {ERROR: cell.headline(record, "error"), RATE: cell.headline(record, "rate")}
    for each in told:
        row = each.figures(record) if record.numbers(each.name) is not None else {}
        for column, value in row.items():
            wanted = column in each.teller.HEADLINE or (each.name, column) in asked
            if wanted and value is not None:
                found[_name(each.name, column)] = value
    return found


def _questions(results: StudyResults) -> list[Content]:
    """What the study asks of accuracy, then of evaluations, with verdict and terms."""
    study = results.plan.study
    asked = []
    for row in verdict_rows(results):
        pair = row["treatment"], row["control"]
        terms: Terms = [(-1, pair[0], ERROR), (1, pair[1], ERROR)]
        if row["family"] == MAIN_EFFECTS:
            added = getattr(study.factorial, row["treatment"]), study.factorial.both
            terms = [(-0.5 if a in added else 0.5, a, ERROR) for a in study.factorial.arms]
        asked.append((row, "accuracy", terms))
    for row in measure_rows(results):
        names = [_name(row["evaluation"], figure) for figure in _both(row)]
        terms = [(1, row["treatment"], names[0]), (-1, row["control"], names[1])]
        asked.append((row, names[0], terms))
    return [
        {
            "dataset": row["dataset"],
            "of": of,
            "asked": f"{row['treatment']} against {row['control']}",
            "verdict": row["verdict"],
            **{key: row[key] for key in ("difference", "low", "high", "margin")},
            "terms": terms,
        }
        for row, of, terms in asked
    ]


def _both(measure: Content) -> tuple[str, str]:
    """The figure of the treatment and that of the control."""
    return measure["figure"], measure["control_figure"] or measure["figure"]


def _name(evaluation: str, column: str) -> str:
    return f"{evaluation} {column}"


def _digest(numbers: Content) -> str:
    return sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:12]
