"""Does a classifier of one dataset know the images of another?"""

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from aib.evaluation.parts import Common, Found, Inapplicable

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """Where to, and which class is which there; without a label map the classes are the same."""

    target: str
    partners: str | None = Field(default=None, description="a label map")
    splits: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")

    @property
    def other_datasets(self) -> tuple[str, ...]:
        return (self.target,)

    @property
    def label_map(self) -> str | None:
        return self.partners


def transfer_figures(
    predicted: np.ndarray,
    labels: np.ndarray,
    partners: dict[str, str],
    source_classes: list[str],
    target_classes: list[str],
) -> dict[str, dict[str, float]]:
    """Score predictions in source classes against labels in target classes.

    The prediction is the best of all source classes; one without a partner is always wrong, and so
    is every prediction for an image whose own class has none. "all" counts every image, "shared"
    only those whose class has a partner.

    Args:
        predicted: (N,), indices into `source_classes`.
        labels: (N,), indices into `target_classes`.
        partners: names of source classes to those of target classes.

    Returns:
        "images" and "accuracy" (None without images) of "all" and of "shared".
    """
    numbers = np.full(len(source_classes), -1)
    for source, target in partners.items():
        numbers[source_classes.index(source)] = target_classes.index(target)
    correct = numbers[predicted] == labels
    chosen = {"all": np.ones(len(labels), dtype=bool), "shared": np.isin(labels, numbers)}
    return {
        name: {
            "images": int(mask.sum()),
            "accuracy": float(correct[mask].mean()) if mask.any() else None,
        }
        for name, mask in chosen.items()
    }


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """Accuracy over all images and over those of shared classes, by split of the target."""
    target = subject.other(parameters.target)
    size = subject.spec.image_size
    if target.manifest["image_size"] != size:
        raise Inapplicable(f"{parameters.target} has other images than {size} x {size} pixels")
    own, theirs = subject.data.classes, target.classes
    if parameters.label_map is not None:
        partners = subject.around.label_maps[parameters.label_map].classes
    elif own == theirs:
        partners = {name: name for name in own}
    else:
        raise Inapplicable(f"{parameters.target} has other classes, and no 'partners' are given")
    found = {}
    for name in parameters.splits:
        split = getattr(target, name)
        predicted = subject.look(np.asarray(split.images)).predicted
        found[name] = transfer_figures(predicted, split.labels, partners, own, theirs)
    return Found(found)
