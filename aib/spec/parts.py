"""What a run's training and evaluation are set by, part by part (docs/method.md, Switches)."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from aib.spec.base import NonNegative, Positive, Samples, Strict

Initialisation = Literal["released-vgg", "released-wrn", "released-cub-wrn", "pytorch"]
Precision = Literal["fp32", "tf32", "bf16", "fp16"]


class Normalisation(Strict):
    """Per-channel mean and standard deviation of images scaled to [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Objective(Strict):
    """Weights and switches of the loss (docs/method.md, The objective)."""

    kl_scale: Literal["released", "stated"]
    kl_factor: float = Field(ge=0)
    beta: float = Field(ge=0)
    beta_warmup_epochs: NonNegative = Field(
        default=0, description="epochs over which beta rises from 0, linearly and step by step"
    )
    codebook_weight: float = Field(ge=0, description="lambda_g")
    commitment_weight: float = Field(ge=0, description="lambda_c")


class Rates(Strict):
    """What all optimisers have: rates, weight decay, and a parameter group for the anchors."""

    learning_rate: float = Field(gt=0, description="peak")
    weight_decay: float = Field(ge=0)
    anchor_lr_ratio: float = Field(ge=0, description="0 freezes the anchors")
    anchor_weight_decay: bool
    clip_norm: float | None = Field(
        default=None, gt=0, description="largest norm of the gradient of all parameters together"
    )


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


class Outcome(Strict):
    """When a run that reached its end counts as collapsed rather than as completed."""

    chance_alpha: float = Field(
        default=1e-3,
        gt=0,
        lt=0.5,
        description="level of the binomial test that the last epoch's training accuracy is above "
        "the share of the most frequent class",
    )
    rate_floor: float = Field(
        default=0.1, ge=0, description="bits an image; a lower rate at beta > 0 is a collapse"
    )


class Evaluation(Strict):
    """How predictions are made and which weights are kept."""

    split: Literal["test", "validation"] = Field(
        default="test", description="what is scored; with validation nothing looks at test"
    )
    every: Positive = Field(
        default=1, description="epochs from one evaluation to the next; the last one always is"
    )

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

    @model_validator(mode="after")
    def _selects_on_what_it_sees(self) -> Self:
        if (self.split, self.select) == ("validation", "best_test"):
            raise ValueError("'select' is best_test, and 'split' keeps test unseen")
        return self
