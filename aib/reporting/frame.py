"""All runs as one table, for whoever analyses them further."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aib.errors import AibError
from aib.evidence import study_of
from aib.files import RESULT
from aib.params import load
from aib.record import Record, read
from aib.reporting.collect import headline
from aib.reporting.evaluations import per_run, teller
from aib.reporting.gathering import gathered
from aib.studies.plan import plan

if TYPE_CHECKING:
    from pandas import DataFrame

Row = dict[str, Any]


def runs(
    results: Path | str = "results", study: str | None = None, project: Path | str = "."
) -> "DataFrame":
    """A row for every finished run.

    The columns: study and arm, where a study is asked for; dataset, model, key, seed, status;
    scored, the split that errors and rates are of; error, in per cent, and rate, in bits an image,
    at the study's checkpoint, else of the last epoch; seconds of training and evaluation;
    parameters; code_hash; then the headline figures of the evaluations, NAME_FIGURE. What a run
    does not have is NaN. A run that several arms share stands once, under the first of them.

    Args:
        results: a results folder, or a file of evidence (reports/STUDY/evidence/runs.tar.xz).
        study: of params/studies; that of the evidence, or all runs of the folder if not given.
        project: the folder of params/ and reports/, which say what a study consists of.

    Raises:
        AibError: no run is found, or one is damaged.
    """
    from pandas import DataFrame

    results, packed = Path(results), Path(results).is_file()
    if not results.exists():
        raise AibError(f"{results}: no such results folder or file of evidence")
    if packed or study is not None:
        rows = _of_study(results, study or study_of(results), Path(project), packed)
    else:
        records = (read(path.parent) for path in sorted(results.glob(f"runs/*/*/*/*/{RESULT}")))
        rows = [_row(record, "last") for record in records]
    if not rows:
        raise AibError(f"{results}: no run is finished below {results / 'runs'}")
    return DataFrame(rows).astype({"parameters": "Int64"})


def _of_study(results: Path, study: str, project: Path, packed: bool) -> list[Row]:
    whole = plan(load(project), study)
    folders = (None, results) if packed else (results, None)
    reports = project / "reports" / study
    allowed = {"allow_mixed_code": True, "allow_missing": True}
    with gathered(whole, folders[0], reports, folders[1], **allowed) as found:
        checkpoint = found.plan.study.checkpoint
        return [
            {"study": study, "arm": cells[0].arm} | _row(record, checkpoint)
            for record, cells in found.runs
        ]


def _row(record: Record, checkpoint: str) -> Row:
    result, cost = record.result, record.result["cost"]
    names = {name: result["names"][name] for name in ("dataset", "model")}
    row = names | {name: result[name] for name in ("key", "seed", "status")}
    figures = {"error": math.nan, "rate": math.nan}
    if record.has_figures:
        figures = {name: headline(record, name, checkpoint) for name in figures}
    row |= {"scored": result.get("scored")} | figures
    row["seconds"] = cost["step_seconds"] + cost["evaluation_seconds"]
    row |= {"parameters": result.get("parameters"), "code_hash": result["code_hash"]}
    for name, told in per_run(record):
        kind = record.evaluation[name]["identity"]["parameters"]["kind"]
        row |= {f"{name}_{column}": told.get(column) for column in teller(kind).HEADLINE}
    return row
