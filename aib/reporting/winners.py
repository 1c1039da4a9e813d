"""What a tuning study found: the setting of each arm with the best mean validation accuracy."""

from itertools import groupby
from typing import Any

from rich.table import Table

from aib.reporting.collect import CellResults, StudyResults
from aib.studies.tuning import words
from aib.terminal import table

Winners = dict[str, dict[str, dict[str, Any]]]


def settings(results: StudyResults, dataset: str) -> dict[str, list[CellResults]]:
    """The cells of each arm, best first; a setting with a run that failed comes last."""
    cells = [cell for cell in results.cells if cell.dataset == dataset]
    return {
        arm: sorted(group, key=_merit, reverse=True)
        for arm, group in groupby(cells, key=lambda cell: cell.cell.tuned)
    }


def _merit(cell: CellResults) -> tuple[bool, float]:
    whole = len(cell.counted) == len(cell.cell.runs) and not cell.collapsed
    return whole, cell.values("accuracy").mean() if cell.counted else -1.0


def winners(results: StudyResults) -> Winners:
    """Dataset, arm: values, key, mean and standard deviation of accuracy in per cent, runs."""
    return {
        dataset: {arm: _winner(cells[0]) for arm, cells in settings(results, dataset).items()}
        for dataset in results.datasets
    }


def _winner(cell: CellResults) -> dict[str, Any]:
    accuracy = cell.values("accuracy")
    return {
        "values": cell.cell.value,
        "key": cell.spec.key,
        "n": accuracy.size,
        "validation_accuracy": float(accuracy.mean()),
        "std": float(accuracy.std(ddof=1)) if accuracy.size > 1 else None,
    }


def winners_table(results: StudyResults) -> Table:
    """Every arm's best three settings on the terminal."""
    columns = ("dataset", "arm", "setting", "runs", "validation error, %")
    rows = table(f"study {results.plan.name}: the best settings", *columns)
    for dataset in results.datasets:
        for arm, cells in settings(results, dataset).items():
            for cell in cells[:3]:
                error = cell.values("error")
                shown = f"{error.mean():.2f}" if error.size else "–"
                rows.add_row(dataset, arm, words(cell.cell.value), str(error.size), shown)
    return rows
