"""Judge a pilot: does every arm train, at a sane rate, and what will the study cost?"""

from pathlib import Path
from typing import Any

from aib.files import write_json
from aib.record import Record, read
from aib.studies.plan import Cell, Plan
from aib.terminal import print_whole, table, verbatim


def judge(plan: Plan, full: Plan, results: Path, reports: Path) -> bool:
    """Write reports/STUDY/pilot.json from the records of the pilot's runs; True if all passed."""
    arms = {}
    for cell in plan.cells:
        record = read(results / "runs" / cell.runs[0].folder)
        epochs = sum(r.training.epochs for r in full.cell(cell.dataset, cell.arm).runs)
        arms[f"{cell.arm} on {cell.dataset}"] = _row(cell, record, epochs, plan.study.pilot)
    path = reports / plan.name / "pilot.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"study": plan.name, "arms": arms})
    print_whole(_table(plan.name, arms))
    return not any(row["verdict"] for row in arms.values())


def _row(cell: Cell, record: Record, epochs: int, pilot) -> dict[str, Any]:
    result, history = record.result, record.history
    seconds = sum(line["seconds"] for line in history) / max(len(history), 1)
    row = {
        "key": cell.key,
        "status": result["status"],
        "verdict": "",
        "seconds_an_epoch": seconds,
        "hours_of_the_study": seconds * epochs / 3600,
        "peak_memory_bytes": result["cost"]["peak_memory_bytes"],
        "device": result["cost"]["device"],
        "processor": record.spec["environment"]["processor"],
    }
    if record.has_figures:
        figures = result["figures"]["last"]
        row |= {"validation_accuracy": figures["validation_accuracy"]}
        row |= {"train_accuracy": history[-1]["train_accuracy"], "rate": history[-1]["rate"]}
    return row | {"verdict": _verdict(cell, result, row.get("rate"), pilot.rate_band)}


def _verdict(cell: Cell, result: dict, rate: float | None, band: tuple[float, float]) -> str:
    """Why the arm did not pass; empty if it did."""
    if result["status"] != "completed":
        return f"{result['status']}: {result['reason']}"
    spec = cell.runs[0]
    if spec.model.has_rate and spec.objective.beta > 0 and not band[0] <= rate <= band[1]:
        return f"a rate of {rate:.3g} bits an image, outside of {band[0]:g} to {band[1]:g}"
    return ""


def _table(name: str, arms: dict[str, dict[str, Any]]):
    columns = ("arm", "train", "validation", "rate, bits", "s/epoch", "hours", "MB", "verdict")
    rows = table(f"pilot of study {name}", *columns)
    for arm, row in arms.items():
        accuracies = [
            f"{row[key]:.1%}" if key in row else "–"
            for key in ("train_accuracy", "validation_accuracy")
        ]
        rows.add_row(
            arm,
            *accuracies,
            f"{row['rate']:.1f}" if "rate" in row else "–",
            f"{row['seconds_an_epoch']:.2f}",
            f"{row['hours_of_the_study']:.2f}",
            f"{row['peak_memory_bytes'] / 1e6:.0f}",
            verbatim(row["verdict"]) or "passed",
        )
    return rows
