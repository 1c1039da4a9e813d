"""Protocols and scales: params/protocols.yaml, params/scales.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from aib.params.base import Name, NonNegative, Positive, Samples, Strict
from aib.params.models import Networks

Initialisation = Literal["released-vgg", "released-wrn", "released-cub-wrn", "pytorch"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]


class Objective(Strict):
    """Weights and switches of the loss (docs/method.md, The objective)."""

    kl_scale: Literal["released", "stated"]
    kl_factor: float = Field(ge=0)
    beta: float = Field(ge=0)
    codebook_weight: float = Field(ge=0, description="lambda_g")
    commitment_weight: float = Field(ge=0, description="lambda_c")


class Rates(Strict):
    """What all optimisers have: rates, weight decay, and a parameter group for the anchors."""

    learning_rate: float = Field(gt=0, description="peak")
    weight_decay: float = Field(ge=0)
    anchor_lr_ratio: float = Field(ge=0, description="0 freezes the anchors")
    anchor_weight_decay: bool


class SGDOptimiser(Rates):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"]
    momentum: float = Field(ge=0, lt=1)
    nesterov: bool


class AdamOptimiser(Rates):
    """Adam."""

    name: Literal["adam"]
    betas: tuple[
        Annotated[float, Field(ge=0, lt=1)],
        Annotated[float, Field(ge=0, lt=1)],
    ] = Field(description="decay of the two running averages")


Optimiser = Annotated[SGDOptimiser | AdamOptimiser, Field(discriminator="name")]


class HalvingSchedule(Strict):
    """The released VGG schedule: steps of `factor`, the first one an epoch early."""

    name: Literal["halving"]
    every: Positive
    factor: float = Field(gt=0, le=1)
    warmup_epochs: NonNegative = Field(description="epochs at a tenth of the rate of the next")


class MilestoneSchedule(Strict):
    """The released WRN schedule: a step of `factor` at each of `epochs`, counted from 0."""

    name: Literal["milestones"]
    epochs: tuple[Positive, ...] = Field(min_length=1)
    factor: float = Field(gt=0, le=1)
    warmup_epochs: NonNegative = Field(description="epochs at a tenth of the rate of the next")


class DecaySchedule(Strict):
    """The released CUB schedule: a step of `factor` after every `every` epochs."""

    name: Literal["decay"]
    every: Positive
    factor: float = Field(gt=0, le=1)
    warmup_epochs: NonNegative = Field(description="epochs at a tenth of the rate of the next")


class CosineSchedule(Strict):
    """Linear warm-up, then half a cosine to zero, step by step."""

    name: Literal["cosine"]
    warmup_epochs: NonNegative


Schedule = Annotated[
    HalvingSchedule | MilestoneSchedule | DecaySchedule | CosineSchedule,
    Field(discriminator="name"),
]


class Augmentation(Strict):
    """Random crop, after padding or to a smaller size; the flip is the dataset's to allow."""

    crop_padding: NonNegative
    padding_mode: Literal["reflect", "zero"]
    crop_size: Positive | None = Field(
        default=None,
        description="side of the crop, whose centre evaluation takes; null keeps the image's size",
    )


class WeightAverage(Strict):
    """An exponential moving average of weights and of batch statistics, without correction."""

    decay: float = Field(gt=0, lt=1)
    evaluates: Literal["all", "one-sample"] = Field(
        description="all, or as released only what is predicted from one sample (#25)"
    )


class Evaluation(Strict):
    """How predictions are made and which weights are kept."""

    samples: tuple[Samples, ...] = Field(
        min_length=1, description="S draws of a and of z, or 'mean'; the first is the headline"
    )
    average: Literal["logits", "probabilities"]
    select: Literal["last", "best_validation", "best_test"]
    draws: Positive = Field(
        default=1, description="evaluations an epoch, of which the most accurate selects (#25)"
    )

    @field_validator("samples")
    @classmethod
    def _distinct(cls, samples: tuple[Samples, ...]) -> tuple[Samples, ...]:
        if len(set(samples)) < len(samples):
            raise ValueError("an entry stands twice")
        return samples


class Protocol(Strict):
    """A named set of all switches of training and evaluation."""

    description: str
    objective: Objective
    optimiser: Optimiser
    schedule: Schedule
    batch_size: Positive
    drop_last: bool = Field(description="leave out an epoch's last batch if it is not full")
    augmentation: Augmentation
    normalisation: str = Field(
        description="own, released-vgg or released-wrn (the dataset says), or a name in "
        "normalisations.yaml"
    )
    initialisation: Initialisation
    precision: Precision
    compile: bool
    weight_average: WeightAverage | None
    second_forward: Positive | None = Field(
        description="samples of a forward pass after each step that changes only statistics (#27)"
    )
    evaluation: Evaluation
    per_family: dict[Name, dict[str, Any]] = Field(
        default={}, description="family name to dotted key of a run to value"
    )
    per_attention: dict[Literal["none", "continuous", "quantised"], dict[str, Any]] = Field(
        default={}, description="kind of attention to dotted key to value; after per_family"
    )
    facts: dict[str, str] = Field(
        default={}, description="dotted key to the item of docs/facts.md that justifies its value"
    )


class Scale(Strict):
    """Sizes only: networks, epochs, subset. Never the science."""

    description: str
    networks: Networks
    epochs: Positive
    train_subset: Positive | None = None
    map_sample: Positive = Field(description="maps kept of each of validation and test")
