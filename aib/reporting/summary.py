"""The numbers of a report: contrasts with verdicts, arms, runs, provenance, cost."""

import json
import math
from functools import lru_cache
from typing import Any

import numpy as np

from aib.errors import AibError
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults, optimism
from aib.statistics import (
    Comparison,
    Interval,
    Judgement,
    compare,
    judge_family,
    mean_interval,
    prediction_interval,
    proportion_interval,
    two_way_bootstrap,
)
from aib.studies.plan import Question

# Stands for a contrast that cannot be computed: one run an arm has no p, which counts as 1, so
# that the contrast keeps its place in the declared family.
NO_RUNS = ([0.0], [0.0])


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
            "verdicts": contrast_rows(results),
            "cells": cells,
            "runs": [_run_summary(record, cells) for record, cells in results.runs],
            "provenance": provenance(results),
            "cost": cost(results),
        }
    )


def plain(content: Any) -> Any:
    """The same content for JSON: eight digits, None for what is not a number."""
    if isinstance(content, dict):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(item) for item in content]
    if isinstance(content, float | np.floating):
        return float(f"{content:.8g}") if math.isfinite(content) else None
    return content


def spread(name: str, interval: Interval | None) -> dict[str, float | None]:
    """An interval as three flat entries."""
    if interval is None:
        return dict.fromkeys([name, f"{name}_low", f"{name}_high"])
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


# ---------------------------------------------------------------- contrasts


