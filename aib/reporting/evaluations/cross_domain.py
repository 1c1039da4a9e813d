"""Does a classifier of one dataset know the images of another?"""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Does it know the images of another dataset?"
COLUMNS = {
    "all": Column("accuracy, all images of its test split, %"),
    "shared": Column("accuracy, images of shared classes, %"),
}


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Accuracy on the target's test split."""
    return {name: 100 * numbers["test"][name]["accuracy"] for name in COLUMNS}


def message(told: Told) -> str:
    """TODO"""
    return ""
