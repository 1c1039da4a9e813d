"""From typed parameters to a network."""

import importlib

from torch import nn

from aib.params import FAMILIES, Model, Network


def build(model: Model, network: Network, classes: int, image_size: int) -> nn.Module:
    """The network that `model` describes, in the sizes of `network`, not yet initialised.

    Raises `AibError` when the images are too small for it.
    """
    module, _, name = FAMILIES[model.family].builder.partition(":")
    return getattr(importlib.import_module(module), name)(model, network, classes, image_size)
