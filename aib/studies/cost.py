"""What runs cost, by arithmetic: passes, seconds, a schedule, bytes. Needs no torch."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any

from aib.params import Dataset
from aib.spec.run import RunSpec

BACKWARD = 2  # passes of a backward pass, in forward ones
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Network:
    """What is counted of a network, for one image (`aib.models.description`)."""

    parameters: int
    operations: int  # of a forward pass
    activations: int  # values that all layers give
    map_cells: int  # of its attention map; 0 without one


def split_sizes(dataset: Dataset, manifest: dict[str, Any] | None) -> dict[str, int] | None:
    """Images of train, validation and test: as prepared, else as declared; None if neither says."""
    if manifest is not None:
        return {split: sum(classes.values()) for split, classes in manifest["counts"].items()}
    if dataset.kind == "clutter":
        return {split: getattr(dataset, split) for split in ("train", "validation", "test")}
    if dataset.counts is None:
        return None
    validation = round(dataset.counts.train * dataset.validation_share)
    train = dataset.counts.train - validation
    return {"train": train, "validation": validation, "test": dataset.counts.test}


@dataclass(frozen=True)
class Work:
    """One run in steps and forward passes; `passes` are of one image."""

    epochs: int
    steps: int  # of an epoch
    step_passes: int  # of a step
    evaluation_passes: int  # of the whole run

    @property
    def evaluation_share(self) -> float:
        """What evaluating adds to training, as a share of its operations."""
        return self.evaluation_passes / (self.epochs * self.steps * self.step_passes)


def work(spec: RunSpec, sizes: dict[str, int]) -> Work:
    """What training asks of the device.

    A step is a forward and a backward pass, which is twice as much, and where the protocol has one
    a second forward pass. Each sample counts as a whole pass, though features are shared.
    """
    training, evaluation = spec.training, spec.evaluation
    images = sizes["train"] + (sizes["validation"] if training.validation == "none" else 0)
    images = min(images, training.train_subset or images)
    steps = images / training.batch_size
    evaluated = sum(sizes[split] for split in spec.splits)
    draws = [1 if samples == "mean" else samples for samples in evaluation.samples]
    last = sum(draws) * evaluated + sizes[spec.splits[-1]]  # every mode, and the information
    return Work(
        epochs=training.epochs,
        steps=int(steps) if training.drop_last else ceil(steps),
        step_passes=training.batch_size * (1 + BACKWARD + (training.second_forward or 0)),
        evaluation_passes=ceil(training.epochs / evaluation.every)
        * evaluation.draws
        * draws[0]
        * evaluated
        + last,
    )


def step_seconds(
    passes: int, operations: int, rate: float, sharing: int = 1, least: float = 0.0
) -> float:
    """Seconds of a step by its operations.

    Args:
        passes: forward passes of one image that a step is worth.
        operations: of such a pass.
        rate: operations a second of the device.
        sharing: trainings that divide it among them.
        least: seconds that a step takes at least.
    """
    return max(sharing * passes * operations / rate, least)


def wall_seconds(jobs: Iterable[float], slots: int) -> float:
    """When the last job ends, the longest started first, each whole on one of the slots.

    Never less than the longest job or the mean of the slots, and at most 4/3 of the best schedule
    (Graham 1969).
    """
    ends = [0.0] * slots
    for seconds in sorted(jobs, reverse=True):
        heapq.heapreplace(ends, ends[0] + seconds)
    return max(ends)


# ---------------------------------------------------------------- bytes


def memory_bytes(spec: RunSpec, network: Network, sizes: dict[str, int]) -> int:
    """About what a training holds on its device, without libraries and workspaces.

    Weights, their gradients and what the optimiser and an average keep of each; what every layer
    gives for a batch; the images.
    """
    copies = 2 + (2 if spec.optimiser.name == "adam" else 1) + bool(spec.training.weight_average)
    value = 2 if spec.training.precision in ("bf16", "fp16") else FLOAT
    activations = value * network.activations * spec.training.batch_size
    return FLOAT * copies * network.parameters + activations + data_bytes(spec, sizes)


def data_bytes(spec: RunSpec, sizes: dict[str, int]) -> int:
    """The prepared images of a run's dataset."""
    return sum(sizes.values()) * 3 * spec.dataset.image_size**2


def run_bytes(spec: RunSpec, network: Network, sizes: dict[str, int]) -> int:
    """About what a finished run leaves on disk: weights, predictions, maps; no evaluations."""
    scored = sizes[spec.splits[-1]]
    predictions = scored * (2 * len(spec.dataset.classes) + 16)  # float16; two int64
    maps = sum(min(spec.map_sample, sizes[split]) for split in spec.splits)
    return FLOAT * (network.parameters + maps * network.map_cells) + predictions
