"""A running average of a network's weights, which is a network too."""

import copy

import torch
from torch import nn


class Average:
    """average = decay * average + (1 - decay) * now, after every step, from the start weights.

    As released (#26) the running statistics of BatchNorm are averaged as well, and nothing corrects
    for the start. Counters, which no prediction depends on, are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self.decay = copy.deepcopy(model).requires_grad_(False), decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take one step of `model` into the average."""
        now = model.state_dict()
        for name, average in self.model.state_dict().items():
            if average.is_floating_point():
                average.lerp_(now[name], 1 - self.decay)
            else:
                average.copy_(now[name])
