"""Protocols and scales: params/protocols.yaml, params/scales.yaml."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from aib.params.base import Name, NonNegative, Positive, Samples, Strict
from aib.params.models import VGGNetwork


class Objective(Strict):
    """Weights and switches of the loss (docs/method.md, The objective)."""

    kl_scale: Literal["released", "stated"]
    kl_factor: float = Field(ge=0)
    beta: float = Field(ge=0)
    codebook_weight: float = Field(ge=0, description="lambda_g")
    commitment_weight: float = Field(ge=0, description="lambda_c")


class Optimiser(Strict):
    """Stochastic gradient descent with a parameter group for the anchors."""

    learning_rate: float = Field(gt=0, description="peak")
    momentum: float = Field(ge=0, lt=1)
    nesterov: bool
    weight_decay: float = Field(ge=0)
    anchor_lr_ratio: float = Field(ge=0, description="0 freezes the anchors")
    anchor_weight_decay: bool


class HalvingSchedule(Strict):
    """The released VGG schedule: steps of `factor`, the first one an epoch early."""

    name: Literal["halving"]
    every: Positive
    factor: float = Field(gt=0, le=1)
    warmup_epochs: NonNegative = Field(description="epochs at a tenth of the rate of the next")


class CosineSchedule(Strict):
    """Linear warm-up, then half a cosine to zero, step by step."""

    name: Literal["cosine"]
    warmup_epochs: NonNegative


Schedule = Annotated[HalvingSchedule | CosineSchedule, Field(discriminator="name")]


class Augmentation(Strict):
    """Random crop after padding; the flip is the dataset's to allow."""

    crop_padding: NonNegative
    padding_mode: Literal["reflect", "zero"]


class Evaluation(Strict):
    """How predictions are made and which weights are kept."""

    samples: tuple[Samples, ...] = Field(
        min_length=1, description="S draws of a and of z, or 'mean'; the first is the headline"
    )
    average: Literal["logits", "probabilities"]
    select: Literal["last", "best_validation", "best_test"]

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
    augmentation: Augmentation
    normalisation: str = Field(description="'own', or a name in normalisations.yaml")
    initialisation: Literal["released-vgg", "pytorch"]
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    compile: bool = False
    evaluation: Evaluation
    per_model: dict[Name, dict[str, Any]] = Field(
        default={}, description="model name to dotted key to value"
    )


class Scale(Strict):
    """Sizes only: networks, epochs, subset. Never the science."""

    description: str
    networks: dict[Literal["vgg"], VGGNetwork]
    epochs: Positive
    train_subset: Positive | None = None
    map_sample: Positive = Field(description="maps kept of each of validation and test")
