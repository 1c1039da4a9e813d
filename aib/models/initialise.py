"""Start weights, drawn from one generator so that a seed says which."""

import math

import torch
from torch import nn


def initialise(model: nn.Module, scheme: str, generator: torch.Generator) -> None:
    """Fill every parameter of `model` in place, in the order of its modules.

    "released-vgg": Xavier-uniform with gain sqrt(2) for convolutions and linear layers, biases 0,
    BatchNorm weights uniform in [0, 1] (facts.md 2.1). "pytorch": PyTorch's own defaults, weights
    and biases uniform within 1 / sqrt(fan_in), BatchNorm weights 1. Anchors keep their linspace.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            if scheme == "released-vgg":
                nn.init.xavier_uniform_(module.weight, gain=math.sqrt(2), generator=generator)
                nn.init.zeros_(module.bias)
            else:
                bound = module.weight[0].numel() ** -0.5
                nn.init.uniform_(module.weight, -bound, bound, generator=generator)
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)
        elif isinstance(module, nn.BatchNorm2d) and scheme == "released-vgg":
            nn.init.uniform_(module.weight, generator=generator)
