"""From typed parameters to a network."""

from torch import nn

from aib.models.vgg import VGG
from aib.params import Model, VGGNetwork

FAMILIES = {"vgg": VGG}


def build(model: Model, network: VGGNetwork, classes: int, image_size: int) -> nn.Module:
    """The network that `model` describes, in the sizes of `network`, not yet initialised."""
    return FAMILIES[model.family](model, network, classes, image_size)
