"""The questions of a study with their verdicts, and what stands beside these to be read."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aib.errors import AibError
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.stopping import Arms, Stop, judge_questions
from aib.statistics import (
    Comparison,
    Judgement,
    compare,
    factorial,
    judge_family,
    judge_main_effects,
    spread,
    two_way_bootstrap,
)
from aib.statistics.group_sequential import Look
from aib.studies.blocks import MAIN_EFFECTS
from aib.studies.plan import Question

# Stands for a contrast that cannot be computed: one run an arm has no p, which counts as 1, so
# that the contrast keeps its place in the declared family.
NO_RUNS = [0.0]
BEST = 100.0  # the highest accuracy, in per cent


@lru_cache(maxsize=1)
def verdict_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Every declared question with its verdict, the main effects first; treat as read-only.

    Differences are treatment minus control in points of accuracy: positive favours the treatment.
    """
    return [*main_effect_rows(results), *contrast_rows(results)]


def main_effect_rows(results: StudyResults) -> list[dict[str, Any]]:
    """The two main effects of the study's factorial on every dataset; none without a factorial."""
    study = results.plan.study
    if not study.factorial:
        return []

    def judge(groups: Sequence[Arms], look: Look | None) -> list[Judgement]:
        return judge_main_effects(
            [factorial_values(arms) for arms in groups],
            study.margin,
            study.alpha,
            [resolution(results, arms[0].dataset) for arms in groups],
            BEST,
            look,
        )

    groups = [factorial_arms(results, dataset) for dataset in results.datasets]
    stops = judge_questions(results, groups, judge, each=2)
    rows = []
    for place, stop in enumerate(stops):
        dataset, part = results.datasets[place // 2], ("attention", "bottleneck")[place % 2]
        names = getattr(study.factorial, part), study.factorial.both
        with_it = [arm for arm in stop.arms if arm.arm in names]
        without = [arm for arm in stop.arms if arm.arm not in names]
        counts = {
            "n_treatment": sum(len(arm.counted) for arm in with_it),
            "n_control": sum(len(arm.counted) for arm in without),
        }
        row = {
            "dataset": dataset,
            "family": MAIN_EFFECTS,
            "family_size": len(stops),
            "treatment": part,
            "control": f"no {part}",
            "verdict": str(stop.judgement.verdict),
            "margin": study.margin,
        }
        rows.append(row | _judged(results, stop) | counts)
    return rows


def interaction_rows(results: StudyResults) -> list[dict[str, Any]]:
    """How much more attention does with the bottleneck than without: reported, not judged."""
    study, rows = results.plan.study, []
    for dataset in results.datasets if study.factorial else ():
        arms = factorial_arms(results, dataset)
        found = factorial(factorial_values(arms), study.margin, results.confidence)
        empty = not all(arm.counted for arm in arms)
        row = {"dataset": dataset, "n": sum(len(arm.counted) for arm in arms)}
        row |= spread("interaction", None if empty else found.interaction.interval)
        rows.append(row | {"p": None if empty else found.interaction.p})
    return rows


def factorial_arms(results: StudyResults, dataset: str) -> list[CellResults]:
    """The factorial's four arms, in the order neither, attention, bottleneck, both."""
    return [results.cell(dataset, arm) for arm in results.plan.study.factorial.arms]


def factorial_values(arms: Arms) -> list[ArrayLike]:
    """Accuracies of each arm.

    An arm without runs has a single made-up value, which leaves everything undecided.
    """
    return [arm.values("accuracy") if arm.counted else NO_RUNS for arm in arms]


def resolution(results: StudyResults, dataset: str) -> float:
    """What one image of the scored split is worth, in points; 0 where no predictions are kept."""
    counted = (record for cell in results.cells for record in cell.counted)
    of_dataset = (r for r in counted if r.result["names"]["dataset"] == dataset)
    return next((100 / len(r.predictions["labels"]) for r in of_dataset if r.predictions), 0.0)


def contrast_rows(results: StudyResults) -> list[dict[str, Any]]:
    """Every declared contrast, and every value of an ablation against the arm's own."""
    study, questions = results.plan.study, results.plan.questions
    resolutions = {dataset: resolution(results, dataset) for dataset in results.datasets}
    rows = []

    def judge(pairs: Sequence[Arms], look: Look | None) -> list[Judgement]:
        return judge_family(
            [
                tuple(arm.values("accuracy") for arm in pair)
                if _computable(pair)
                else (NO_RUNS, NO_RUNS)
                for pair in pairs
            ],
            study.margin,
            study.alpha,
            study.correction,
            [resolutions[pair[0].dataset] for pair in pairs],
            BEST,
            look,
        )

    for family in dict.fromkeys(question.family for question in questions):
        members = [question for question in questions if question.family == family]
        stops = judge_questions(results, [_arms(results, q) for q in members], judge)
        for question, stop in zip(members, stops, strict=True):
            pair = stop.arms
            row = {
                "dataset": question.dataset,
                "family": family,
                "family_size": len(members),
                "treatment": question.treatment,
                "control": question.control,
                "verdict": str(stop.judgement.verdict),
                "margin": study.margin,
            }
            row |= _judged(results, stop)
            row |= {"n_treatment": len(pair[0].counted), "n_control": len(pair[1].counted)}
            rows.append(row | (_compared(results, *pair) if _computable(pair) else {}))
    return rows


def _arms(results: StudyResults, question: Question) -> tuple[CellResults, CellResults]:
    return (
        results.cell(question.dataset, question.treatment),
        results.cell(question.dataset, question.control),
    )


def _computable(arms: Sequence[CellResults]) -> bool:
    return all(arm.counted for arm in arms)


def judgement_numbers(judgement: Judgement) -> dict[str, Any]:
    """The numbers that a verdict rests on."""
    return {
        "difference": judgement.difference.estimate,
        "low": judgement.difference.low,
        "high": judgement.difference.high,
        "p": judgement.superiority_p,
        "p_adjusted": judgement.superiority_p_adjusted,
        "tost_p": judgement.equivalence_p,
        "tost_p_adjusted": judgement.equivalence_p_adjusted,
        "std": judgement.std,
        "seeds_needed_equivalence": judgement.seeds_needed_equivalence,
        "seeds_needed_superiority": judgement.seeds_needed_superiority,
    }


def _judged(results: StudyResults, stop: Stop) -> dict[str, Any]:
    """What the verdict rests on, in numbers and in words."""
    arms, judgement = stop.arms, stop.judgement
    found = judgement_numbers(judgement)
    words = [judgement.reason]
    if not _computable(arms):
        empty = next(arm for arm in arms if not arm.counted)
        found = dict.fromkeys(found)
        words = [f"No run of {empty.arm} is counted, so there is nothing to compare."]
    words += [collapsed_words(results, arm) for arm in arms if arm.collapsed]
    if stop.look:
        after = results.plan.study.looks.after
        found |= {"look": stop.look, "seeds": after[stop.look - 1]}
        words.append(f"Look {stop.look} of {len(after)}, {found['seeds']} seeds an arm.")
    return found | {"reason": " ".join(words)}


def collapsed_words(results: StudyResults, cell: CellResults) -> str:
    """How many runs of an arm collapsed, and what became of them."""
    kept = results.plan.study.collapsed == "kept"
    finished = len(cell.counted) + (0 if kept else len(cell.collapsed))
    fate = "kept" if kept else "left out, as declared"
    return f"{cell.arm} collapsed in {len(cell.collapsed)} of {finished} runs ({fate})."


def _compared(
    results: StudyResults, treatment: CellResults, control: CellResults
) -> dict[str, Any]:
    """What stands beside a verdict and decides nothing."""
    unpaired = compare(
        treatment.values("accuracy"), control.values("accuracy"), False, results.confidence
    )
    return {
        **spread("accuracy_treatment", unpaired.mean_treatment),
        **spread("accuracy_control", unpaired.mean_control),
        **_paired(results, treatment, control),
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
    """The interval of the difference over other seeds and other test images."""
    found = None
    counted = (*treatment.counted, *control.counted)
    if all(predicts(results, record) for record in counted):
        right = [
            np.stack([correct(record) for record in arm.counted]) for arm in (treatment, control)
        ]
        if right[0].shape[1] != right[1].shape[1]:
            raise AibError(
                f"{treatment.arm} and {control.arm} on {treatment.dataset} were tested on "
                "different numbers of examples; delete the older runs and run the pipeline again"
            )
        found = two_way_bootstrap(
            *right,
            np.random.default_rng(0),
            confidence=results.confidence,
            groups=sources(results, treatment.dataset, right[0].shape[1]),
        )
    return {
        "two_way_low": 100 * found.low if found else None,
        "two_way_high": 100 * found.high if found else None,
    }


def predicts(results: StudyResults, record: Record) -> bool:
    """Whether the kept predictions are those that the study's comparisons speak of."""
    return record.result["selected"] == results.plan.study.checkpoint and bool(record.predictions)


def sources(results: StudyResults, dataset: str, examples: int) -> np.ndarray | None:
    """Which of the scored images stem from one source; None where each has its own."""
    found = results.groups[dataset]
    if found is not None and found.shape != (examples,):
        raise AibError(
            f"results/data/{dataset}: has the sources of {found.size} {results.split} images, and "
            f"the runs predicted {examples}; prepare the data again"
        )
    return found


def correct(record: Record) -> np.ndarray:
    """Which scored images the run got right, shape (examples,)."""
    return record.predictions["predicted"] == record.predictions["labels"]
