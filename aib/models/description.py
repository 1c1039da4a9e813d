"""What a model is, without its weights: layers, sizes, operations."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from aib.models.registry import build
from aib.spec.models import Model, Network


class Layer(NamedTuple):
    """One module that contains no other, in the order in which the forward pass runs it."""

    name: str
    kind: str
    output: tuple[int, ...]  # its shape, for one image
    parameters: int


class Description(NamedTuple):
    """The figures of one model for one image."""

    parameters: int
    operations: int  # floating-point, of a forward pass from means: two a multiply-add
    attention: tuple[int, int] | None  # height and width of the map
    layers: list[Layer]


def describe(model: Model, network: Network, classes: int, image_size: int) -> Description:
    """Build the network without memory, on torch's meta device, and run one image through it.

    Operations are those that torch's FlopCounterMode counts: convolutions and matrix products.
    """
    layers: list[Layer] = []
    with torch.device("meta"):
        net = build(model, network, classes, image_size).eval()
        image = torch.empty(1, 3, image_size, image_size)
    own = {module: name for name, module in net.named_modules() if not list(module.children())}

    def note(module: nn.Module, _: tuple, output: torch.Tensor | tuple) -> None:
        first = output if torch.is_tensor(output) else output[0]
        count = sum(p.numel() for p in module.parameters())
        layers.append(Layer(own[module], type(module).__name__, tuple(first.shape), count))

    for module in own:
        module.register_forward_hook(note)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        attention = net(image, 0).attention
    return Description(
        parameters=sum(p.numel() for p in net.parameters()),
        operations=counter.get_total_flops(),
        attention=tuple(attention.map.shape[2:]) if attention else None,
        layers=layers,
    )
