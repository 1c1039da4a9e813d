"""The runs that a study asks for, and its questions."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aib.params import ParameterError, Parameters, Study, nearest
from aib.spec.models import FAMILIES
from aib.spec.run import Names, RunSpec
from aib.studies.resolve import resolve


@dataclass(frozen=True)
class Cell:
    """One arm (or one value of an ablation) on one dataset, with its runs in order of seed."""

    dataset: str
    arm: str
    runs: tuple[RunSpec, ...]
    ablation: str | None = None
    value: Any = None
    tuned: str | None = None  # the arm of which this is one setting of a tuning study

    @cached_property
    def key(self) -> str:
        """What all of its runs share."""
        return self.runs[0].key

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """Where the record of each run lies, below results/runs; the key is computed once."""
        above = self.runs[0].folder.parent
        return tuple(above / f"seed-{run.seed}" for run in self.runs)


@dataclass(frozen=True)
class Question:
    """One comparison of two cells; `family` is the set that multiplicity is corrected over."""

    dataset: str
    treatment: str
    control: str
    family: str


@dataclass(frozen=True)
class Plan:
    """All the runs and all the questions of one study."""

    name: str
    study: Study
    cells: tuple[Cell, ...]
    questions: tuple[Question, ...]

    @cached_property
    def by_folder(self) -> dict[Path, RunSpec]:
        """Every run once, though several cells may share it, by its folder below results/runs."""
        return {
            folder: run
            for cell in self.cells
            for folder, run in zip(cell.folders, cell.runs, strict=True)
        }

    @property
    def runs(self) -> list[RunSpec]:
        """Every run once."""
        return list(self.by_folder.values())

    def cell(self, dataset: str, arm: str) -> Cell:
        """The cell of that arm on that dataset."""
        return next(c for c in self.cells if (c.dataset, c.arm) == (dataset, arm))


def file_of(study: str) -> str:
    """Where a study is declared, for messages."""
    return f"params/studies/{study}.yaml"


def declared(parameters: Parameters, name: str) -> Study:
    """The study of that name; `ParameterError` with its mistake, or with the nearest name."""
    if name in parameters.drafts:
        raise ParameterError(parameters.drafts[name])
    if name not in parameters.studies:
        names = {*parameters.studies, *parameters.drafts}
        raise ParameterError(f"params/studies: no study '{name}'; {nearest(name, names)}")
    return parameters.studies[name]


def plan(parameters: Parameters, name: str) -> Plan:
    """The grid of a study: arms x datasets x seeds, then ablations; a tuning study's settings."""
    study = declared(parameters, name)
    if study.tuning:
        from aib.studies.tuning import tuning_cells

        return Plan(name, study, tuning_cells(parameters, name, study), ())
    cells = [
        arm_cell(parameters, name, dataset, arm, study.seeds)
        for dataset in study.datasets
        for arm in study.arms
    ]
    _refuse_equal_arms(name, cells)
    questions = [
        Question(dataset, c.treatment, c.control, c.family)
        for dataset in study.datasets
        for c in study.contrasts
    ]
    for dataset, ablation in itertools.product(study.datasets, study.ablations):
        varied, asked = _ablation(parameters, name, dataset, ablation, cells)
        cells += varied
        questions += asked
    _refuse_equal_questions(name, cells, questions)
    made = Plan(name, study, tuple(cells), tuple(questions))
    if study.tuned_in:
        from aib.studies.tuning import check_winners

        check_winners(parameters, made)
    return made


def arm_cell(
    parameters: Parameters,
    name: str,
    dataset: str,
    arm_name: str,
    seeds: Sequence[int],
    changes: dict[str, Any] | None = None,
    where: str | None = None,
    **fields: Any,
) -> Cell:
    """One arm of a study on one dataset, with `changes` on top of its own overrides.

    A cell is resolved once: its runs differ in nothing but the seed.
    """
    study = parameters.studies[name]
    arm = study.arms[arm_name]
    names = Names(
        dataset=dataset,
        model=arm.model,
        protocol=arm.protocol or study.protocol,
        scale=study.scale,
    )
    where = f"{file_of(name)}: {where or f'arms.{arm_name}'}"
    first = resolve(parameters, names, arm.overrides | (changes or {}), seeds[0], where)
    runs = tuple(first.model_copy(update={"seed": seed}) for seed in seeds)
    return Cell(dataset, fields.pop("label", arm_name), runs, **fields)


