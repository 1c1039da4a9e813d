"""Are the probabilities right?"""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Are the probabilities right?"
COLUMNS = {
    "cross_entropy": Column("cross-entropy, bits", 3),
    "brier": Column("Brier score", 4),
    "calibration_error": Column("calibration error, points"),
    "temperature": Column("temperature from validation"),
    "scaled_cross_entropy": Column("cross-entropy after it, bits", 3),
    "scaled_calibration_error": Column("calibration error after it, points"),
}


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """As it is and after the temperature."""
    own, scaled = numbers["as_is"], numbers["scaled"]
    return {
        "cross_entropy": own["cross_entropy"],
        "brier": own["brier"],
        "calibration_error": 100 * own["calibration_error"],
        "temperature": numbers["temperature"],
        "scaled_cross_entropy": scaled["cross_entropy"],
        "scaled_calibration_error": 100 * scaled["calibration_error"],
    }


def message(told: Told) -> str:
    """TODO"""
    return ""
