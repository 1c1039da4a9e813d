"""One epoch of optimisation, and the state that it moves."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from aib.data.loader import Loader
from aib.generators import Generators
from aib.objective import Losses, losses, warmed_beta
from aib.spec.run import RunSpec, Training
from aib.training.device import synchronise
from aib.training.optimiser import clip_gradients, set_learning_rate
from aib.training.schedule import learning_rate

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
# What every step leaves behind, by column: sums over its images, and their number.
TRACED = (*Losses._fields, "correct", "images")


@dataclass
class State:
    """Everything that a resumed run must find as it was."""

    model: nn.Module
    optimiser: torch.optim.Optimizer
    scaler: torch.amp.GradScaler  # of the loss, in fp16; it passes things on otherwise
    average: AveragedModel | None
    generators: Generators
    epoch: int = 0  # finished epochs
    step: int = 0  # finished steps of the next one
    epoch_start: dict[str, Tensor] = field(default_factory=dict)  # generators, when it began
    trace: Tensor | None = None  # (steps, TRACED)
    history: list[dict[str, float]] = field(default_factory=list)
    kept: dict[str, Tensor] = field(default_factory=dict)  # weights of the best epoch, if asked for
    film: list[Tensor] = field(default_factory=list)  # maps of the gallery, each evaluated epoch
    seconds: float = 0.0  # of all, until the checkpoint
    step_seconds: float = 0.0
    evaluation_seconds: float = 0.0

    PLAIN: ClassVar = (
        *("epoch", "step", "epoch_start", "trace", "history", "kept", "film"),
        *("seconds", "step_seconds", "evaluation_seconds"),
    )

    def networks(self) -> dict[str, nn.Module]:
        """The network that is trained, and the average of its weights if there is one."""
        return {"model": self.model} | ({"average": self.average.module} if self.average else {})

    def keep(self) -> None:
        """Copy all weights to `kept`."""
        self.kept = {
            f"{which}.{name}": tensor.cpu().clone()
            for which, network in self.networks().items()
            for name, tensor in network.state_dict().items()
        }

    def take_kept(self) -> None:
        """Go back to the weights that were kept, if any were."""
        if not self.kept:
            return
        for which, network in self.networks().items():
            network.load_state_dict({n: self.kept[f"{which}.{n}"] for n in network.state_dict()})

    def to_dict(self) -> dict[str, Any]:
        """Tensors, numbers and lists only, for `torch.load(weights_only=True)`."""
        return {name: getattr(self, name) for name in self.PLAIN} | {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "generators": self.generators.state(),
        }

    def restore(self, saved: dict[str, Any]) -> None:
        """Take over what `to_dict` gave."""
        for name in self.PLAIN:
            setattr(self, name, saved[name])
        self.model.load_state_dict(saved["model"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.scaler.load_state_dict(saved["scaler"])
        if self.average:
            self.average.load_state_dict(saved["average"])
        self.generators.restore(saved["generators"])
        if self.trace is not None:
            self.trace = self.trace.to(self.generators.device)


def steps_an_epoch(training: Training, images: int) -> tuple[int, int]:
    """Return the steps of an epoch over so many images, and how many images they see."""
    if training.drop_last:
        steps = images // training.batch_size
        return steps, steps * training.batch_size
    return -(-images // training.batch_size), images


def train_epoch(
    state: State,
    spec: RunSpec,
    loader: Loader,
    forward: Callable[..., Any],
    after_step: Callable[[], None],
) -> None:
    """Run the steps that the current epoch still lacks.

    `forward` is the model, compiled or not. `after_step` may save a checkpoint or raise. Nothing
    in a step waits for the device, but for the scaling of losses in fp16, which asks whether a step
    overflowed: the losses stay there, in `state.trace`, until the epoch ends.
    """
    device, size = state.generators.device, spec.training.batch_size
    steps, _ = steps_an_epoch(spec.training, len(loader))
    if state.step == 0:
        state.epoch_start = state.generators.state()
        state.trace = torch.zeros(steps, len(TRACED), device=device)
    else:  # draw this epoch's order and augmentation again
        now = state.generators.state()
        state.generators.restore(state.epoch_start | {"noise": now["noise"]})
    order = loader.epoch_order(state.generators.order)
    plan = loader.augmentation_plan(state.generators.augmentation)
    state.model.train()
    begin = time.perf_counter()
    while state.step < steps:
        chosen = slice(state.step * size, (state.step + 1) * size)
        images, labels = loader.batch(order[chosen], plan)
        epoch = state.epoch + state.step / steps
        peak = spec.optimiser.learning_rate
        rate = learning_rate(spec.schedule, peak, epoch, spec.training.epochs)
        set_learning_rate(state.optimiser, rate)
        beta = warmed_beta(spec.objective, epoch)
        state.trace[state.step] = train_step(state, spec, forward, images, labels, beta)
        state.step += 1
        if state.step == steps:
            synchronise(device)
        state.step_seconds += time.perf_counter() - begin
        after_step()
        begin = time.perf_counter()


def train_step(
    state: State,
    spec: RunSpec,
    forward: Callable[..., Any],
    images: Tensor,
    labels: Tensor,
    beta: float,
) -> Tensor:
    """One update of the weights; returns the step's row of the trace."""
    dtype = AUTOCAST.get(spec.training.precision)
    autocast = torch.autocast(images.device.type, dtype=dtype, enabled=dtype is not None)
    with autocast:
        prediction = forward(images)
    result = losses(prediction, labels, spec.objective, beta)
    state.optimiser.zero_grad()
    state.scaler.scale(result.total).backward()
    if spec.optimiser.clip_norm is not None:
        state.scaler.unscale_(state.optimiser)
        clip_gradients(state.optimiser, spec.optimiser.clip_norm)
    state.scaler.step(state.optimiser)
    state.scaler.update()
    if state.average:
        state.average.update_parameters(state.model)
    with torch.no_grad():
        if spec.training.second_forward:  # moves the statistics of BatchNorm, and nothing else
            with autocast:
                forward(images, spec.training.second_forward)
        correct = (prediction.logits.mean(dim=0).argmax(dim=1) == labels).float().mean()
        return torch.stack([*result, correct, torch.ones_like(correct)]).detach() * len(labels)
