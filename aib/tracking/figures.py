"""The numbers of one record as MLflow's metrics.

MLflow makes a section of charts of what stands before the last slash. Sections and charts are in
alphabetical order, so the names are chosen such that what matters comes first: accuracy,
cross-entropy, loss and rate by epoch, then the final figures, then what evaluations found.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from aib.record import Record
from aib.reporting.evaluations import per_run
from aib.spec.run import RunSpec

MAIN = ("accuracy", "cross_entropy", "loss", "rate")
SPLITS = ("train", "validation", "test")
REPEATED = ("as_is", "cross_entropy")  # found by evaluations, and the final figures again
AUROC = "auroc"  # of the map against the object


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    value: float
    epoch: int
    seconds: float  # since the run started


def points(record: Record, spec: RunSpec) -> list[Point]:
    """All figures of a run; those of the whole run at epoch 0, which makes MLflow draw bars."""
    seconds = record.result["cost"]["seconds"]
    whole = [Point(name, value, 0, seconds) for name, value in _whole(record, spec)]
    return whole + list(_curves(record.history))


# ---------------------------------------------------------------- of the whole run


def _whole(record: Record, spec: RunSpec) -> Iterator[tuple[str, float]]:
    result, sections = record.result, {}
    if record.has_figures:
        modes, headline = result["evaluation"], result["headline"]
        sections["final"] = _of_mode(modes[headline], spec)
        sections["final"]["relevance"] = result["information"]["relevance"]
        sections["selection"] = dict(_selections(result))
        # Without a bottleneck nothing is drawn: every number of samples gives the headline again.
        others = {m: f for m, f in modes.items() if m != headline and spec.model.has_rate}
        for mode, splits in others.items():
            sections[f"samples/{mode}"] = _of_mode(splits, spec)
    for name, figures in per_run(record):
        kept = {key: value for key, value in figures.items() if key not in REPEATED}
        if AUROC in kept:
            sections["final"].setdefault(AUROC, kept.pop(AUROC))
        sections[f"found/{name}"] = kept
    sections["resources"] = {"parameters": result.get("parameters")} | result["cost"]
    for section, figures in sections.items():
        for name, value in _numbers(figures):
            yield f"{section}/{name}", value


def _of_mode(splits: dict[str, dict[str, float]], spec: RunSpec) -> dict[str, float]:
    """Error in per cent, cross-entropy and rate in bits, each by split."""
    found = {}
    for split, figures in splits.items():
        found[f"error_{split}"] = _error(figures["accuracy"])
        found[f"cross_entropy_{split}"] = figures["cross_entropy"]
        if spec.model.has_rate:
            found[f"rate_{split}"] = figures["rate"]
    return found


def _selections(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """What another epoch than the selected one would give."""
    for choice, figures in result["figures"].items():
        if figures and choice != result["selected"]:
            scored = result["scored"]
            yield f"error_{scored}_{choice}", _error(figures[f"{scored}_accuracy"])
            yield f"epoch_{choice}", figures["epoch"]


def _error(accuracy: float) -> float:
    return round(100 * (1 - accuracy), 6)  # else 8.250000000000002 stands in the table


# ---------------------------------------------------------------- by epoch


def _curves(history: list[dict[str, Any]]) -> Iterator[Point]:
    """Every number of every epoch, but for terms that the model has not and those told already."""
    curves: dict[str, list[Point]] = {}
    seconds = 0.0
    for line in history:
        seconds += line["seconds"]
        for key, value in _numbers(line):
            if key not in ("epoch", "seconds"):  # which every point has
                point = Point(_curve(key), value, line["epoch"], seconds)
                curves.setdefault(point.name, []).append(point)
    seen = set()
    for name in sorted(curves):  # by_epoch before training
        values = tuple((point.epoch, point.value) for point in curves[name])
        repeated = name.startswith("training/") and values in seen
        if not repeated and not _absent(name, curves[name]):
            seen.add(values)
            yield from curves[name]


def _curve(key: str) -> str:
    """`by_epoch/accuracy_test` of test_accuracy; what is no figure of a split goes elsewhere."""
    if key in MAIN:
        return f"by_epoch/{key}_train"
    split, _, quantity = key.partition("_")
    if split in SPLITS and quantity in MAIN:
        return f"by_epoch/{quantity}_{split}"
    return f"training/{key}"


def _absent(name: str, curve: list[Point]) -> bool:
    """Is that a term of the loss that is no part of this model? Dead anchors may well be 0."""
    return name != "training/dead_anchors" and not any(point.value for point in curve)


def _numbers(content: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The entries that are numbers, which leaves out null, texts and switches."""
    for name, value in content.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
