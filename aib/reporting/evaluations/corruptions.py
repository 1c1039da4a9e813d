"""What is left of the accuracy on worse images."""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "How much survives worse images?"
KINDS = ("noise", "blur", "contrast", "jpeg", "pixelate")
COLUMNS = {
    "clean": Column("accuracy, clean, %"),
    "mean": Column("mean over all corruptions, %"),
    **{kind: Column(f"{kind}, mean over severities, %") for kind in KINDS},
}


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """Accuracy on clean images, over all corruptions, and by corruption."""
    by_kind = {name: sum(each) / len(each) for name, each in numbers["by_severity"].items()}
    return {
        k: 100 * v for k, v in {**{k: numbers[k] for k in ("clean", "mean")}, **by_kind}.items()
    }


def message(told: Told) -> str:
    """TODO"""
    return ""
