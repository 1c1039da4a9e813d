"""Protocols and scales: params/protocols.yaml, params/scales.yaml."""

from typing import Any, Literal

from pydantic import Field

from aib.spec.base import Name, NonNegative, Positive, Strict
from aib.spec.models import Networks
from aib.spec.parts import (
    Augmentation,
    Evaluation,
    Initialisation,
    Objective,
    Optimiser,
    Outcome,
    Precision,
    Schedule,
    WeightAverage,
)


class Protocol(Strict):
    """A named set of all switches of training and evaluation."""

    description: str
    objective: Objective
    optimiser: Optimiser
    schedule: Schedule
    batch_size: Positive
    drop_last: bool = Field(description="leave out an epoch's last batch if it is not full")
    validation: Literal["split", "none"] = Field(
        default="split", description="none: train on the validation split too, as the release does"
    )
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
    outcome: Outcome = Outcome()
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


class Job(Strict):
    """What a training, or a run's evaluation, asks of a cluster; a retry asks for more.

    Too few minutes cost little: a training goes on from its checkpoint.
    """

    minutes: Positive
    memory_gb: Positive


class Scale(Strict):
    """Sizes only: networks, epochs, subset, jobs. Never the science."""

    description: str
    networks: Networks
    epochs: Positive
    epochs_without_pilot: NonNegative = Field(
        description="epochs of all runs of a study together, above which a pilot must have passed"
    )
    train_subset: Positive | None = None
    map_sample: Positive = Field(description="maps kept of each of validation and test")
    job: Job
