"""Every table of the report as rows, and as CSV."""

import csv
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from aib.params import Published
from aib.record import Record
from aib.reporting.agreement import agreement
from aib.reporting.collect import CellResults, StudyResults, optimism
from aib.reporting.deviation import deviation_rows
from aib.reporting.evaluations import tell
from aib.reporting.measures import measure_rows
from aib.reporting.questions import (
    MAIN_EFFECTS,
    correct,
    interaction_rows,
    predicts,
    shared_seeds,
    sources,
    verdict_rows,
)
from aib.reporting.summary import cell_summary
from aib.statistics import mcnemar

Row = dict[str, Any]
HISTORY = (
    *("epoch", "learning_rate", "loss", "cross_entropy", "rate", "train_accuracy"),
    *("validation_accuracy", "validation_rate"),
    *("test_accuracy", "test_cross_entropy", "test_rate"),
)


def make_tables(results: StudyResults, published: Published | None = None) -> dict[str, list[Row]]:
    """All tables that apply to the study, by name."""
    tables = {
        "runs": [run_row(record, cells) for record, cells in results.runs],
        "arms": [
            _identity(cell) | _flat(cell_summary(results, cell))
            for dataset in results.datasets
            for cell in results.distinct(dataset)
        ],
        "main_effects": [row for row in verdict_rows(results) if row["family"] == MAIN_EFFECTS],
        "interactions": interaction_rows(results),
        "contrasts": [row for row in verdict_rows(results) if row["family"] != MAIN_EFFECTS],
        "measures": measure_rows(results),
        "ablations": list(_ablation_rows(results)),
        "optimism": list(_optimism_rows(results)),
        "per_class": list(_class_rows(results)),
        "mcnemar": list(_mcnemar_rows(results)),
        "published": deviation_rows(results, published) if published else [],
        "failures": failure_rows(results),
        "history": list(_history_rows(results)),
        "stability": [
            {"dataset": dataset} | row
            for dataset in results.datasets
            for row in agreement(results, dataset).rows
        ],
    }
    for told in (each for dataset in results.datasets for each in tell(results, dataset)):
        dataset = {"dataset": told.dataset}
        tables.setdefault(told.name, []).extend(dataset | row for row in told.rows)
        tables.setdefault(f"{told.name}_runs", []).extend(dataset | row for row in told.run_rows)
    return {name: rows for name, rows in tables.items() if rows}


