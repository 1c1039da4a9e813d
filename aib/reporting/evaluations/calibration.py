"""Are the probabilities right?"""

from typing import Any

from aib.reporting.comparing import differences, sorted_out, spanned
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
HEADLINE = ("calibration_error",)


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
    """Which way the probabilities err, what a temperature mends, and what sets arms apart."""
    if not told.arms:
        return ""
    sure = [cell.arm for cell in told.arms if told.interval(cell, "temperature").low > 1]
    spans = {name: spanned(told, name, told.arms, 2) for name in COLUMNS}
    return (
        f"The calibration error is {spans['calibration_error']} points (range of the arms' means) "
        f"and {spans['scaled_calibration_error']} after dividing logits by the temperature that "
        f"validation gives, {spans['temperature']}. Above 1 with its interval, so sure beyond what "
        f"is right: {', '.join(sure) or 'no arm'}."
        + sorted_out("Cross-entropy", differences(told, "cross_entropy"), 3, "bits")
        + sorted_out("Calibration error", differences(told, "calibration_error"))
    )
