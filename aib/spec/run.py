"""RunSpec: all that a run is, and its key. It knows nothing of studies."""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from aib.spec.base import Positive, Seed, Strict
from aib.spec.models import AnyModel, Network
from aib.spec.parts import (
    Augmentation,
    Evaluation,
    Initialisation,
    Normalisation,
    Objective,
    Optimiser,
    Outcome,
    Precision,
    Schedule,
    WeightAverage,
)


class Names(Strict):
    """Under which names params/ knows the parts of a run; not part of the key."""

    dataset: str
    model: str
    protocol: str
    scale: str


class DataSpec(Strict):
    """What a run needs to know of its dataset, whatever kind of dataset that is."""

    identity: dict[str, Any]  # what decides the arrays; the manifest has the same
    classes: tuple[str, ...]
    image_size: Positive
    has_masks: bool
    horizontal_flip: bool  # does a mirrored image keep its label?


class Training(Strict):
    """Sizes and numerics of the optimisation."""

    epochs: Positive
    batch_size: Positive
    drop_last: bool
    train_subset: Positive | None
    validation: Literal["split", "none"]
    precision: Precision
    compile: bool
    weight_average: WeightAverage | None
    second_forward: Positive | None
    outcome: Outcome = Outcome()


class RunSpec(Strict):
    """dataset x model x protocol x scale x overrides x seed, all resolved to values.

    Two specs of the same values have the same key, whatever names led to them.
    """

    names: Names
    dataset: DataSpec
    model: AnyModel
    network: Network
    objective: Objective
    optimiser: Optimiser
    schedule: Schedule
    training: Training
    augmentation: Augmentation
    normalisation: Normalisation | None  # None: the dataset's own statistics
    initialisation: Initialisation
    evaluation: Evaluation
    map_sample: Positive
    seed: Seed

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.training.validation == "none" and "validation" in (
            self.evaluation.split,
            self.evaluation.select.removeprefix("best_"),
        ):
            raise ValueError("training.validation is none, and 'evaluation' asks for a split apart")
        epochs = self.training.epochs
        for name, warmup, value in (
            ("objective.beta_warmup_epochs", self.objective.beta_warmup_epochs, "beta"),
            ("schedule.warmup_epochs", self.schedule.warmup_epochs, "the learning rate"),
        ):
            if warmup > epochs:
                raise ValueError(
                    f"{name} is {warmup}, and training ends after {epochs}: {value} would never "
                    "reach its value"
                )
        return self

    @property
    def key(self) -> str:
        """First 12 hex digits of SHA-256 of the canonical JSON, without what changes no result.

        Nor does a switch at its default: one that is added later leaves older runs what they are.
        """
        content = self.model_dump(
            mode="json", exclude={"seed", "names", "dataset"}, exclude_defaults=True
        )
        content["dataset"] = self.dataset.identity
        content["horizontal_flip"] = self.dataset.horizontal_flip
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def image_size(self) -> int:
        """Side of the images that the network sees, in pixels."""
        return self.augmentation.crop_size or self.dataset.image_size

    @property
    def folder(self) -> Path:
        """Where the record lies, below results/runs."""
        return Path(self.names.dataset, self.names.model, self.key, f"seed-{self.seed}")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are evaluated, the scored one last."""
        apart = ("validation",) if self.training.validation == "split" else ()
        return apart + (("test",) if self.evaluation.split == "test" else ())
