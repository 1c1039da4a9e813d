"""Studies, and what the workflow may be told."""

import itertools
from collections.abc import Iterable
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from aib.spec.base import Name, Positive, Seed, Strict

Checkpoint = Literal["last", "best_validation", "best_test"]


class Arm(Strict):
    """One model under one protocol."""

    model: str
    protocol: str | None = None
    overrides: dict[str, Any] = {}


class Contrast(Strict):
    """A question: does `treatment` beat `control`?"""

    treatment: str
    control: str
    family: Literal["main", "ablation"] = "main"


class Measure(Strict):
    """A question about a figure of an evaluation: is it higher in `treatment` than in `control`?"""

    evaluation: Name
    figure: str = Field(description="a column of the evaluation's table")
    control_figure: str | None = Field(default=None, description="of the control, if another one")
    treatment: str
    control: str
    margin: float = Field(gt=0, description="the difference that matters, in the figure's unit")


class Factorial(Strict):
    """Four arms that differ in two parts, each there or not: the 2x2 of attention and bottleneck.

    Its two main effects are the study's primary questions, ahead of every contrast.
    """

    neither: str
    attention: str
    bottleneck: str
    both: str

    @property
    def arms(self) -> tuple[str, str, str, str]:
        """The arms in the order neither, attention, bottleneck, both."""
        return self.neither, self.attention, self.bottleneck, self.both


class Ablation(Strict):
    """One parameter of one arm, varied; every other value is compared with the arm's own."""

    arm: str
    parameter: str
    values: tuple[Any, ...] = Field(min_length=2)

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(value in values[:index] for index, value in enumerate(values)):
            raise ValueError("a value stands twice")
        return values


class Spread(Strict):
    """The spread that the study's size was computed from, and where it was seen."""

    std: float = Field(gt=0, description="of test accuracy over seeds, in percentage points")
    source: str
    power: float = Field(default=0.8, gt=0, lt=1, description="wanted at each alternative")


class Pilot(Strict):
    """A first look at every arm: a short run on a seed of its own, scored on validation."""

    seed: Seed
    epochs: Positive
    rate_band: tuple[float, float] = Field(description="bits an image that are still sane")


class Tuning(Strict):
    """Makes the study a tuning study: all arms over one grid with one budget, on validation."""

    grid: dict[str, tuple[Any, ...]] = Field(
        min_length=1, description="dotted key of a run to values; what an arm lacks is left out"
    )
    runs_per_arm: Positive = Field(description="settings times seeds, the same for every arm")

    @field_validator("grid")
    @classmethod
    def _values(cls, grid: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        for key, values in grid.items():
            if not values or any(value in values[:index] for index, value in enumerate(values)):
                raise ValueError(f"'{key}' has no value, or one twice")
        return grid


class Looks(Strict):
    """Seeds in blocks: the questions are judged after each, and a decided one stops its arms."""

    after: tuple[int, ...] = Field(
        min_length=2, description="seeds an arm at each look; the last is all of them"
    )
    spending: Literal["obrien-fleming"] = Field(
        description="how each question spends its share of alpha over the looks"
    )

    @field_validator("after")
    @classmethod
    def _increasing(cls, after: tuple[int, ...]) -> tuple[int, ...]:
        if after[0] < 2:
            raise ValueError("a look needs at least 2 seeds an arm")
        if any(later <= sooner for sooner, later in itertools.pairwise(after)):
            raise ValueError("the numbers of seeds must increase")
        return after


class Study(Strict):
    """All that was decided before the runs: arms, seeds, questions, margin."""

    title: str
    hypothesis: str
    datasets: tuple[str, ...] = Field(min_length=1)
    scale: str
    protocol: str
    seeds: tuple[Seed, ...] = Field(min_length=1)
    margin: float = Field(gt=0, description="percentage points of accuracy that matter")
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    correction: Literal["holm", "fixed-sequence"] = Field(
        default="holm", description="over a family; fixed-sequence tests in the declared order"
    )
    checkpoint: Checkpoint = Field(
        default="last", description="whose accuracy every comparison uses, whatever an arm selects"
    )
    collapsed: Literal["kept", "left-out"] = Field(
        default="kept", description="what means and comparisons do with runs that collapsed"
    )
    stopping_rule: str
    looks: Looks | None = None
    spread: Spread | None = None
    arms: dict[Name, Arm] = Field(min_length=1)
    factorial: Factorial | None = None
    contrasts: tuple[Contrast, ...] = ()
    ablations: dict[Name, Ablation] = {}
    measures: tuple[Measure, ...] = Field(
        default=(), description="questions on evaluations: a family of their own, corrected by Holm"
    )
    pilot: Pilot | None = None
    tuning: Tuning | None = None
    tuned_in: str | None = Field(
        default=None, description="the tuning study whose winners the arms must have"
    )
    checked_in: str | None = Field(
        default=None,
        description="the study of its arms at more epochs, which says whether training was over",
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        _refuse_twice("seeds", self.seeds)
        _refuse_twice("datasets", self.datasets)
        pairs = [tuple(sorted((c.treatment, c.control))) for c in self.contrasts]
        twice = {pair for pair in pairs if pairs.count(pair) > 1}
        if twice:
            first, second = sorted(twice)[0]
            raise ValueError(f"'contrasts' compares '{first}' and '{second}' twice")
        if self.factorial:
            _refuse_twice("factorial", self.factorial.arms)
        if self.pilot and self.pilot.seed in self.seeds:
            raise ValueError(f"pilot.seed {self.pilot.seed} is one of the study's own 'seeds'")
        return self

    @model_validator(mode="after")
    def _tuning_decides_nothing(self) -> Self:
        asks = self.contrasts or self.ablations or self.factorial or self.measures
        if self.tuning and (asks or self.tuned_in):
            raise ValueError("a tuning study has arms and a grid, and no question")
        return self

    @model_validator(mode="after")
    def _looks_fit(self) -> Self:
        if self.looks is None:
            return self
        if self.looks.after[-1] != len(self.seeds):
            raise ValueError(
                f"the last of 'looks.after' is {self.looks.after[-1]}, and there are "
                f"{len(self.seeds)} 'seeds'"
            )
        if not (self.factorial or self.contrasts or self.ablations):
            raise ValueError("'looks' are at questions, and the study declares none")
        if "correction" in self.model_fields_set:
            raise ValueError(
                "'correction' has no use beside 'looks': every question has its own share of alpha"
            )
        return self


def _refuse_twice(key: str, values: Iterable[Any]) -> None:
    values = list(values)
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"'{key}' names {twice[0]} twice")


class WorkflowConfig(Strict):
    """What `snakemake --config` may say."""

    study: str = "quick"
    device: Literal["auto", "cpu", "cuda"] | None = None
    trainings_per_gpu: Positive = 1
    allow_mixed_code: bool = False
    archives: str | None = Field(None, pattern=r"^s3://[^{}]*[^/{}]$")
