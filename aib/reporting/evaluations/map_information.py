"""How many bits does a cell of the map let through, before and after its anchors?"""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Does quantising restrict information further?"
COLUMNS = {
    "map": Column("bits a cell, map with its noise"),
    "quantised": Column("bits a cell, quantised"),
    "lost": Column("quantising takes, bits"),
    "capacity": Column("log2 of anchors"),
    "median_std": Column("median noise of a cell", 4),
}


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """Bits a cell before and after quantising; the difference where there are anchors."""
    found = {name: numbers[name] for name in COLUMNS if name in numbers}
    if "quantised" in found:
        found["lost"] = found["map"] - found["quantised"]
    return found


def message(told: Told) -> str:
    """TODO"""
    return ""
