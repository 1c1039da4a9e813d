"""Stochastic gradient descent, on the functional form that PyTorch documents.

`torch.optim.SGD` does the same sums, but imports PyTorch's compiler when it is made: 0.9 s beside
the 1.0 s of PyTorch itself, with compiled bytecode on two cores. A test holds the two equal.
"""

from typing import Any

import torch
from torch import nn
from torch.optim.sgd import sgd

from aib.params import Optimiser


class SGD:
    """Momentum, weight decay, and a group for the anchors, found by name on any device (#16)."""

    def __init__(self, model: nn.Module, parameters: Optimiser) -> None:
        self.parameters = parameters
        others, anchors = [], []
        for name, parameter in model.named_parameters():
            (anchors if name.endswith("quantiser.anchors") else others).append(parameter)
        decay = parameters.weight_decay
        # (parameters, share of the learning rate, weight decay)
        self.groups = [(others, 1.0, decay)]
        if anchors:
            anchor_decay = decay if parameters.anchor_weight_decay else 0.0
            self.groups.append((anchors, parameters.anchor_lr_ratio, anchor_decay))
        self.momenta = [[torch.zeros_like(p) for p in group] for group, _, _ in self.groups]
        self.learning_rate = 0.0  # of the last step

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group, _, _ in self.groups:
            for parameter in group:
                parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient, at this rate times its group's share."""
        self.learning_rate = learning_rate
        for (group, share, decay), momenta in zip(self.groups, self.momenta, strict=True):
            moved = [(p, m) for p, m in zip(group, momenta, strict=True) if p.grad is not None]
            sgd(
                [parameter for parameter, _ in moved],
                [parameter.grad for parameter, _ in moved],
                [momentum for _, momentum in moved],
                fused=True,
                lr=learning_rate * share,
                momentum=self.parameters.momentum,
                weight_decay=decay,
                nesterov=self.parameters.nesterov,
                dampening=0,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Momenta and last rate, for a checkpoint."""
        return {"momenta": self.momenta, "learning_rate": self.learning_rate}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.learning_rate = saved["learning_rate"]
        for momenta, before in zip(self.momenta, saved["momenta"], strict=True):
            for momentum, values in zip(momenta, before, strict=True):
                momentum.copy_(values)
