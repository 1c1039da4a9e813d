"""Start weights, drawn from one generator so that a seed says which."""

import math

import torch
from torch import nn

from aib.spec.parts import Initialisation


def initialise(model: nn.Module, scheme: Initialisation, generator: torch.Generator) -> None:
    """Fill every parameter of `model` in place, in the order of its modules.

    - "released-vgg": convolutions and linear layers Xavier-uniform with gain sqrt(2), biases 0,
      BatchNorm weights uniform in [0, 1].
    - "released-wrn": convolutions normal with deviation sqrt(2 / (k * k * outputs)), biases of
      linear layers 0.
    - "released-cub-wrn": convolutions Kaiming-normal by fan out, which is the same.
    - "pytorch": PyTorch's own, weights and biases uniform within 1 / sqrt(fan_in).

    What a scheme does not name is PyTorch's own (facts.md 2.1); anchors keep their linspace.
    """
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d) and scheme == "released-vgg":
            nn.init.uniform_(module.weight, generator=generator)
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        bound = module.weight[0].numel() ** -0.5
        fan_out = module.weight[:, 0].numel()
        if scheme == "released-vgg":
            nn.init.xavier_uniform_(module.weight, gain=math.sqrt(2), generator=generator)
        elif scheme != "pytorch" and isinstance(module, nn.Conv2d):
            # Both WRN schemes: fan out is k * k * outputs, as no convolution here has groups.
            nn.init.normal_(module.weight, 0, math.sqrt(2 / fan_out), generator=generator)
        else:
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
        if module.bias is None:
            continue
        if scheme == "released-vgg" or (scheme == "released-wrn" and isinstance(module, nn.Linear)):
            nn.init.zeros_(module.bias)
        else:
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)
