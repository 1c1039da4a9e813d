"""Does a map rank what the network needs? Areas under deletion and insertion curves."""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Do the maps rank what the network needs?"
METHODS = ("map", "grad_cam", "integrated_gradients", "gaussian", "random")
COLUMNS = {
    f"{direction}_{method}": Column(f"{direction}, {method.replace('_', ' ')}", 3)
    for direction in ("deletion", "insertion")
    for method in METHODS
}


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """Areas by direction and map, means over the fillings."""
    return {
        f"{direction}_{method}": sum(each[method][direction] for each in numbers.values())
        / len(numbers)
        for direction in ("deletion", "insertion")
        for method in METHODS
        if all(method in each for each in numbers.values())
    }


def message(told: Told) -> str:
    """TODO"""
    return ""