def write_tables(tables: dict[str, list[Row]], folder: Path) -> None:
    """Write each table as folder/NAME.csv; columns in order of first use, six digits."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows({k: _cell_text(v) for k, v in row.items()} for row in rows)


def _cell_text(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return f"{value:.6g}" if math.isfinite(value) else ""
    if isinstance(value, list):
        return "; ".join(map(str, value))
    return "" if value is None else value


def _flat(content: Row) -> Row:
    """Nested dicts as one level; the separate seeds are left to the table of runs."""
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            nested = {k: v for k, v in value.items() if not isinstance(v, dict)}
            flat |= {f"{key}_{inner}": v for inner, v in nested.items()}
        else:
            flat[key] = value
    return flat


def _identity(cell: CellResults) -> Row:
    return {
        "dataset": cell.dataset,
        "arm": cell.arm,
        "model": cell.model,
        "protocol": cell.spec.names.protocol,
    }


def _run_identity(record: Record, cells: list[CellResults]) -> Row:
    result = record.result
    return {
        "dataset": result["names"]["dataset"],
        "arms": [cell.arm for cell in cells],
        "key": result["key"],
        "seed": result["seed"],
    }


def run_row(record: Record, cells: list[CellResults]) -> Row:
    """One run with everything its record states in numbers."""
    result = record.result
    row = _run_identity(record, cells) | {"status": result["status"]}
    if record.has_figures:
        row |= {
            "test_error": cells[0].headline(record, "error"),
            "selected": result["selected"],
            "headline": result["headline"],
        }
        for choice, figures in result["figures"].items():
            row |= {f"{choice}_{k}": v for k, v in (figures or {}).items()}
        for mode, splits in result["evaluation"].items():
            for split, figures in splits.items():
                row |= {f"evaluation_{mode}_{split}_{k}": v for k, v in figures.items()}
        row["parameters"] = result["parameters"]
    row |= {f"cost_{k}": v for k, v in result["cost"].items()}
    hashes = {k: result.get(k) for k in ("code_hash", "data_digest", "weights_sha256")}
    return row | hashes


def _ablation_rows(results: StudyResults) -> Iterable[Row]:
    verdicts = {(row["dataset"], row["treatment"]): row for row in verdict_rows(results)}
    for dataset in results.datasets:
        for name, ablation in results.plan.study.ablations.items():
            for value, cell in results.ablation(dataset, name):
                own = cell.arm == ablation.arm  # else its name holds the value
                judged = {} if own else verdicts[dataset, cell.arm]
                yield {
                    "dataset": dataset,
                    "ablation": name,
                    "arm": ablation.arm,
                    "parameter": ablation.parameter,
                    "value": value,
                    "own_value": own,
                    **_flat(cell_summary(results, cell)),
                    **{
                        k: judged.get(k)
                        for k in ("difference", "low", "high", "p_adjusted", "verdict")
                    },
                }


def _optimism_rows(results: StudyResults) -> Iterable[Row]:
    for record, cells in results.runs:
        if record.has_figures:
            figures = {k: v for k, v in record.result["figures"].items() if v}
            scored = record.result["scored"]
            yield _run_identity(record, cells) | {
                **{f"{k}_accuracy": 100 * v[f"{scored}_accuracy"] for k, v in figures.items()},
                **{f"{k}_epoch": v["epoch"] for k, v in figures.items()},
                "optimism": optimism(record),
            }


def class_names(cell: CellResults, count: int) -> list[str]:
    """Names of the classes, or their numbers where the dataset has no names."""
    return list(getattr(cell.spec.dataset, "classes", map(str, range(count))))


def _class_rows(results: StudyResults) -> Iterable[Row]:
    for cell in results.cells:
        runs = [record for record in cell.counted if record.predictions]
        if not runs or cell.cell.ablation:
            continue
        labels = runs[0].predictions["labels"]
        right = np.stack([correct(record) for record in runs])
        names = class_names(cell, int(labels.max()) + 1)
        for number, name in enumerate(names):
            error = 100 - 100 * right[:, labels == number].mean(axis=1)
            yield {
                "dataset": cell.dataset,
                "arm": cell.arm,
                "class": name,
                "examples": int((labels == number).sum()),
                "n": len(runs),
                "test_error_mean": error.mean(),
                "test_error_std": error.std(ddof=1) if error.size > 1 else None,
                "test_error_min": error.min(),
                "test_error_max": error.max(),
            }


def _mcnemar_rows(results: StudyResults) -> Iterable[Row]:
    """One exact test a pair of runs from the same seed; never pooled over seeds.

    Left out where a run kept other weights than those of the study's checkpoint.
    """
    for question in results.plan.questions:
        treatment = results.cell(question.dataset, question.treatment)
        control = results.cell(question.dataset, question.control)
        for a, b in shared_seeds(treatment, control):
            if predicts(results, a) and predicts(results, b):
                right = correct(a), correct(b)
                test = mcnemar(*right, sources(results, question.dataset, len(right[0])))
                yield {
                    "dataset": question.dataset,
                    "treatment": question.treatment,
                    "control": question.control,
                    "seed": a.result["seed"],
                    "only_treatment_right": test.only_a,
                    "only_control_right": test.only_b,
                    "p": test.p,
                }


def failure_rows(results: StudyResults) -> list[Row]:
    """Runs that diverged, and runs that are missing from a report that allows it."""
    diverged = [
        _run_identity(record, cells)
        | {"status": "diverged", **{k: record.result[k] for k in ("epoch", "step", "reason")}}
        for record, cells in results.runs
        if not record.has_figures
    ]
    absent = {
        run.folder: {
            "dataset": cell.dataset,
            "arms": [cell.arm],
            "key": run.key,
            "seed": run.seed,
            "status": "missing",
        }
        for cell in results.cells
        for run in cell.missing
    }
    return diverged + list(absent.values())


def _history_rows(results: StudyResults) -> Iterable[Row]:
    for record, cells in results.runs:
        for line in record.history:
            yield _run_identity(record, cells) | {k: line.get(k) for k in HISTORY}