@lru_cache(maxsize=1)
def contrast_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Every declared contrast with all that is reported of it; treat as read-only.

    Differences are treatment minus control in points of test accuracy: positive favours the
    treatment.
    """
    study, questions = results.plan.study, results.plan.questions
    rows = []
    for family in dict.fromkeys(question.family for question in questions):
        members = [question for question in questions if question.family == family]
        arms = [_arms(results, question) for question in members]
        values = [
            tuple(arm.values("accuracy") for arm in pair) if _computable(pair) else NO_RUNS
            for pair in arms
        ]
        judgements = judge_family(values, study.margin, study.alpha)
        for question, pair, judgement in zip(members, arms, judgements, strict=True):
            row = {
                "dataset": question.dataset,
                "family": family,
                "family_size": len(members),
                "treatment": question.treatment,
                "control": question.control,
                "verdict": str(judgement.verdict),
                "margin": study.margin,
            }
            rows.append(row | _judged(results, question, pair, judgement))
    return rows


def _arms(results: StudyResults, question: Question) -> tuple[CellResults, CellResults]:
    return (
        results.cell(question.dataset, question.treatment),
        results.cell(question.dataset, question.control),
    )


def _computable(pair: tuple[CellResults, CellResults]) -> bool:
    return all(arm.counted for arm in pair)


def _judged(
    results: StudyResults,
    question: Question,
    pair: tuple[CellResults, CellResults],
    judgement: Judgement,
) -> dict[str, Any]:
    treatment, control = pair
    counts = {"n_treatment": len(treatment.counted), "n_control": len(control.counted)}
    if not _computable(pair):
        empty = next(arm for arm in pair if not arm.counted)
        return {
            **dict.fromkeys(("difference", "low", "high", "p_holm", "seeds_needed")),
            "reason": f"No run of {empty.arm} finished, so there is nothing to compare.",
            **counts,
        }
    unpaired = compare(
        treatment.values("accuracy"), control.values("accuracy"), False, results.confidence
    )
    return {
        "difference": judgement.difference.estimate,
        "low": judgement.difference.low,
        "high": judgement.difference.high,
        "p": judgement.superiority_p,
        "p_holm": judgement.superiority_p_holm,
        "tost_p": judgement.equivalence_p,
        "tost_p_holm": judgement.equivalence_p_holm,
        "seeds_needed": judgement.seeds_needed,
        "reason": judgement.reason,
        **counts,
        **spread("accuracy_treatment", unpaired.mean_treatment),
        **spread("accuracy_control", unpaired.mean_control),
        **_paired(results, treatment, control),
        **spread("hedges_g", unpaired.hedges_g),
        **spread("p_improvement", unpaired.probability_of_improvement),
        "permutation_p": unpaired.permutation_p,
        **_leave_one_out(treatment.values("accuracy"), control.values("accuracy")),
        **_over_examples(results, treatment, control),
    }


def shared_seeds(treatment: CellResults, control: CellResults) -> list[tuple[Record, Record]]:
    """The pairs of completed runs from one seed."""
    partners = dict(zip(control.seeds, control.counted, strict=True))
    runs = zip(treatment.seeds, treatment.counted, strict=True)
    return [(record, partners[seed]) for seed, record in runs if seed in partners]


def _paired(results: StudyResults, treatment: CellResults, control: CellResults) -> dict:
    pairs = shared_seeds(treatment, control)
    found: Comparison | None = None
    if len(pairs) >= 2:
        values = [
            [treatment.headline(record, "accuracy") for record in side]
            for side in zip(*pairs, strict=True)
        ]
        found = compare(*values, paired=True, confidence=results.confidence)
    return {
        "n_pairs": len(pairs),
        **spread("paired_difference", found and found.paired),
        "paired_p": found and found.paired_p,
        "sign_flip_p": found and found.sign_flip_p,
        **spread("seed_correlation", found and found.seed_correlation),
    }


def _leave_one_out(treatment: np.ndarray, control: np.ndarray) -> dict[str, float | None]:
    """The least and the greatest difference when any one run is left out."""
    if min(treatment.size, control.size) < 2:
        return {"leave_one_out_low": None, "leave_one_out_high": None}
    without = [np.delete(treatment, i).mean() - control.mean() for i in range(treatment.size)]
    without += [treatment.mean() - np.delete(control, i).mean() for i in range(control.size)]
    return {"leave_one_out_low": min(without), "leave_one_out_high": max(without)}


def _over_examples(results: StudyResults, treatment: CellResults, control: CellResults) -> dict:
    """The interval of the difference over other seeds and other test examples."""
    found = None
    if all(record.predictions for arm in (treatment, control) for record in arm.counted):
        right = [
            np.stack([correct(record) for record in arm.counted]) for arm in (treatment, control)
        ]
        if right[0].shape[1] != right[1].shape[1]:
            raise AibError(
                f"{treatment.arm} and {control.arm} on {treatment.dataset} were tested on "
                "different numbers of examples; delete the older runs and run the pipeline again"
            )
        found = two_way_bootstrap(*right, np.random.default_rng(0), confidence=results.confidence)
    return {
        "two_way_low": 100 * found.low if found else None,
        "two_way_high": 100 * found.high if found else None,
    }


def correct(record: Record) -> np.ndarray:
    """Which test examples the run got right, shape (examples,)."""
    return record.predictions["predicted"] == record.predictions["labels"]


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
        "relevance": cell.values("relevance").mean(),
        "optimism": np.mean([optimism(record) for record in cell.counted]),
        "parameters": cell.counted[0].result["parameters"],
        "selected": cell.counted[0].result["selected"],
        "headline": cell.counted[0].result["headline"],
        **_localisation_summary(cell),
    }


def _limits(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_high": interval.high}


def _localisation_summary(cell: CellResults) -> dict[str, Any]:
    """The map against the masks: every seed's AUROC, the polarities, and the means once chosen."""
    runs = [(r.result["seed"], r.localisation) for r in cell.counted if r.localisation]
    if not runs:
        return {}
    objects = sum(found["test"]["auroc"] > 0.5 for _, found in runs)
    chosen = {
        f"chosen_{metric}": np.mean([found["test_chosen_polarity"][metric] for _, found in runs])
        for metric in ("auroc", "energy", "pointing")
    }
    return {
        "localisation": {
            "auroc": {str(seed): found["test"]["auroc"] for seed, found in runs},
            "n": len(runs),
            "n_on_object": objects,
            **spread("share_on_object", proportion_interval(objects, len(runs))),
            **chosen,
        }
    }


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
        "weights_sha256": result["weights_sha256"],
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


# ---------------------------------------------------------------- words


def headline_lines(summary: dict[str, Any]) -> list[str]:
    """The verdicts for the terminal, one a line."""
    lines = [f"{summary['title']} (study {summary['study']}, margin {summary['margin']:g} points)"]
    for row in summary["verdicts"]:
        arms = f"{row['treatment']} against {row['control']} on {row['dataset']}"
        lines.append(f"  {row['verdict']:<10} {arms}: {difference_words(row)}")
    failed = sum(run["status"] != "completed" for run in summary["runs"])
    return lines + ([f"  {failed} of {len(summary['runs'])} runs diverged"] if failed else [])


def difference_words(row: dict[str, Any]) -> str:
    """The difference of a contrast with its interval and, when undecided, the seeds it needs."""
    if row["difference"] is None:
        return row["reason"]
    text = f"{row['difference']:+.2f} points"
    if row["low"] is not None and math.isfinite(row["low"]):
        text += f" [{row['low']:+.2f}, {row['high']:+.2f}]"
    text += f", n = {row['n_treatment']} and {row['n_control']}"
    if row["verdict"] == "undecided" and row["seeds_needed"]:
        text += f"; about {row['seeds_needed']} seeds an arm would decide it"
    return text.replace("-", "−")
