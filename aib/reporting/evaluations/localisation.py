"""Does the map show the object? Against masks, beside maps that no training made."""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Do the maps show the object?"
COLUMNS = {
    "primary": Column("AUROC against what looks like it"),
    "polarity": Column("high on, by a test on validation"),
    "chosen": Column("the same, polarity chosen"),
    "auroc": Column("AUROC, all other pixels"),
    "average_precision": Column("average precision"),
    "energy": Column("energy inside"),
    "pointing": Column("pointing game"),
    "overlap": Column("IoU at its best threshold"),
    "own_minus_other": Column("own mask less another's"),
}


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """The primary figure as learned, the polarity, and all figures after choosing it."""
    chosen = numbers["chosen"]
    kept = {name: chosen[name] for name in COLUMNS if name in chosen and name != "primary"}
    first = {"primary": numbers["as_learned"]["primary"], "polarity": numbers["polarity"]}
    return first | {"chosen": chosen["primary"]} | kept


def message(told: Told) -> str:
    """TODO"""
    return ""


def controls(told: Told) -> list[dict[str, Any]]:
    """Maps that no network made, or that its features make without training; of the first run."""
    record = told.runs(told.cells[0])[0]
    return [
        {"arm": f"control: {name}", "chosen": found["primary"]}
        | {column: found[column] for column in COLUMNS if column in found and column != "primary"}
        for name, found in record.numbers(told.name)["controls"].items()
    ]
