"""The variational information bottleneck on z (docs/method.md, steps 5 and 6)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from aib.models.attention import Attention, gaussian_sample


class Prediction(NamedTuple):
    """Output of every model: logits (S_z * S_a, N, classes) and what the objective needs.

    A part that the model does not have is None. The latent tensors are (S_a * N, K).
    """

    logits: Tensor
    latent_mean: Tensor | None = None
    latent_std: Tensor | None = None
    attention: Attention | None = None
    branch_logits: Tensor | None = None  # (N, classes), of a branch with a loss of its own


class InformationBottleneck(nn.Module):
    """Encode (N, features) to z ~ N(mean, std^2) of K dimensions; std = softplus(raw - 5).

    A deterministic one is the control that tells the layers from the information: the same layers
    with the same start weights, but z is the mean, and the half that would be the spread is unused.
    """

    def __init__(self, features: int, latent: int, deterministic: bool = False) -> None:
        super().__init__()
        self.encode = nn.Linear(features, 2 * latent)
        self.deterministic = deterministic

    def forward(
        self, features: Tensor, samples: int = 1, noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return (z, mean, std); z is (samples*N, K), sample by sample. No std without noise."""
        mean, raw = self.encode(features).chunk(2, dim=1)
        if self.deterministic:
            return mean, mean, None
        std = functional.softplus(raw - 5)
        return gaussian_sample(mean, std, samples, noise), mean, std


def full_precision(values: Tensor) -> Tensor:
    """The values in float32 if their type holds fewer bits."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def gaussian_kl(mean: Tensor, std: Tensor) -> Tensor:
    """KL(N(mean, std^2) || N(0, 1)) in nats: summed over K, averaged over the batch. Scalar.

    In float32 at least, since a sum of hundreds of terms means little in half precision. A
    deviation that softplus let underflow to 0 counts as the smallest normal number: its logarithm
    is finite, and its gradient 0.
    """
    mean, std = full_precision(mean), full_precision(std)
    log_std = torch.log(std.clamp_min(torch.finfo(std.dtype).tiny))
    each = 0.5 * (mean.square() + std.square() - 1) - log_std
    return each.sum(dim=1).mean()
