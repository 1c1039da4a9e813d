"""torchvision's VGG-16 and Wide ResNet-50-2 with attention, for large images (facts.md 2.1)."""

import copy
from collections import OrderedDict

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

from aib.models.attention import IBSpatialAttention
from aib.models.bottleneck import InformationBottleneck
from aib.models.network import Network, two_layer_head
from aib.spec.models import LatentNetwork, PretrainedModel, VGG16Model


def bottleneck_and_head(
    model: PretrainedModel, network: LatentNetwork, features: int, classes: int
) -> tuple[InformationBottleneck | None, nn.Module]:
    """The end of both networks: a linear layer, or z and a two-layer decoder."""
    if model.bottleneck == "none":
        return None, nn.Linear(features, classes)
    deterministic = model.bottleneck == "deterministic"
    bottleneck = InformationBottleneck(features, network.latent, deterministic)
    return bottleneck, two_layer_head(network.latent, classes)


class AveragePool(nn.Module):
    """nn.AdaptiveAvgPool2d, by means of slices: its own gradient is not deterministic on a GPU."""

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, maps: Tensor) -> Tensor:
        """Average (N, C, h, w) over overlapping bins to (N, C, bins, bins)."""
        rows, columns = (self._edges(size) for size in maps.shape[2:])
        means = [maps[:, :, a:b, c:d].mean(dim=(2, 3)) for a, b in rows for c, d in columns]
        return torch.stack(means, dim=2).unflatten(2, (self.bins, self.bins))

    def _edges(self, size: int) -> list[tuple[int, int]]:
        """First and last-but-one place of each bin, rounded outwards."""
        return [(i * size // self.bins, -(-(i + 1) * size // self.bins)) for i in range(self.bins)]


class VGG16(Network):
    """VGG-16 without its last pooling; attention on the last maps, then 3x3 average pooling."""

    def __init__(
        self, model: VGG16Model, network: LatentNetwork, classes: int, image_size: int
    ) -> None:
        attention = None
        if model.has_map:
            attention = IBSpatialAttention(
                512, model.anchors, self._scores(model), model.modulation
            )
        bottleneck, head = bottleneck_and_head(model, network, 512 * 9, classes)
        super().__init__(
            features=make_layers(cfgs["D"])[:-1],
            attention=attention,
            trunk=nn.Sequential(AveragePool(3), nn.Flatten()),
            bottleneck=bottleneck,
            head=head,
        )

    @staticmethod
    def _scores(model: VGG16Model) -> nn.Sequential:
        layers: list[nn.Module] = []
        for _ in range(model.attention_convolutions):
            layers += [nn.Conv2d(512, 512, 3, padding=1), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers, nn.Conv2d(512, 1, 3, padding=1))

    def backbone(self) -> dict[str, Tensor]:
        """The tensors that a file of ImageNet weights fills, by their names there."""
        return {f"features.{name}": tensor for name, tensor in self.features.state_dict().items()}


class WRN50(Network):
    """Wide ResNet-50-2; the attention reads a stride-1 copy of its last stage (#9).

    The release also keeps a stage that it never uses, of 20,736,000 parameters (#41); this one
    does not.
    """

    def __init__(
        self, model: PretrainedModel, network: LatentNetwork, classes: int, image_size: int
    ) -> None:
        stages = OrderedDict(torchvision.models.wide_resnet50_2(weights=None).named_children())
        del stages["avgpool"], stages["fc"]
        last = stages.pop("layer4")
        attention = None
        if model.has_map:
            scores = nn.Sequential(without_stride(last), nn.Conv2d(2048, 1, 3, padding=1))
            attention = IBSpatialAttention(1024, model.anchors, scores, model.modulation)
        bottleneck, head = bottleneck_and_head(model, network, 2048, classes)
        trunk = OrderedDict(layer4=last, pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten())
        super().__init__(nn.Sequential(stages), attention, nn.Sequential(trunk), bottleneck, head)

    def backbone(self) -> dict[str, Tensor]:
        """The tensors that a file of ImageNet weights fills, by their names there."""
        return self.features.state_dict() | self.trunk.state_dict()


def without_stride(stage: nn.Sequential) -> nn.Sequential:
    """A copy of a stage of residual blocks that keeps the size of its input."""
    stage = copy.deepcopy(stage)
    stage[0].conv2.stride = stage[0].downsample[0].stride = (1, 1)
    return stage