def _ablation(
    parameters: Parameters, name: str, dataset: str, ablation_name: str, cells: list[Cell]
) -> tuple[list[Cell], list[Question]]:
    """The cells of an ablation on a dataset, and their comparisons with the arm's own value."""
    study = parameters.studies[name]
    ablation = study.ablations[ablation_name]
    own = next(c for c in cells if (c.dataset, c.arm) == (dataset, ablation.arm))
    varied = [
        arm_cell(
            parameters,
            name,
            dataset,
            ablation.arm,
            study.seeds,
            {ablation.parameter: value},
            f"ablations.{ablation_name}",
            label=f"{ablation.arm} [{ablation.parameter.rsplit('.', 1)[-1]}={value}]",
            ablation=ablation_name,
            value=value,
        )
        for value in ablation.values
    ]
    questions = [
        Question(dataset, cell.arm, ablation.arm, "ablation")
        for cell in varied
        if cell.key != own.key
    ]
    return varied, questions


def _refuse_equal_arms(name: str, cells: list[Cell]) -> None:
    """Two arms of one spec are one arm twice: their difference would be exactly nothing."""
    seen: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        twin = seen.setdefault((cell.dataset, cell.key), cell)
        if twin is not cell:
            raise ParameterError(
                f"{file_of(name)}: arms.{cell.arm}: is the same run as arm '{twin.arm}' on "
                f"'{cell.dataset}' (spec {cell.key}); drop one of them"
            )


def _refuse_equal_questions(name: str, cells: list[Cell], questions: list[Question]) -> None:
    """A comparison of the same two specs, whatever they are called, is asked once."""
    keys = {(cell.dataset, cell.arm): cell.key for cell in cells}
    seen: dict[frozenset, Question] = {}
    for question in questions:
        pair = frozenset(
            (question.dataset, keys[question.dataset, arm])
            for arm in (question.treatment, question.control)
        )
        twin = seen.setdefault(pair, question)
        if twin is not question:
            raise ParameterError(
                f"{file_of(name)}: '{question.treatment}' against '{question.control}' is the same "
                f"comparison as '{twin.treatment}' against '{twin.control}'; drop one of them"
            )


def plan_all(parameters: Parameters) -> tuple[dict[str, Plan], dict[str, str]]:
    """Every sound study resolved, and of each other one its mistake as one line."""
    check_protocols(parameters)
    plans, mistakes = {}, {}
    for name in sorted({*parameters.studies, *parameters.drafts}):
        try:
            plans[name] = plan(parameters, name)
        except ParameterError as error:
            mistakes[name] = str(error)
    return plans, mistakes


def check_protocols(parameters: Parameters) -> None:
    """Resolve what protocols say of families and kinds of attention, used by a study or not."""
    plain = {"normalisation": None, "augmentation.crop_size": None, "training.train_subset": None}
    plain |= {"training.epochs": 1000}  # a warm-up that outlasts a short scale is no mistake here
    largest = max(parameters.datasets, key=lambda name: parameters.datasets[name].image_size)
    for (protocol, content), (name, model), (scale, sizes) in itertools.product(
        parameters.protocols.items(), parameters.models.items(), parameters.scales.items()
    ):
        told = model.family in content.per_family or model.attention_kind in content.per_attention
        if told and getattr(sizes.networks, FAMILIES[model.family].sizes) is not None:
            names = Names(dataset=largest, model=name, protocol=protocol, scale=scale)
            resolve(parameters, names, plain, 0, f"params/protocols.yaml: {protocol}")
