"""Declared questions about what evaluations find: is a figure higher in one arm than in another?"""

from typing import Any

import numpy as np

from aib.errors import AibError
from aib.evaluation.identity import applicable
from aib.evaluation.parts import Common
from aib.params import nearest
from aib.params.studies import Measure
from aib.reporting.collect import StudyResults
from aib.reporting.evaluations import Told, tell, teller
from aib.reporting.questions import NO_RUNS, judgement_numbers
from aib.statistics import Judgement, Verdict, judge_family
from aib.studies.plan import Plan

# A figure has no good side: what the verdicts call better is higher.
WORDS = {Verdict.BETTER: "higher", Verdict.WORSE: "lower"}


def check_measures(plan: Plan, evaluations: dict[str, Common]) -> None:
    """Refuse what no evaluation will tell, before anything is trained.

    `AibError` for an evaluation that is not made on the study's datasets, and for a figure that it
    does not have, with the nearest one.
    """
    for index, measure in enumerate(plan.study.measures):
        entry = evaluations[measure.evaluation]
        for dataset in plan.study.datasets:
            if measure.evaluation not in applicable(evaluations, dataset):
                raise AibError(
                    f"params/studies/{plan.name}.yaml: measures.{index}.evaluation: "
                    f"'{measure.evaluation}' is not made on '{dataset}', but on "
                    f"{', '.join(entry.datasets or ())} (params/evaluations.yaml)"
                )
        columns = teller(entry.kind).COLUMNS
        for key in ("figure", "control_figure"):
            figure = getattr(measure, key)
            if figure is not None and figure not in columns:
                raise AibError(
                    f"params/studies/{plan.name}.yaml: measures.{index}.{key}: "
                    f"'{measure.evaluation}' has no figure '{figure}'; "
                    + nearest(figure, set(columns))
                )


def measure_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Every measure of the study on every dataset, judged as one family by Holm's method.

    Differences are treatment minus control, in the figure's own unit; positive is higher.
    """
    study = results.plan.study
    told = {
        (dataset, each.name): each
        for dataset in results.datasets
        for each in tell(results, dataset)
    }
    asked = [(dataset, measure) for dataset in results.datasets for measure in study.measures]
    values = [
        _values(results, told.get((dataset, measure.evaluation)), dataset, measure)
        for dataset, measure in asked
    ]
    judgements = judge_family(
        [pair if all(arm.size for arm in pair) else (NO_RUNS, NO_RUNS) for pair in values],
        [measure.margin for _, measure in asked],
        study.alpha,
    )
    return [
        _row(dataset, measure, pair, judgement)
        for (dataset, measure), pair, judgement in zip(asked, values, judgements, strict=True)
    ]


def _values(
    results: StudyResults, told: Told | None, dataset: str, measure: Measure
) -> tuple[np.ndarray, np.ndarray]:
    """The figure in each run of both arms; empty where it was not evaluated."""
    if told is None:
        return np.empty(0), np.empty(0)
    return (
        told.values(results.cell(dataset, measure.treatment), measure.figure),
        told.values(
            results.cell(dataset, measure.control), measure.control_figure or measure.figure
        ),
    )


def _row(
    dataset: str, measure: Measure, values: tuple[np.ndarray, np.ndarray], judgement: Judgement
) -> dict[str, Any]:
    row = {"dataset": dataset, **measure.model_dump(), "verdict": str(judgement.verdict)}
    row["verdict"] = WORDS.get(judgement.verdict, row["verdict"])
    row |= {"n_treatment": values[0].size, "n_control": values[1].size}
    found = judgement_numbers(judgement) | {"reason": judgement.reason}
    if not all(arm.size for arm in values):
        lacking = measure.treatment if not values[0].size else measure.control
        reason = f"No run of {lacking} has this figure, so there is nothing to compare."
        found = dict.fromkeys(found) | {"reason": reason}
    return row | found
