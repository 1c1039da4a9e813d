"""Are the probabilities right? Likelihood, Brier score, calibration error, temperature."""

import math
from typing import TYPE_CHECKING

import numpy as np

from aib.evaluation.parts import Common, Found
from aib.evaluation.scores import scores
from aib.spec.base import Positive

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """How the calibration error is binned."""

    bins: Positive = 15


def scaled(log_probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Log-probabilities (N, classes) after dividing the logits by a temperature."""
    from scipy.special import log_softmax

    return log_softmax(log_probabilities / temperature, axis=1)


def temperature(log_probabilities: np.ndarray, labels: np.ndarray) -> float:
    """What logits are divided by for the least cross-entropy (Guo et al. 2017), 0.05 to 20."""
    from scipy.optimize import minimize_scalar

    def cross_entropy(log_temperature: float) -> float:
        divided = scaled(log_probabilities, math.exp(log_temperature))
        return scores(divided, labels)["cross_entropy"]

    limits = math.log(0.05), math.log(20)
    return math.exp(minimize_scalar(cross_entropy, bounds=limits, method="bounded").x)


def figures(log_probabilities: np.ndarray, labels: np.ndarray, bins: int) -> dict[str, float]:
    """Cross-entropy in bits, Brier score summed over classes, expected calibration error (l1)."""
    import torch
    from torchmetrics.functional.classification import multiclass_calibration_error

    probabilities = np.exp(log_probabilities.astype(np.float64))
    hot = np.eye(probabilities.shape[1])[np.asarray(labels, dtype=np.int64)]
    error = multiclass_calibration_error(
        torch.tensor(probabilities),
        torch.tensor(np.asarray(labels, dtype=np.int64)),
        num_classes=probabilities.shape[1],
        n_bins=bins,
    )
    return scores(log_probabilities, labels) | {
        "brier": float(((probabilities - hot) ** 2).sum(axis=1).mean()),
        "calibration_error": float(error),
    }


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """On test, as it is and after the temperature that validation gives."""
    labels = subject.split("test").labels
    found = temperature(subject.validation.log_probabilities, subject.split("validation").labels)
    own = subject.test.log_probabilities
    warmed = scaled(own, found)
    return Found(
        {
            "temperature": found,
            "as_is": figures(own, labels, parameters.bins),
            "scaled": figures(warmed, labels, parameters.bins),
        }
    )
