"""A few steps of a run on the device in use: what it takes before anything is trained.

A probe makes up its images, so that it needs no data, and is set up as a run is. Nothing is
written, and nothing of it is part of any result.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
import torch

from aib.data.loader import Loader
from aib.data.prepared import PreparedData, Split
from aib.errors import AibError
from aib.evaluation.accuracy import BATCH, predict
from aib.generators import Generators
from aib.gpus import one_gpu
from aib.models import build
from aib.models.initialise import initialise
from aib.spec.run import RunSpec
from aib.training.average import running_average
from aib.training.device import describe, peak_memory, prepare_device, synchronise
from aib.training.loop import State, train_epoch
from aib.training.optimiser import make_optimiser
from aib.training.run import make_loaders

WARM_UP, STEPS = 4, 20


@dataclass(frozen=True)
class Probe:
    """What a step took, and the peak memory of training and predicting, without the images."""

    step_seconds: float
    memory_bytes: int
    device: str


def probe_all(specs: Sequence[RunSpec], device: str, sharing: int) -> Iterator[Probe]:
    """Probe one run after the other, each in a process of its own, as runs are trained.

    Args:
        specs: of the runs.
        device: auto, cpu or cuda.
        sharing: trainings that may share a GPU; the probe takes the place of one.

    Raises:
        AibError: the device cannot run one of them.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        for spec in specs:
            try:
                yield pool.submit(probe, spec, device, sharing).result()
            except RuntimeError as error:  # out of memory, above all
                first = str(error).splitlines()[0]
                raise AibError(f"the probe of {spec.names.model} failed: {first}") from None


def probe(spec: RunSpec, device_name: str, sharing: int = 1) -> Probe:
    """Train for a few steps, predict a batch in every mode."""
    with one_gpu(device_name, sharing):
        device = prepare_device(device_name, spec.training.precision)
        state = start(spec, device)
        loaders = made_up_loaders(spec, device, WARM_UP + STEPS)
        network = state.model
        forward = torch.compile(network) if spec.training.compile else network
        clock = []

        def note() -> None:
            if state.step in (WARM_UP, WARM_UP + STEPS):
                synchronise(device)
                clock.append(time.perf_counter())

        train_epoch(state, spec, loaders["train"], forward, note)
        for samples in spec.evaluation.samples:
            predict(network, loaders[spec.splits[-1]], samples, spec.evaluation.average)
        seconds = (clock[1] - clock[0]) / STEPS
        return Probe(seconds, peak_memory(device), describe(device))


def start(spec: RunSpec, device: torch.device) -> State:
    """A run before its first step; a pretrained network's weights are as good as any."""
    model = build(spec.model, spec.network, len(spec.dataset.classes), spec.image_size)
    generators = Generators(spec.seed, device)
    initialise(model, spec.initialisation, generators.init)
    model.to(device, memory_format=torch.channels_last)
    average = spec.training.weight_average
    return State(
        model,
        make_optimiser(model, spec.optimiser),
        torch.amp.GradScaler(device.type, enabled=spec.training.precision == "fp16"),
        running_average(model, average.decay) if average else None,
        generators,
    )


def made_up_loaders(spec: RunSpec, device: torch.device, steps: int) -> dict[str, Loader]:
    """Images for so many steps, and a batch to predict: noise, which takes as long."""
    rng, side = np.random.default_rng(0), spec.dataset.image_size

    def split(count: int) -> Split:
        images = rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8)
        return Split(images, rng.integers(0, len(spec.dataset.classes), count))

    train = split(steps * spec.training.batch_size)
    manifest = {"mean": [0.5] * 3, "std": [0.25] * 3, "classes": list(spec.dataset.classes)}
    data = PreparedData(manifest, train, split(BATCH), split(BATCH))
    whole = spec.training.model_copy(update={"train_subset": None, "validation": "split"})
    return make_loaders(spec.model_copy(update={"training": whole}), data, device)
