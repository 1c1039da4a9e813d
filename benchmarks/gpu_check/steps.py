"""Images a second of a run's training steps, on made-up images."""

import time
from collections.abc import Callable

import torch

from aib.probe import made_up_loaders, start
from aib.spec.run import RunSpec
from aib.training.loop import train_epoch


def images_per_second(
    spec: RunSpec, device: torch.device, small: bool, begin: Callable[[], object] = lambda: None
) -> float:
    """After a warm-up, for three seconds or, small, a moment; `begin` is called between the two."""
    steps, least = (2, 0.2) if small else (10, 3.0)
    state, loader = start(spec, device), made_up_loaders(spec, device, steps)["train"]
    forward = torch.compile(state.model) if spec.training.compile else state.model

    def epoch() -> int:
        state.step = 0
        train_epoch(state, spec, loader, forward, lambda: None)
        return len(loader)

    epoch()
    begin()
    started, images = time.perf_counter(), 0
    while (passed := time.perf_counter() - started) < least:
        images += epoch()
    return images / passed
