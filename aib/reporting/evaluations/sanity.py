"""Would an untrained map do as well? Localisation as weights are replaced."""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Would an untrained network's map do as well?"
COLUMNS = {
    "trained": Column("trained, polarity chosen"),
    "untrained": Column("untrained, mean of draws"),
    "untrained_best": Column("untrained, best draw"),
    "head_replaced": Column("rank correlation with the map, top layer replaced"),
    "all_replaced": Column("the same, all layers replaced"),
}


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Localisation of the trained and of untrained networks; correlations along the cascade."""
    drawn = [each["chosen"] for each in numbers["untrained"] if "chosen" in each]
    cascade = numbers["cascade"]
    return {
        "trained": cascade[0].get("chosen"),
        "untrained": sum(drawn) / len(drawn) if drawn else None,
        "untrained_best": max(drawn, default=None),
        "head_replaced": cascade[1]["correlation"],
        "all_replaced": cascade[-1]["correlation"],
    }


def message(told: Told) -> str:
    """TODO"""
    return ""
