"""Wide residual networks for small images (Zagoruyko and Komodakis 2016; facts.md 2.1, 3.2)."""

from torch import Tensor, nn

from aib.models.attention import IBSpatialAttention
from aib.models.bottleneck import InformationBottleneck
from aib.models.network import Network
from aib.spec.models import WRNModel, WRNNetwork


class PreActivationBlock(nn.Module):
    """BN, ReLU, 3x3, BN, ReLU, dropout, 3x3, plus the input; one 1x1 where the width changes.

    The shortcut of a change in width takes the activated input, the other one the input itself.
    """

    def __init__(self, channels: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.convolution1 = nn.Conv2d(channels, width, 3, stride=stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.convolution2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.shortcut = None
        if channels != width:
            self.shortcut = nn.Conv2d(channels, width, 1, stride=stride, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        activated = self.relu(self.norm1(features))
        hidden = self.relu(self.norm2(self.convolution1(activated)))
        hidden = self.convolution2(self.dropout(hidden))
        return hidden + (features if self.shortcut is None else self.shortcut(activated))


def group(blocks: int, channels: int, width: int, stride: int, dropout: float) -> nn.Sequential:
    """`blocks` blocks, of which the first changes width and size."""
    return nn.Sequential(
        PreActivationBlock(channels, width, stride, dropout),
        *(PreActivationBlock(width, width, 1, dropout) for _ in range(blocks - 1)),
    )


class Parts:
    """What the networks of this size are made of, each method one part not yet initialised."""

    def __init__(self, network: WRNNetwork, dropout: float) -> None:
        self.blocks, self.dropout = (network.depth - 4) // 6, dropout
        self.widths = [scale * network.widen for scale in (16, 32, 64)]

    def features(self) -> nn.Sequential:
        """The first convolution and two groups: (N, 3, H, W) to (N, 32k, H/2, W/2)."""
        first, second, _ = self.widths
        return nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            group(self.blocks, 16, first, 1, self.dropout),
            group(self.blocks, first, second, 2, self.dropout),
        )

    def third_group(self, stride: int) -> nn.Sequential:
        """The third group; with stride 1 it is the attention's copy of it."""
        return group(self.blocks, self.widths[1], self.widths[2], stride, self.dropout)

    def evidence(self, classes: int) -> nn.Sequential:
        """One map a class, as in the Attention Branch Network, with no ReLU before it (#10)."""
        return nn.Sequential(
            self.third_group(stride=1),
            nn.BatchNorm2d(self.widths[2]),
            nn.Conv2d(self.widths[2], classes, 1, bias=False),
            nn.BatchNorm2d(classes),
            nn.ReLU(inplace=True),
        )

    def trunk(self) -> nn.Sequential:
        """The third group and global average pooling: a vector of 64k."""
        return nn.Sequential(
            self.third_group(stride=2),
            nn.BatchNorm2d(self.widths[2]),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def scores_of_evidence(classes: int) -> nn.Sequential:
    """One map out of one a class."""
    return nn.Sequential(
        nn.Conv2d(classes, 1, 3, padding=1, bias=False),
        nn.BatchNorm2d(1),
    )


class WRN(Network):
    """WRN-depth-widen, with the attention of facts.md 2.1 after its second group."""

    def __init__(self, model: WRNModel, network: WRNNetwork, classes: int, image_size: int) -> None:
        parts = Parts(network, model.dropout)
        width = parts.widths[2]
        attention = bottleneck = None
        if model.has_map:
            scores = nn.Sequential(*parts.evidence(classes), *scores_of_evidence(classes))
            attention = IBSpatialAttention(parts.widths[1], model.anchors, scores, model.modulation)
        head: nn.Module = nn.Linear(width, classes)
        if model.bottleneck != "none":
            deterministic = model.bottleneck == "deterministic"
            bottleneck = InformationBottleneck(width, network.latent, deterministic)
            head = nn.Sequential(nn.ReLU(), nn.Linear(network.latent, classes))  # keeps the mean
        super().__init__(parts.features(), attention, parts.trunk(), bottleneck, head)
