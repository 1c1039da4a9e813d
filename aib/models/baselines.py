"""The paper's attention baselines, from the descriptions in their own papers.

Their maps are deterministic; `Prediction.attention` holds them scaled to [0, 1], so that they are
scored as the others are.
"""

import torch
from torch import Tensor, nn

from aib.models.attention import Attention
from aib.models.bottleneck import Prediction
from aib.models.vgg import convolution_block, features_and_trunk
from aib.models.wrn import Parts, scores_of_evidence
from aib.spec.models import ABNModel, MapModel, PayModel, VGGNetwork, WRNNetwork


def deterministic(maps: Tensor) -> Attention:
    """What the pipeline knows of a map (N, 1, h, w) that is neither sampled nor quantised."""
    zero = maps.new_zeros(())
    return Attention(maps, torch.zeros_like(maps), maps, maps, zero, zero)


def stretched(maps: Tensor) -> Tensor:
    """Each map (N, 1, h, w) shifted and scaled to [0, 1]; it is looked at and not trained."""
    maps = maps.detach()
    low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
    return (maps - low) / (high - low).clamp_min(1e-12)


class VGGGap(nn.Module):
    """VGG with global average pooling and one linear layer (Zhou et al. 2016).

    The last block does not pool and there is no convolution over what is left. The map is the
    class activation map of the predicted class: the last maps, weighted by its linear weights.
    """

    def __init__(self, model: MapModel, network: VGGNetwork, classes: int, image_size: int) -> None:
        super().__init__()
        blocks = (*network.blocks[:-1], network.blocks[-1].model_copy(update={"pool": "none"}))
        widths = [3, *(block.channels for block in blocks)]
        self.features = nn.Sequential(*map(convolution_block, blocks, widths))
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, images: Tensor, samples: int = 1) -> Prediction:
        """Predict (N, 3, H, W); nothing is sampled."""
        features = self.features(images)
        logits = self.head(features.mean(dim=(2, 3)))
        weights = self.head.weight[logits.argmax(dim=1)]
        activation = torch.einsum("nchw,nc->nhw", features.detach(), weights.detach()).unsqueeze(1)
        return Prediction(logits.unsqueeze(0), attention=deterministic(stretched(activation)))


class PayAttention(nn.Module):
    """Attend to local features by their compatibility with the global one (Jetley et al. 2018).

    Parametrised compatibility: the score of a place is <u, l + g>, with the global vector g mapped
    to the width of the local features l where the two differ. A bias would cancel in the softmax.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        same = channels == width
        self.project = nn.Identity() if same else nn.Linear(width, channels, bias=False)
        self.compatibility = nn.Conv2d(channels, 1, 1, bias=False)

    def forward(self, local: Tensor, summary: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weighted mean (N, channels) of `local` (N, channels, h, w) and the weights."""
        scores = self.compatibility(local + self.project(summary)[:, :, None, None])
        weights = scores.flatten(1).softmax(dim=1).view_as(scores)
        return (local * weights).sum(dim=(2, 3)), weights


class VGGPay(nn.Module):
    """VGG-att of Learn to Pay Attention: what it attends to, concatenated, is all that classifies.

    The attended blocks are the `levels` last ones before the final block, each before its pooling.
    The map is that of the deepest of them.
    """

    def __init__(self, model: PayModel, network: VGGNetwork, classes: int, image_size: int) -> None:
        super().__init__()
        before = len(network.blocks) - 1
        features, trunk = features_and_trunk(network, image_size)
        blocks = [*features, *trunk]
        attended = range(before - model.levels, before)
        pools = {index for index in attended if network.blocks[index].pool == "after"}
        # Segments end where features are attended to; a pooling opens the next segment.
        self.segments, opening = nn.ModuleList(), list(blocks[: attended.start])
        for index in attended:
            block = list(blocks[index])
            self.segments.append(
                nn.Sequential(*opening, *(block[:-1] if index in pools else block))
            )
            opening = block[-1:] if index in pools else []
        self.trunk = nn.Sequential(*opening, *blocks[attended.stop :])
        widths = [network.blocks[index].channels for index in attended]
        self.attentions = nn.ModuleList(PayAttention(width, network.dense) for width in widths)
        self.head = nn.Linear(sum(widths), classes)

    def forward(self, images: Tensor, samples: int = 1) -> Prediction:
        """Predict (N, 3, H, W); nothing is sampled."""
        local, features = [], images
        for segment in self.segments:
            features = segment(features)
            local.append(features)
        summary = self.trunk(features)
        seen = [
            attend(place, summary) for attend, place in zip(self.attentions, local, strict=True)
        ]
        logits = self.head(torch.cat([vector for vector, _ in seen], dim=1))
        return Prediction(logits.unsqueeze(0), attention=deterministic(stretched(seen[-1][1])))


class WRNABN(nn.Module):
    """Attention Branch Network on a wide residual network (Fukui et al. 2019; facts.md 3.3).

    The branch has one map of evidence a class. One head of it classifies by their global averages
    and has a loss of its own; the other makes the map M that weights the features, f * (1 + M).
    """

    def __init__(self, model: ABNModel, network: WRNNetwork, classes: int, image_size: int) -> None:
        super().__init__()
        parts = Parts(network, model.dropout)
        self.features = parts.features()
        self.evidence = parts.evidence(classes)
        self.branch_head = nn.Sequential(
            nn.Conv2d(classes, classes, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.scores = scores_of_evidence(classes)
        self.trunk = parts.trunk()
        self.head = nn.Linear(parts.widths[2], classes)

    def forward(self, images: Tensor, samples: int = 1) -> Prediction:
        """Predict (N, 3, H, W); nothing is sampled."""
        features = self.features(images)
        evidence = self.evidence(features)
        attention = torch.sigmoid(self.scores(evidence))
        logits = self.head(self.trunk(features + features * attention))
        return Prediction(
            logits.unsqueeze(0),
            attention=deterministic(attention),
            branch_logits=self.branch_head(evidence),
        )
