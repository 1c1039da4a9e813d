"""Predict a split with every way of sampling; accuracy, cross-entropy and rate."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from aib.data.loader import Loader
from aib.evaluation.anchors import UsageCounts
from aib.models import Prediction
from aib.objective import BITS, rate

BATCH = 100  # images; of no consequence for the result beyond rounding


class Figures(NamedTuple):
    """One split under one way of sampling; the last two in bits an image."""

    accuracy: float
    cross_entropy: float
    rate: float


def class_log_probabilities(logits: Tensor, average: str) -> Tensor:
    """Merge samples: (S, N, classes) logits to (N, classes) log-probabilities.

    "logits" averages logits as the release does, "probabilities" as Deep VIB does (facts.md #24).
    """
    if average == "logits":
        return functional.log_softmax(logits.mean(dim=0), dim=1)
    return torch.logsumexp(functional.log_softmax(logits, dim=2), dim=0) - math.log(len(logits))


@torch.no_grad()
def predict(
    model: nn.Module, loader: Loader, samples: int | str, average: str
) -> tuple[Tensor, Tensor, dict[str, Any] | None]:
    """Predict a whole split.

    The model is put into evaluation mode and left there.

    Returns:
        log-probabilities (N, classes), the mean rate (scalar, bits), and how the anchors were used
        if the model has any (`anchors.usage`).
    """
    model.eval()
    log_probabilities, rates = [], []
    counts = UsageCounts(model)
    for images, _ in loader.evaluation_batches(BATCH):
        prediction: Prediction = model(images, 0 if samples == "mean" else int(samples))
        log_probabilities.append(class_log_probabilities(prediction.logits.float(), average))
        rates.append(rate(prediction).float() * len(images))
        counts.add(prediction)
    rate_bits = torch.stack(rates).sum() / len(loader)
    return torch.cat(log_probabilities), rate_bits, counts.usage()


def score(log_probabilities: Tensor, rate_bits: Tensor, labels: Tensor) -> Figures:
    """The figures of a predicted split."""
    cross_entropy = float(functional.nll_loss(log_probabilities, labels)) * BITS
    accuracy = int((log_probabilities.argmax(dim=1) == labels).sum()) / len(labels)
    return Figures(accuracy, cross_entropy, float(rate_bits))


def label_shares(labels: Tensor) -> Tensor:
    """Share of each class among labels (N,), float64."""
    return torch.bincount(labels).double() / len(labels)


def label_entropy(labels: Tensor) -> float:
    """H(Y) of labels (N,), bits."""
    return float(torch.special.entr(label_shares(labels)).sum()) * BITS
