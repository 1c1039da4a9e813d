"""Training steps of every family at its standard size: `python benchmarks/training_step.py`.

One thread. Ours is the step of `aib.training.loop`, with channels last in memory, as runs do it.
The plain loop is that of a textbook: the same network in PyTorch's default layout, torch.optim, KL
by torch.distributions, `.item()` after each step. Both take turns, and the best of each counts.
Operations are counted by torch's FlopCounterMode over forward and backward; the share is theirs of
what a float32 matrix product of this machine does in the same run.

Names of models may be given; `--batch` is the images of a step (fewer than the paper's, for a CPU).
"""

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal, kl_divergence
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from aib.generators import Generators
from aib.models import build
from aib.models.initialise import initialise
from aib.params import Parameters, load
from aib.spec.models import FAMILIES
from aib.spec.run import Names, RunSpec
from aib.studies.resolve import resolve
from aib.training.device import prepare_device
from aib.training.loop import State, train_step
from aib.training.optimiser import make_optimiser

MODELS = ("vgg-aib-qt", "wrn-aib-qt", "vgg16-aib-qt", "wrn50-2-aib-qt")
PROTOCOLS = {"vgg": "released-vgg", "wrn": "released-wrn", "imagenet": "released-cub"}
CLASSES, MATRIX, RATE = 10, 2048, 1e-3


def matrix_rate() -> float:
    """Operations/s of the best of several float32 matrix products."""
    left, right = torch.rand(2, MATRIX, MATRIX).unbind()
    seconds = min(timed(lambda: left @ right) for _ in range(5))
    return 2 * MATRIX**3 / seconds


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spec_of(parameters: Parameters, name: str) -> RunSpec:
    """The run as released, without what is not the step itself."""
    sizes = FAMILIES[parameters.models[name].family].sizes
    names = Names(dataset="cifar10", model=name, protocol=PROTOCOLS[sizes], scale="paper")
    plain = {"training.precision": "fp32", "training.weight_average": None}
    plain |= {"training.second_forward": None, "augmentation.crop_size": None}
    return resolve(parameters, names, plain, 0, "benchmark")


def network_of(spec: RunSpec) -> nn.Module:
    """A network with start weights."""
    family = FAMILIES[spec.model.family]
    network = build(spec.model, spec.network, CLASSES, family.image_size)
    initialise(network, spec.initialisation, torch.Generator().manual_seed(0))
    return network.train()


def our_step(spec: RunSpec, images: Tensor, labels: Tensor) -> Callable[[], object]:
    """A function that makes one of our steps."""
    network = network_of(spec).to(memory_format=torch.channels_last)
    images = images.to(memory_format=torch.channels_last)
    state = State(
        network,
        make_optimiser(network, spec.optimiser),
        torch.amp.GradScaler("cpu", enabled=False),
        None,
        Generators(0, torch.device("cpu")),
    )
    return lambda: train_step(state, spec, network, images, labels, RATE)


def plain_step(spec: RunSpec, images: Tensor, labels: Tensor) -> Callable[[], object]:
    """A function that makes one step of the plain loop."""
    network, weights = network_of(spec), spec.objective
    if spec.optimiser.name == "sgd":
        rates = {"momentum": spec.optimiser.momentum, "weight_decay": spec.optimiser.weight_decay}
        optimiser = torch.optim.SGD(network.parameters(), lr=RATE, **rates)
    else:
        optimiser = torch.optim.Adam(network.parameters(), lr=RATE, betas=spec.optimiser.betas)

    def step() -> float:
        prediction = network(images)
        encoder = Independent(Normal(prediction.latent_mean, prediction.latent_std.exp()), 1)
        prior = Independent(
            Normal(torch.zeros(()), torch.ones(())).expand([encoder.event_shape[0]]), 1
        )
        nats = kl_divergence(encoder, prior).mean()
        loss = functional.cross_entropy(prediction.logits.mean(0), labels) / math.log(2)
        loss = loss + weights.beta * weights.kl_factor * nats / math.log(2)
        loss = loss + weights.codebook_weight * prediction.attention.codebook_loss
        loss = loss + weights.commitment_weight * prediction.attention.commitment_loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def main() -> None:
    """Print one line a model."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    prepare_device("cpu", "fp32")
    parameters = load(Path(__file__).parents[1])
    for name in arguments.models:
        spec = spec_of(parameters, name)
        side = FAMILIES[spec.model.family].image_size
        images = torch.rand(arguments.batch, 3, side, side)
        labels = torch.arange(arguments.batch) % CLASSES
        ours, plain = (make(spec, images, labels) for make in (our_step, plain_step))
        with FlopCounterMode(display=False) as counter:
            plain()
        ours()
        seconds = [(timed(ours), timed(plain)) for _ in range(arguments.turns)]
        product = matrix_rate()
        best, theirs = (min(column) for column in zip(*seconds, strict=True))
        share = counter.get_total_flops() / best / product
        print(
            f"{name:16} {arguments.batch / best:6.2f} images/s, "
            f"plain loop {arguments.batch / theirs:6.2f}, ratio {theirs / best:.2f}; "
            f"{share:.0%} of {product / 1e9:.0f} GFLOP/s",
            flush=True,
        )


if __name__ == "__main__":
    main()
