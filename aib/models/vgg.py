"""The VGG family for small images: baseline, bottleneck, attention, quantised attention."""

from torch import nn

from aib.models.attention import IBSpatialAttention
from aib.models.bottleneck import InformationBottleneck
from aib.models.network import Network, two_layer_head
from aib.spec.models import AttentionModel, Block, VGGNetwork


def convolution_block(block: Block, channels: int) -> nn.Sequential:
    """`block.layers` of convolution, batch normalisation and ReLU, with the block's pooling."""
    layers: list[nn.Module] = []
    for index in range(block.layers):
        first = index == 0
        stride = block.stride if first else 1
        # An even kernel with stride 2 halves the image exactly; an odd one keeps its size.
        padding = (block.kernel - 1) // 2
        layers += [
            nn.Conv2d(channels, block.channels, block.kernel, stride=stride, padding=padding),
            nn.BatchNorm2d(block.channels),
            nn.ReLU(inplace=True),
        ]
        if block.pool == "each" or (block.pool == "after" and index == block.layers - 1):
            layers.append(nn.MaxPool2d(2))
        channels = block.channels
    return nn.Sequential(*layers)


def features_and_trunk(network: VGGNetwork, image_size: int) -> tuple[nn.Sequential, nn.Sequential]:
    """The blocks before the attention, and those after it up to a vector of `network.dense`."""
    widths = [3, *(block.channels for block in network.blocks)]
    blocks = [
        convolution_block(block, channels)
        for block, channels in zip(network.blocks, widths, strict=False)
    ]
    left = network.output_size(image_size)
    features = nn.Sequential(*blocks[: network.attention_after])
    trunk = nn.Sequential(
        *blocks[network.attention_after :],
        nn.Conv2d(widths[-1], network.dense, left),
        nn.ReLU(inplace=True),
        nn.Flatten(),
    )
    return features, trunk


class VGG(Network):
    """Blocks, [attention], blocks, a convolution over what is left, and a head.

    The head is one linear layer, or an information bottleneck with a two-layer decoder.
    """

    def __init__(
        self, model: AttentionModel, network: VGGNetwork, classes: int, image_size: int
    ) -> None:
        features, trunk = features_and_trunk(network, image_size)
        attention = bottleneck = None
        if model.has_map:
            channels = network.blocks[network.attention_after - 1].channels
            attention = IBSpatialAttention(channels, model.anchors, modulation=model.modulation)
        head: nn.Module = nn.Linear(network.dense, classes)
        if model.bottleneck != "none":
            deterministic = model.bottleneck == "deterministic"
            bottleneck = InformationBottleneck(network.dense, network.latent, deterministic)
            head = two_layer_head(network.latent, classes)
        super().__init__(features, attention, trunk, bottleneck, head)
