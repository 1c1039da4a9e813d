"""The order of every network with information-bottleneck attention."""

from torch import Tensor, nn

from aib.models.attention import IBSpatialAttention
from aib.models.bottleneck import InformationBottleneck, Prediction


class Network(nn.Module):
    """features -> [attention] -> trunk -> [bottleneck] -> head (docs/method.md, The model).

    `features` gives maps (N, C, h, w), `trunk` makes them vectors, `head` makes logits of those or
    of z. A family is a subclass that builds the parts.
    """

    def __init__(
        self,
        features: nn.Module,
        attention: IBSpatialAttention | None,
        trunk: nn.Module,
        bottleneck: InformationBottleneck | None,
        head: nn.Module,
    ) -> None:
        super().__init__()
        self.features = features
        self.attention = attention
        self.trunk = trunk
        self.bottleneck = bottleneck
        self.head = head

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
        latent, mean, std = self.trunk(features), None, None
        if self.bottleneck is not None:
            latent, mean, std = self.bottleneck(latent, samples, latent_noise)
        logits = self.head(latent).unflatten(0, (-1, len(images)))
        return Prediction(logits, mean, std, attention)


def two_layer_head(latent: int, classes: int) -> nn.Sequential:
    """The decoder of the released VGG and CUB networks (facts.md 2.1)."""
    return nn.Sequential(
        nn.Linear(latent, latent), nn.ReLU(inplace=True), nn.Linear(latent, classes)
    )
