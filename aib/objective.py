"""The loss in bits, and the two quantities of the bottleneck (docs/method.md, The objective)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from aib.models import Prediction, full_precision, gaussian_kl
from aib.spec.parts import Objective

BITS = 1 / math.log(2)  # bits in a nat


class Losses(NamedTuple):
    """Scalars of one batch; a term that the model does not have is zero."""

    total: Tensor
    cross_entropy: Tensor  # bits an image
    penalty: Tensor  # KL with the scale that is trained, bits an image
    rate: Tensor  # KL with the scale that is sampled: upper bound on I(Z; X, A), bits an image
    codebook: Tensor
    commitment: Tensor
    branch: Tensor  # cross-entropy of an attention branch, bits an image


def rate(prediction: Prediction) -> Tensor:
    """KL of the encoder in use from N(0, 1), bits an image; 0 without noise on a latent."""
    if prediction.latent_std is None:
        return prediction.logits.new_zeros(())
    return gaussian_kl(prediction.latent_mean, prediction.latent_std) * BITS


def warmed_beta(objective: Objective, epoch: float) -> float:
    """Beta at `epoch`, counted from 0 with the share already done: a line from 0, then constant."""
    if epoch >= objective.beta_warmup_epochs:
        return objective.beta
    return objective.beta * epoch / objective.beta_warmup_epochs


def losses(
    prediction: Prediction, labels: Tensor, objective: Objective, beta: float | None = None
) -> Losses:
    """Evaluate the objective on one prediction with labels (N,), at its own beta or a given one.

    total = cross-entropy + beta * kl_factor * penalty
            + lambda_g * codebook + lambda_c * commitment + branch.
    "released" puts exp(std) where the KL has the scale; "stated" uses std (facts.md #1). The last
    two terms are not in bits (facts.md #3). Logits of several samples are averaged first. What half
    precision made is taken to float32, so this is to be called outside of autocast.
    """
    logits = full_precision(prediction.logits).mean(dim=0)
    cross_entropy = functional.cross_entropy(logits, labels) * BITS
    zero = logits.new_zeros(())
    rate_bits = rate(prediction)
    penalty = rate_bits
    if objective.kl_scale == "released" and prediction.latent_std is not None:
        scale = torch.exp(full_precision(prediction.latent_std))
        penalty = gaussian_kl(prediction.latent_mean, scale) * BITS
    attention = prediction.attention
    codebook = attention.codebook_loss if attention else zero
    commitment = attention.commitment_loss if attention else zero
    branch = zero
    if prediction.branch_logits is not None:
        branch = functional.cross_entropy(full_precision(prediction.branch_logits), labels) * BITS
    total = (
        cross_entropy
        + (objective.beta if beta is None else beta) * objective.kl_factor * penalty
        + objective.codebook_weight * codebook
        + objective.commitment_weight * commitment
        + branch
    )
    return Losses(total, cross_entropy, penalty, rate_bits, codebook, commitment, branch)
