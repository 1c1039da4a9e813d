"""Studies, published numbers, and what the workflow may be told."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from aib.params.base import Name, NonNegative, Positive, Strict


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


class Ablation(Strict):
    """One parameter of one arm, varied; every other value is compared with the arm's own."""

    arm: str
    parameter: str
    values: tuple[Any, ...] = Field(min_length=2)
    seeds: tuple[NonNegative, ...] | None = None

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(value in values[:index] for index, value in enumerate(values)):
            raise ValueError("a value stands twice")
        return values


class Study(Strict):
    """All that was decided before the runs: arms, seeds, contrasts, margin."""

    title: str
    hypothesis: str
    datasets: tuple[str, ...] = Field(min_length=1)
    scale: str
    protocol: str
    seeds: tuple[NonNegative, ...] = Field(min_length=1)
    margin: float = Field(gt=0, description="percentage points of accuracy that matter")
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    stopping_rule: str
    arms: dict[Name, Arm] = Field(min_length=1)
    contrasts: tuple[Contrast, ...] = ()
    ablations: dict[Name, Ablation] = {}

    @model_validator(mode="after")
    def _seeds_once(self) -> Self:
        for where, seeds in [("seeds", self.seeds)] + [
            (f"ablations.{name}.seeds", ablation.seeds or ())
            for name, ablation in self.ablations.items()
        ]:
            twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
            if twice:
                raise ValueError(f"'{where}' names seed {twice[0]} twice")
        return self


class WorkflowConfig(Strict):
    """What `snakemake --config` may say."""

    study: str = "quick"
    device: Literal["auto", "cpu", "cuda"] | None = None
    trainings_per_gpu: Positive = 1
    allow_mixed_code: bool = False


class PublishedValue(Strict):
    """A number from the literature; `value` stays null until its source is at hand."""

    dataset: str
    model: str
    metric: Literal["test_error"]
    value: float | None
    source: str
