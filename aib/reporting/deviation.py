"""Published numbers beside ours: the gain of one published run over its own baseline, as one run.

A published number is compared as what it was: a single run, at the epoch that its source selects,
against the baseline of the same table. How far one run of ours may lie from one of our baseline, a
prediction interval says.
"""

from typing import Any

import numpy as np

from aib.params import Published
from aib.params.published import PublishedTable, PublishedValue
from aib.params.studies import Checkpoint
from aib.reporting.collect import CellResults, StudyResults, headline
from aib.statistics import Interval, difference_prediction_interval, spread

REPRODUCED, DIFFERS, CANNOT_TELL = "reproduced", "differs", "cannot tell"
TO_BE_FILLED = "to be filled from the PDF"
CONTEXT = "context"  # a baseline's own number, which is not judged


def deviation_rows(results: StudyResults, published: Published) -> list[dict[str, Any]]:
    """Published numbers on the study's datasets, each beside every arm of that model.

    Errors are in per cent, gains in points of test accuracy: positive favours the arm. No rows
    where the study is scored on validation.
    """
    if results.split != "test":
        return []
    return [
        _row(results, table, entry, cell, published.widest)
        for table in published.tables
        for entry in table.values
        for cell in (results.arms(entry.dataset) if entry.dataset in results.datasets else [])
        if cell.model == entry.model
    ]


def _row(
    results: StudyResults,
    table: PublishedTable,
    entry: PublishedValue,
    cell: CellResults,
    widest: float,
) -> dict[str, Any]:
    control = _baseline(results, cell, entry)
    published = table.models(entry.dataset)[entry.baseline].value if entry.baseline else None
    published_gain = None if None in (entry.value, published) else published - entry.value
    ours, ours_control = (_accuracies(arm, table.selection) for arm in (cell, control))
    gain = None
    if ours.size and ours_control.size:
        gain = difference_prediction_interval(ours, ours_control, results.confidence)
    verdict, reason = _verdict(entry, published_gain, gain, widest)
    return {
        "dataset": entry.dataset,
        "scale": cell.spec.names.scale,
        "arm": cell.arm,
        "baseline": control.arm if control else None,
        "protocol": cell.spec.names.protocol,
        "selection": table.selection,
        "published": entry.value,
        "published_baseline": published,
        "published_gain": published_gain,
        "n": ours.size,
        "n_baseline": ours_control.size,
        "ours": 100 - ours.mean() if ours.size else None,
        "ours_baseline": 100 - ours_control.mean() if ours_control.size else None,
        **spread("gain", gain),
        "verdict": verdict,
        "reason": reason,
        "source": f"{table.source}; {entry.note}" if entry.note else table.source,
    }


def _baseline(
    results: StudyResults, cell: CellResults, entry: PublishedValue
) -> CellResults | None:
    """The first arm of the baseline's model under the same protocol: released beside released."""
    fitting = (entry.baseline, cell.spec.names.protocol)
    arms = results.arms(cell.dataset)
    return next((arm for arm in arms if (arm.model, arm.spec.names.protocol) == fitting), None)


def _accuracies(cell: CellResults | None, selection: Checkpoint) -> np.ndarray:
    """Test accuracy of each counted run at its selected epoch, %; empty where one selects none."""
    counted = cell.counted if cell else ()
    if any(record.result["figures"][selection] is None for record in counted):
        return np.array([])
    return np.array([headline(record, "accuracy", selection) for record in counted])


def _verdict(
    entry: PublishedValue, published_gain: float | None, gain: Interval | None, widest: float
) -> tuple[str, str]:
    """The word, and why none can be told."""
    if entry.value is None or (entry.baseline and published_gain is None):
        return TO_BE_FILLED, ""
    if entry.baseline is None:
        return CONTEXT, ""
    if gain is None:
        return CANNOT_TELL, f"no runs beside those of {entry.baseline}, same protocol and selection"
    half = gain.high - gain.estimate
    if not half > 0:  # nor is NaN
        return CANNOT_TELL, "fewer than two runs in an arm, or no spread"
    if half > widest:
        return CANNOT_TELL, f"the interval reaches {half:.2g} points to a side, beyond {widest:g}"
    inside = gain.low <= published_gain <= gain.high
    return (REPRODUCED if inside else DIFFERS), ""
