"""Optimisers, on the functional forms that PyTorch documents.

`torch.optim.SGD` and `Adam` do the same sums, but import PyTorch's compiler when they are made:
0.9 s beside the 1.0 s of PyTorch itself, with compiled bytecode on two cores. Tests hold each pair
equal.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from aib.params import AdamOptimiser, Rates, SGDOptimiser

Moments = list[tuple[Tensor, ...]]  # of each parameter


class Optimiser:
    """Weight decay, and a group for the anchors, found by name on any device (#16)."""

    def __init__(self, model: nn.Module, parameters: Rates) -> None:
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
        self.moments = [[self._start(p) for p in group] for group, _, _ in self.groups]
        self.learning_rate = 0.0  # of the last step, for the record

    @property
    def param_groups(self) -> list[dict[str, list[nn.Parameter]]]:
        """The parameters, as `torch.amp.GradScaler` looks for them."""
        return [{"params": group} for group, _, _ in self.groups]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group, _, _ in self.groups:
            for parameter in group:
                parameter.grad = None

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient, at this rate times its group's share."""
        for (group, share, decay), moments in zip(self.groups, self.moments, strict=True):
            moved = [(p, m) for p, m in zip(group, moments, strict=True) if p.grad is not None]
            parameters = [parameter for parameter, _ in moved]
            gradients = [parameter.grad for parameter in parameters]
            self._update(parameters, gradients, [m for _, m in moved], learning_rate * share, decay)

    def state_dict(self) -> dict[str, Any]:
        """Moments and last rate, for a checkpoint."""
        return {"moments": self.moments, "learning_rate": self.learning_rate}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Take over what `state_dict` gave."""
        self.learning_rate = saved["learning_rate"]
        for ours, theirs in zip(self.moments, saved["moments"], strict=True):
            for tensors, before in zip(ours, theirs, strict=True):
                for tensor, values in zip(tensors, before, strict=True):
                    tensor.copy_(values)

    def _start(self, parameter: nn.Parameter) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def _update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        moments: Moments,
        rate: float,
        decay: float,
    ) -> None:
        raise NotImplementedError


class SGD(Optimiser):
    """Stochastic gradient descent with momentum."""

    def _start(self, parameter: nn.Parameter) -> tuple[Tensor, ...]:
        return (torch.zeros_like(parameter),)

    def _update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        moments: Moments,
        rate: float,
        decay: float,
    ) -> None:
        sgd(
            parameters,
            gradients,
            [momentum for (momentum,) in moments],
            fused=True,
            lr=rate,
            momentum=self.parameters.momentum,
            weight_decay=decay,
            nesterov=self.parameters.nesterov,
            dampening=0,
            maximize=False,
        )


class Adam(Optimiser):
    """Adam, with weight decay added to the gradient."""

    def _start(self, parameter: nn.Parameter) -> tuple[Tensor, ...]:
        steps = torch.zeros((), device=parameter.device)
        return torch.zeros_like(parameter), torch.zeros_like(parameter), steps

    def _update(
        self,
        parameters: list[nn.Parameter],
        gradients: list[Tensor],
        moments: Moments,
        rate: float,
        decay: float,
    ) -> None:
        beta1, beta2 = self.parameters.betas
        adam(
            parameters,
            gradients,
            [first for first, _, _ in moments],
            [second for _, second, _ in moments],
            [],
            [steps for _, _, steps in moments],
            fused=True,
            lr=rate,
            beta1=beta1,
            beta2=beta2,
            eps=1e-8,
            weight_decay=decay,
            amsgrad=False,
            maximize=False,
        )


def make_optimiser(model: nn.Module, parameters: SGDOptimiser | AdamOptimiser) -> Optimiser:
    """The optimiser that the parameters name, for all of a model that lies on its device."""
    return {"sgd": SGD, "adam": Adam}[parameters.name](model, parameters)
