"""The VGG family for small images: baseline, bottleneck, attention, quantised attention."""

from torch import Tensor, nn

from aib.errors import AibError
from aib.models.attention import IBSpatialAttention
from aib.models.bottleneck import InformationBottleneck, Prediction
from aib.params import Block, Model, VGGNetwork


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


def output_size(blocks: tuple[Block, ...], size: int) -> int:
    """Height of the feature map after `blocks` on a square image of height `size`.

    Raises `AibError` when the blocks shrink it to nothing.
    """
    start = size
    for number, block in enumerate(blocks, 1):
        for index in range(block.layers):
            stride = block.stride if index == 0 else 1
            size = (size + 2 * ((block.kernel - 1) // 2) - block.kernel) // stride + 1
            if block.pool == "each" or (block.pool == "after" and index == block.layers - 1):
                size //= 2
        if size < 1:
            raise AibError(f"an image of {start} pixels is too small: block {number} leaves none")
    return size


class VGG(nn.Module):
    """Blocks, [attention], blocks, a convolution over what is left, and a head.

    The head is one linear layer, or an information bottleneck with a two-layer decoder.
    """

    def __init__(self, model: Model, network: VGGNetwork, classes: int, image_size: int) -> None:
        super().__init__()
        blocks = [
            convolution_block(block, channels)
            for block, channels in zip(
                network.blocks, [3, *(b.channels for b in network.blocks)], strict=False
            )
        ]
        split, last = network.attention_after, network.blocks[-1].channels
        self.features = nn.Sequential(*blocks[:split])
        self.attention = (
            IBSpatialAttention(network.blocks[split - 1].channels, model.anchors)
            if model.attention != "none"
            else None
        )
        self.trunk = nn.Sequential(
            *blocks[split:],
            nn.Conv2d(last, network.dense, output_size(network.blocks, image_size)),
            nn.ReLU(inplace=True),
            nn.Flatten(),
        )
        if model.bottleneck:
            self.bottleneck = InformationBottleneck(network.dense, network.latent)
            self.head = nn.Sequential(
                nn.Linear(network.latent, network.latent),
                nn.ReLU(inplace=True),
                nn.Linear(network.latent, classes),
            )
        else:
            self.bottleneck = None
            self.head = nn.Linear(network.dense, classes)

    def forward(
        self,
        images: Tensor,
        samples: int = 1,
        attention_noise: Tensor | None = None,
        latent_noise: Tensor | None = None,
    ) -> Prediction:
        """Predict (N, 3, H, W) with `samples` draws of a and of z; 0 uses the means."""
        features, attention = self.features(images), None
        if self.attention is not None:
            features, attention = self.attention(features, samples, attention_noise)
        hidden = self.trunk(features)
        if self.bottleneck is None:
            return Prediction(self.head(hidden).unsqueeze(0))
        latent, mean, std = self.bottleneck(hidden, samples, latent_noise)
        logits = self.head(latent).unflatten(0, (-1, len(images)))
        return Prediction(logits, mean, std, attention)
