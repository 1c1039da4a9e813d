"""Variational spatial attention with learnable anchors (docs/method.md, steps 2 to 4)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Attention(NamedTuple):
    """What the attention did to one batch; maps are (S*N, 1, h, w) with S samples an image.

    The two losses are means over batch and pixels, zero without anchors.
    """

    mean: Tensor  # (N, 1, h, w), in (0, 1)
    std: Tensor  # (N, 1, h, w), positive
    map: Tensor  # the sampled map a; the mean itself when nothing is sampled
    quantised: Tensor  # nearest anchors a_q; the same tensor as `map` without anchors
    codebook_loss: Tensor  # moves the anchors towards the map
    commitment_loss: Tensor  # moves the map towards its anchors


class AnchorQuantiser(nn.Module):
    """Snap every score to the nearest of Q learnable anchors.

    The gradient of the task passes straight through to the scores and never reaches the anchors,
    which only the codebook loss moves (facts.md #14).
    """

    def __init__(self, anchors: int) -> None:
        if anchors < 2:
            raise ValueError(f"at least 2 anchors are needed, not {anchors}")
        super().__init__()
        self.anchors = nn.Parameter(torch.linspace(0.0, 1.0, anchors))

    def nearest(self, scores: Tensor) -> Tensor:
        """Index of the nearest anchor, elementwise; the lower index wins a tie."""
        return (scores.unsqueeze(-1) - self.anchors).abs().argmin(dim=-1)

    def forward(self, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return (quantised, codebook loss, commitment loss)."""
        # An embedding look-up, because its backward pass is deterministic on a GPU too.
        chosen = functional.embedding(self.nearest(scores), self.anchors.unsqueeze(1)).squeeze(-1)
        codebook_loss = functional.mse_loss(chosen, scores.detach())
        commitment_loss = functional.mse_loss(scores, chosen.detach())
        quantised = scores + (chosen - scores).detach()
        return quantised, codebook_loss, commitment_loss


def stack(batch: Tensor, samples: int) -> Tensor:
    """Repeat a batch for several samples, sample by sample: (N, ...) -> (samples*N, ...)."""
    if samples <= 1:  # no copy in training
        return batch
    return batch.repeat((samples,) + (1,) * (batch.dim() - 1))


def gaussian_sample(mean: Tensor, std: Tensor, samples: int, noise: Tensor | None) -> Tensor:
    """Draw `samples` of N(mean, std^2), stacked into the batch: (N, ...) -> (samples*N, ...).

    0 samples means the mean itself. Without given `noise`, of the result's shape, it comes from
    the default generator of the device.
    """
    if samples == 0:
        return mean
    mean, std = stack(mean, samples), stack(std, samples)
    if noise is None:
        noise = torch.randn_like(mean)
    return mean + std * noise.reshape(mean.shape)


class IBSpatialAttention(nn.Module):
    """Weight a feature map by a sampled, optionally quantised, one-channel map.

    Usable in any network: takes (N, channels, h, w) of any size and returns the modulated features
    f + f * a, stacked over samples to (S*N, channels, h, w), with an `Attention`.

    `scores` computes the one-channel scores before the sigmoid; a 3x3 convolution by default.
    `anchors` is Q, None for a continuous map. `modulation` "multiplicative" gives f * a instead.
    """

    def __init__(
        self,
        channels: int,
        anchors: int | None = None,
        scores: nn.Module | None = None,
        modulation: str = "residual",
    ) -> None:
        super().__init__()
        self.scores = scores or nn.Conv2d(channels, 1, kernel_size=3, padding=1)
        # The spread is read off the map itself, not off the features (facts.md #6).
        self.spread = nn.Conv2d(1, 1, kernel_size=3, padding=1)
        self.quantiser = AnchorQuantiser(anchors) if anchors is not None else None
        self.residual = modulation == "residual"

    def forward(
        self, features: Tensor, samples: int = 1, noise: Tensor | None = None
    ) -> tuple[Tensor, Attention]:
        mean = torch.sigmoid(self.scores(features))
        std = functional.softplus(self.spread(mean) - 5)
        attention = gaussian_sample(mean, std, samples, noise)
        if self.quantiser is None:
            zero = mean.new_zeros(())
            quantised, codebook_loss, commitment_loss = attention, zero, zero
        else:
            quantised, codebook_loss, commitment_loss = self.quantiser(attention)
        features = stack(features, samples)
        modulated = features * quantised
        if self.residual:
            modulated = features + modulated
        return modulated, Attention(mean, std, attention, quantised, codebook_loss, commitment_loss)
