"""From typed parameters to a network."""

import importlib

from torch import nn

from aib.errors import AibError
from aib.spec.models import FAMILIES, Model, Network


def build(model: Model, network: Network, classes: int, image_size: int) -> nn.Module:
    """The network that `model` describes, in the sizes of `network`, not yet initialised.

    Raises `AibError` when it cannot be built for such images.
    """
    try:
        model.check_sizes(network, image_size)
    except ValueError as error:
        raise AibError(str(error)) from None
    module, _, name = FAMILIES[model.family].builder.partition(":")
    return getattr(importlib.import_module(module), name)(model, network, classes, image_size)
