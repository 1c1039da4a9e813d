"""A classifier of one dataset applied to the images of another, through a label map."""

import numpy as np

from aib.params import LabelMap


def transfer_figures(
    predicted: np.ndarray,
    labels: np.ndarray,
    label_map: LabelMap,
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

    Returns:
        "images" and "accuracy" (NaN without images) of "all" and of "shared".
    """
    partners = np.full(len(source_classes), -1)
    for source, target in label_map.classes.items():
        partners[source_classes.index(source)] = target_classes.index(target)
    correct = partners[predicted] == labels
    chosen = {"all": np.ones(len(labels), dtype=bool), "shared": np.isin(labels, partners)}
    return {
        name: {
            "images": int(mask.sum()),
            "accuracy": float(correct[mask].mean()) if mask.any() else float("nan"),
        }
        for name, mask in chosen.items()
    }
