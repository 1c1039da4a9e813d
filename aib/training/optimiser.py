"""torch's optimisers over two groups of parameters: the anchors, and all others."""

import torch
from torch import nn

from aib.spec.parts import AdamOptimiser, SGDOptimiser


def make_optimiser(
    model: nn.Module, parameters: SGDOptimiser | AdamOptimiser
) -> torch.optim.Optimizer:
    """The optimiser that the parameters name, for all of a model that lies on its device.

    The anchors are found by name on any device, which the release does not (#16); a group's "share"
    is its part of the learning rate.
    """
    others, anchors = [], []
    for name, parameter in model.named_parameters():
        (anchors if name.endswith("quantiser.anchors") else others).append(parameter)
    decay = parameters.weight_decay
    groups = [{"params": others, "share": 1.0, "weight_decay": decay}]
    if anchors:
        anchor_decay = decay if parameters.anchor_weight_decay else 0.0
        share = parameters.anchor_lr_ratio
        groups.append({"params": anchors, "share": share, "weight_decay": anchor_decay})
    if parameters.name == "adam":
        return torch.optim.Adam(groups, betas=parameters.betas, fused=True)
    return torch.optim.SGD(
        groups, momentum=parameters.momentum, nesterov=parameters.nesterov, fused=True
    )


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["share"]


def clip_gradients(optimiser: torch.optim.Optimizer, norm: float) -> None:
    """Scale all gradients so that together they have this norm at most."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    torch.nn.utils.clip_grad_norm_(parameters, norm)
