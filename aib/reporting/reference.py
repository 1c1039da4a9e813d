"""The committed reference of a study, and how new numbers compare with it."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from aib.statistics import prediction_interval

Values = dict[tuple[str, str], dict[str, list[float]]]  # of each cell: metric to runs

CONFIDENCE = 0.999
METRICS = {"test_error": "test error, %", "rate": "rate, bits"}
CELL = ("key", "seeds", "n", "diverged", "test_error_mean", "test_error_std", "rate", "rate_std")
RUN = ("dataset", "arms", "key", "seed", "test_accuracy", "rate", "weights_sha256")


@dataclass(frozen=True)
class Outcome:
    """`identical`, `same` or `different`, and the lines that say why."""

    outcome: str
    lines: tuple[str, ...]


def make_reference(summary: dict[str, Any]) -> dict[str, Any]:
    """What of a summary must be kept to tell later whether a repetition agrees with it."""
    return {
        "study": summary["study"],
        "code_hash": summary["provenance"]["code_hash"],
        "environments": summary["provenance"]["environments"],
        "cells": {
            dataset: {arm: {k: cell.get(k) for k in CELL} for arm, cell in arms.items()}
            for dataset, arms in summary["cells"].items()
        },
        "runs": [{k: run.get(k) for k in RUN} for run in summary["runs"]],
    }


def compare(summary: dict[str, Any], reference: dict[str, Any]) -> Outcome:
    """Compare a repetition with the reference.

    identical: every run has the same weights and headline figures. same: the mean test error and
    the mean rate of every cell lie in the reference's 99.9 % prediction interval for the mean of as
    many new runs. different: anything else, also another set of arms or another number of finished
    runs.
    """
    new = make_reference(summary)
    lines = [_environments(new, reference)]
    structure = _structure(new, reference)
    if structure:
        return Outcome("different", (*lines, *structure))
    if _by_run(new) == _by_run(reference):
        count = len(new["runs"])
        return Outcome(
            "identical", (f"all {count} runs: same weights, same headline figures", *lines)
        )
    outside, tested = _outside(new, reference)
    allowance = (
        f"{tested} means compared with {100 * CONFIDENCE:g} % prediction intervals; by chance "
        f"any falls outside in at most {100 * tested * (1 - CONFIDENCE):.2g} % of repetitions"
    )
    return Outcome("different" if outside else "same", (*outside, allowance, *lines))


def _outside(new: dict[str, Any], reference: dict[str, Any]) -> tuple[list[str], int]:
    """The means outside their prediction intervals, and how many were looked at.

    A cell with a single reference run has no interval and is left out.
    """
    ours, theirs, lines, tested = _values(new), _values(reference), [], 0
    cells = [(dataset, arm) for dataset, arms in reference["cells"].items() for arm in arms]
    for cell, (metric, label) in itertools.product(cells, METRICS.items()):
        if len(theirs.get(cell, {}).get(metric, [])) < 2:
            continue
        tested += 1
        found = ours[cell][metric]
        interval = prediction_interval(theirs[cell][metric], CONFIDENCE, new=len(found))
        if not interval.low <= np.mean(found) <= interval.high:
            lines.append(
                f"{cell[1]} on {cell[0]}: mean {label} {np.mean(found):.4g}, reference "
                f"{interval.estimate:.4g}, {np.mean(found) - interval.estimate:+.3g} away; "
                f"expected {interval.low:.4g} to {interval.high:.4g}"
            )
    return lines, tested


def _structure(new: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """Where the two are not the same experiment."""
    if new["study"] != reference["study"]:
        return [f"the reference is of study '{reference['study']}', this is '{new['study']}'"]
    ours = {(d, arm): cell for d, arms in new["cells"].items() for arm, cell in arms.items()}
    theirs = {(d, a): cell for d, arms in reference["cells"].items() for a, cell in arms.items()}
    lines = [f"{arm} on {dataset}: not in the reference" for dataset, arm in ours.keys() - theirs]
    lines += [f"{arm} on {dataset}: only in the reference" for dataset, arm in theirs.keys() - ours]
    for dataset, arm in ours.keys() & theirs:
        mine, other = ours[dataset, arm], theirs[dataset, arm]
        if mine["key"] != other["key"]:
            lines.append(f"{arm} on {dataset}: spec {mine['key']}, reference {other['key']}")
        elif any(mine[k] != other[k] for k in ("n", "seeds", "diverged")):
            lines.append(
                f"{arm} on {dataset}: {mine['diverged']} runs diverged and {mine['n']} finished, "
                f"reference {other['diverged']} and {other['n']}"
            )
    return sorted(lines)


def _environments(new: dict[str, Any], reference: dict[str, Any]) -> str:
    def words(content: dict[str, Any]) -> set[str]:
        return {
            f"{e['processor']}, torch {e['libraries'].get('torch', '?')}"
            for e in content["environments"]
        }

    here, there = (" and ".join(sorted(words(content))) for content in (new, reference))
    code = "same code" if new["code_hash"] == reference["code_hash"] else "other code"
    return f"{code}, both on {here}" if here == there else f"{code}; here {here}; reference {there}"


def _by_run(content: dict[str, Any]) -> dict[tuple, tuple]:
    figures = ("test_accuracy", "rate", "weights_sha256")
    return {
        (run["dataset"], run["key"], run["seed"]): tuple(run[k] for k in figures)
        for run in content["runs"]
    }


def _values(content: dict[str, Any]) -> Values:
    found: Values = {}
    for run in content["runs"]:
        if run["test_accuracy"] is None:
            continue
        for arm in run["arms"]:
            columns = found.setdefault((run["dataset"], arm), {name: [] for name in METRICS})
            columns["test_error"].append(100 - run["test_accuracy"])
            columns["rate"].append(run["rate"])
    return found
