"""The numbers of a report: questions with verdicts, arms, runs, provenance, cost."""

import json
import math
from typing import Any

import numpy as np

from aib.numbers import plain
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults, optimism
from aib.reporting.evaluations import tell
from aib.reporting.measures import measure_rows
from aib.reporting.questions import interaction_rows, verdict_rows
from aib.statistics import (
    Interval,
    mean_interval,
    planned_power,
    prediction_interval,
    spread,
)


def summarise(results: StudyResults) -> dict[str, Any]:
    """All that the page says in numbers; the content of summary.json and of `dvc metrics show`.

    Accuracies, errors and their differences are in per cent, rate and relevance in bits.
    """
    cells = {
        dataset: {cell.arm: cell_summary(results, cell) for cell in results.distinct(dataset)}
        for dataset in results.datasets
    }
    study = results.plan.study
    return plain(
        {
            "study": results.plan.name,
            "title": study.title,
            "margin": study.margin,
            "alpha": study.alpha,
            "split": results.split,
            "checkpoint": study.checkpoint,
            "verdicts": verdict_rows(results),
            "interactions": interaction_rows(results),
            "measures": measure_rows(results),
            "power": power(results),
            "cells": cells,
            "evaluations": evaluation_summary(results),
            "runs": [_run_summary(record, cells) for record, cells in results.runs],
            "provenance": provenance(results),
            "cost": cost(results),
        }
    )


def power(results: StudyResults) -> dict[str, Any] | None:
    """The power as planned, and the spread that was then seen; None if none was planned.

    `std_seen`, by dataset, is pooled over the arms of the factorial, or over all arms without one.
    """
    study = results.plan.study
    planned = planned_power(study)
    if planned is None:
        return None
    names = study.factorial.arms if study.factorial else study.arms
    seen = {}
    for dataset in results.datasets:
        arms = [results.cell(dataset, name) for name in names]
        values = [arm.values("accuracy") for arm in arms if len(arm.counted) > 1]
        squares = sum(v.var(ddof=1) * (v.size - 1) for v in values)
        degrees = sum(v.size - 1 for v in values)
        seen[dataset] = math.sqrt(squares / degrees) if degrees else None
    return planned | {"std_seen": seen}


# ---------------------------------------------------------------- arms and runs


def cell_summary(results: StudyResults, cell: CellResults) -> dict[str, Any]:
    """What the completed runs of one cell come to."""
    counts = {
        "key": cell.spec.key,
        "seeds": cell.seeds,
        "n": len(cell.counted),
        "collapsed": len(cell.collapsed),
        "diverged": len(cell.diverged),
        "missing": len(cell.missing),
    }
    if not cell.counted:
        return counts
    error = cell.values("error")
    several = error.size > 1
    return {
        **counts,
        "test_error_mean": error.mean(),
        "test_error_std": error.std(ddof=1) if several else None,
        **_limits("test_error", mean_interval(error, results.confidence)),
        **_limits("prediction", prediction_interval(error, results.confidence)),
        "cross_entropy": cell.values("cross_entropy").mean(),
        "rate": cell.values("rate").mean(),
        "rate_std": cell.values("rate").std(ddof=1) if several else None,
        "relevance": cell.values("relevance").mean(),  # of the kept weights, a bound
        **spread("optimism", _optimism(cell, results.confidence)),
        "parameters": cell.counted[0].result["parameters"],
        "selected": cell.counted[0].result["selected"],
        "headline": cell.counted[0].result["headline"],
    }


def _optimism(cell: CellResults, confidence: float) -> Interval | None:
    """What choosing the epoch on test would add, in points; None where nothing looked at test."""
    values = [optimism(record) for record in cell.counted]
    return mean_interval(values, confidence) if np.isfinite(values).all() else None


def _limits(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


def _run_summary(record: Record, cells: list[CellResults]) -> dict[str, Any]:
    result = record.result
    row = {
        "dataset": result["names"]["dataset"],
        "arms": [cell.arm for cell in cells],
        "key": result["key"],
        "seed": result["seed"],
        "status": result["status"],
    }
    if not record.has_figures:
        return row | {k: result[k] for k in ("epoch", "step", "reason")}
    return row | {
        "test_accuracy": cells[0].headline(record, "accuracy"),
        "rate": cells[0].headline(record, "rate"),
        "step_seconds": result["cost"]["step_seconds"],
        "device": result["cost"]["device"],
        "weights_sha256": result["weights_sha256"],
    }


def evaluation_summary(results: StudyResults) -> dict[str, Any]:
    """By dataset and evaluation: what it comes to, and its figures by arm."""
    return {
        dataset: {
            told.name: {"message": told.message, "arms": {row["arm"]: row for row in told.rows}}
            for told in tell(results, dataset)
        }
        for dataset in results.datasets
    }


# ---------------------------------------------------------------- provenance and cost


def provenance(results: StudyResults) -> dict[str, Any]:
    """Code, data, commits and environments behind the runs; environments once, with their runs."""
    records = [record for record, _ in results.runs]
    environments: dict[str, dict] = {}
    for record in records:
        environment = record.spec["environment"]
        known = environments.setdefault(json.dumps(environment, sort_keys=True), {"runs": 0})
        known |= {"runs": known["runs"] + 1, **environment}
    return {
        "code_hash": sorted({record.result["code_hash"] for record in records}),
        "mixed_code": results.mixed_code,
        "data_digest": {r.result["names"]["dataset"]: r.result["data_digest"] for r in records},
        "git": sorted({_commit(record.spec["git"]) for record in records}),
        "environments": [environments[key] for key in sorted(environments)],
    }


def _commit(git: dict) -> str:
    if git["commit"] is None:
        return "not a Git checkout"
    return git["commit"] + (" with uncommitted changes" if git["dirty"] else "")


def cost(results: StudyResults) -> dict[str, Any]:
    """Time and memory of all runs; these figures alone differ from one repetition to the next."""
    costs = [record.result["cost"] for record, _ in results.runs]
    completed = [record.result["cost"] for record, _ in results.runs if record.has_figures]
    return {
        "runs": len(costs),
        "run_seconds": sum(c["seconds"] for c in costs),
        "step_seconds": sum(c["step_seconds"] for c in completed),
        "images_per_second": np.median([c["images_per_second"] for c in completed] or [math.nan]),
        "peak_memory_bytes": max((c["peak_memory_bytes"] for c in completed), default=None),
    }
