"""Does the network use its map? What becomes of its predictions under another one.

Every replacement has the image's own mean gain, so that features keep their size and only the
place of the weight changes; `none` leaves the features unweighted and so does not.
"""

from typing import TYPE_CHECKING

import numpy as np

from aib.evaluation.parts import Common, Found
from aib.evaluation.scores import scores
from aib.spec.base import Positive

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """Nothing but how many train images the mean map is of."""

    train_images: Positive = 3000


def replacements(used: np.ndarray, mean_map: np.ndarray) -> dict[str, np.ndarray | None]:
    """The maps (N, h, w) of each condition, from the network's own and the mean over train.

    as_is: its own; constant: its mean over the image; mean_map: that of the train images, shifted
    to the image's mean; other: the map of the image half the split away, shifted too; inverted:
    reflected at its mean; none: no weight at all.
    """
    means = used.mean(axis=(1, 2), keepdims=True)
    away = np.roll(used, len(used) // 2, axis=0)
    return {
        "as_is": None,
        "constant": np.broadcast_to(means, used.shape),
        "mean_map": mean_map - mean_map.mean() + means,
        "other": away - away.mean(axis=(1, 2), keepdims=True) + means,
        "inverted": 2 * means - used,
        "none": np.zeros_like(used),
    }


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """Accuracy, cross-entropy (bits) and share of changed predictions by condition."""
    subject.need_map()
    test, own = subject.split("test"), subject.test
    conditions = replacements(own.used, subject.mean_map(parameters.train_images))
    numbers, predicted = {}, {}
    for name, maps in conditions.items():
        seen = own if maps is None else subject.look(test.images, maps)
        numbers[name] = scores(seen.log_probabilities, test.labels)
        numbers[name]["changed"] = float((seen.predicted != own.predicted).mean())
        predicted[name] = seen.predicted.astype(np.int16)
    return Found(numbers, predicted)
