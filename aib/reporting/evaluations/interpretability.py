"""The paper's interpretability score, beside shuffled images and centred maps."""

from typing import Any

from aib.reporting.evaluations import Column, Told

TITLE = "Do maps stay where predictions do?"
COLUMNS = {
    "spatial": Column("spatial, cosine ≥ 0.9, %"),
    "spatial_shuffled": Column("another image's map, %"),
    "spatial_centred": Column("centred maps, %"),
    "frequency": Column("frequency, cosine ≥ 0.9, %"),
    "frequency_shuffled": Column("another image's map, %"),
    "frequency_centred": Column("centred maps, %"),
}
THRESHOLD = "0.9"


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Shares of unchanged predictions whose map agrees, means over modifications."""
    found: dict[str, Any] = {}
    for kind in ("spatial", "frequency"):
        own = [v for name, v in numbers["modifications"].items() if name.startswith(kind)]
        for suffix, maps in (("", "own"), ("_shuffled", "shuffled"), ("_centred", "centred own")):
            shares = [each[maps][THRESHOLD] for each in own if each[maps][THRESHOLD] is not None]
            found[kind + suffix] = 100 * sum(shares) / len(shares) if shares else None
    return found


def message(told: Told) -> str:
    """TODO"""
    return ""
