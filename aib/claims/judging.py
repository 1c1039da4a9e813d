"""From the summary of a reported study to a word; one function for each kind of test.

A verdict that is as the claim expects supports it. *Equivalent*, where the claim expects a
difference, says that an effect is smaller than what was declared to matter. Another verdict
contradicts it, and *undecided* stays that. A figure must lie on the side that the claim says with
its interval in every arm named; on the other side in every arm it contradicts.

Each function gives None where the summary says nothing of what is asked.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aib.claims.words import CONTRADICTED, SMALL, SUPPORTED, UNDECIDED, Judged
from aib.params.claims import Contrasted, Costed, Measured, Placed
from aib.reporting.headline import seeds_words
from aib.reporting.words import estimated, number
from aib.statistics import Interval, welch

Summary = dict[str, Any]
ENDS = ("", "_low", "_high")


def contrasted(summary: Summary, test: Contrasted) -> Judged | None:
    """The verdict of a question, as it bears on the claim."""
    return _verdict(summary["verdicts"], test, ("dataset", "treatment", "control"), "points, ")


def measured(summary: Summary, test: Measured) -> Judged | None:
    """The verdict of a measure, as it bears on the claim."""
    keys = ("dataset", "evaluation", "figure", "treatment", "control")
    return _verdict(summary.get("measures", []), test, keys, "")


def _verdict(
    rows: list[dict[str, Any]], test: Contrasted | Measured, keys: Sequence[str], unit: str
) -> Judged | None:
    asked = {key: getattr(test, key) for key in keys}
    rows = [row for row in rows if asked.items() <= row.items()]
    if not rows:
        return None
    (row,) = rows
    if row["difference"] is None:
        return Judged(UNDECIDED, row["reason"])
    found = number(row["difference"], sign="+")
    if row["low"] is not None:
        found += f" [{number(row['low'], sign='+')}, {number(row['high'], sign='+')}]"
    found += f" {unit}{row['verdict']}, n = {row['n_treatment']} and {row['n_control']}"
    if row["verdict"] == "undecided":
        return Judged(UNDECIDED, found, seeds_words(row))
    if row["verdict"] == test.expects:
        return Judged(SUPPORTED, found)
    return Judged(SMALL if row["verdict"] == "equivalent" else CONTRADICTED, found)


def placed(summary: Summary, test: Placed) -> Judged | None:
    """On which side of the limit the intervals of all named arms lie."""
    if test.evaluation is None:
        arms = summary["cells"].get(test.dataset, {})
    else:
        told = summary["evaluations"].get(test.dataset, {}).get(test.evaluation)
        arms = told["arms"] if told else {}
    rows = [arms.get(arm) for arm in test.arms]
    if None in rows or any(row.get(test.figure) is None for row in rows):
        return None
    if test.evaluation is None and any(test.figure + "_low" not in row for row in rows):
        return None  # reported before it had an interval
    figures = [
        [math.nan if row.get(test.figure + end) is None else row[test.figure + end] for end in ENDS]
        for row in rows
    ]
    known = [Interval(*each, 1 - summary["alpha"]) for each in figures]
    found = "; ".join(
        f"{arm} {estimated(each)}" for arm, each in zip(test.arms, known, strict=True)
    )
    if test.below is None:
        return _sides(known, found, test.above, wanted_above=True)
    return _sides(known, found, test.below, wanted_above=False)


def costed(summary: Summary, test: Costed) -> Judged | None:
    """The ratio of what two arms cost: of parameters exact, of seconds with an interval over runs.

    Seconds are compared where all runs of both arms were made on one device.
    """
    arms = summary["cells"].get(test.dataset, {})
    cells = [arms.get(arm) for arm in (test.treatment, test.control)]
    if None in cells or not all(cell["n"] for cell in cells):
        return None
    if test.cost == "parameters":
        ratio = cells[0]["parameters"] / cells[1]["parameters"]
        known = Interval(ratio, ratio, ratio, 1 - summary["alpha"])
        return _sides([known], f"{ratio:.3f} times the parameters", test.below, wanted_above=False)
    runs = [_runs(summary, test.dataset, arm) for arm in (test.treatment, test.control)]
    if not all("step_seconds" in run for run in [*runs[0], *runs[1]]):
        return None  # reported before seconds were kept
    if len({run["device"] for run in [*runs[0], *runs[1]]}) > 1:
        return Judged(UNDECIDED, "its runs were made on several devices", "all runs on one device")
    logarithms = [np.log([run["step_seconds"] for run in each]) for each in runs]
    difference, _ = welch(*logarithms, 1 - summary["alpha"])
    ends = (difference.estimate, difference.low, difference.high)
    known = Interval(*np.exp(ends).tolist(), 1 - summary["alpha"])
    found = f"{estimated(known, 3)} times the seconds of training steps"
    return _sides([known], found, test.below, wanted_above=False)


def _runs(summary: Summary, dataset: str, arm: str) -> list[dict[str, Any]]:
    return [
        run
        for run in summary["runs"]
        if run["dataset"] == dataset and arm in run["arms"] and run["status"] != "diverged"
    ]


def _sides(known: list[Interval], found: str, limit: float, wanted_above: bool) -> Judged:
    if any(math.isnan(each.low) for each in known):
        return Judged(UNDECIDED, found, "more than one run an arm")
    above, below = (
        all(each.low > limit for each in known),
        all(each.high < limit for each in known),
    )
    if above or below:
        return Judged(SUPPORTED if above == wanted_above else CONTRADICTED, found)
    return Judged(
        UNDECIDED, found, "intervals on one side, which takes more seeds where they are wide"
    )


JUDGES = {"contrasted": contrasted, "measured": measured, "placed": placed, "costed": costed}
