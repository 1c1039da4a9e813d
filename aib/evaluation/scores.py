"""Accuracy and cross-entropy of predictions, in NumPy."""

import math

import numpy as np


def scores(log_probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """`accuracy` (0 to 1) and `cross_entropy` (bits an image) of (N, classes) against (N,)."""
    labels = np.asarray(labels, dtype=np.int64)
    own = np.take_along_axis(log_probabilities, labels[:, None], axis=1)
    return {
        "accuracy": float((log_probabilities.argmax(axis=1) == labels).mean()),
        "cross_entropy": float(-own.mean(dtype=np.float64) / math.log(2)),
    }
