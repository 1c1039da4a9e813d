"""Does the map show the object? Attention maps against masks; NumPy and SciPy only.

Every figure is a mean over images. A map cell counts for all pixels it covers (nearest
neighbour). The loss does not fix the map's polarity, so the polarity is chosen on validation and
the figures are given before and after that choice.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from aib.data.crop import centre
from aib.data.prepared import load
from aib.errors import AibError
from aib.evaluation.cells import centred_gaussian, pooled, upsample
from aib.files import ATTENTION, write_json
from aib.record import LOCALISATION, Record


def figures(maps: np.ndarray, masks: np.ndarray) -> dict[str, float]:
    """Score maps (N, H, W), not negative, against binary masks (N, H, W), one object an image.

    auroc: probability that a pixel of the object scores higher than one outside, ties half.
    energy: share of the map's sum inside the mask. pointing: probability that the highest pixel,
    or one of those that tie for it, lies in the mask.
    """
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    inside = masks.reshape(len(masks), -1).astype(bool)
    positive = inside.sum(axis=1)
    negative = inside.shape[1] - positive
    if (positive == 0).any() or (negative == 0).any():
        raise AibError("a mask covers nothing or everything; prepare the data again")
    rank_sum = (rankdata(flat, axis=1) * inside).sum(axis=1)
    auroc = (rank_sum - positive * (positive + 1) / 2) / (positive * negative)
    energy = (flat * inside).sum(axis=1) / flat.sum(axis=1).clip(min=1e-12)
    highest = flat == flat.max(axis=1, keepdims=True)
    pointing = (highest & inside).sum(axis=1) / highest.sum(axis=1)
    means = {"auroc": auroc, "energy": energy, "pointing": pointing}
    return {name: float(values.mean()) for name, values in means.items()}


def controls(
    images: np.ndarray, masks: np.ndarray, train_masks: np.ndarray, resolution: int
) -> dict[str, dict[str, float]]:
    """Score maps that no network made, at the resolution of the network's.

    uniform: knows nothing; gaussian: that objects lie near the middle; mean_mask: where they lie
    in the train images; brightness: which cells are bright. true_mask is the best there can be.

    Args:
        images: (N, 3, S, S).
        masks: of the object in them, binary (N, S, S).
        train_masks: of the train images, (M, S, S).
        resolution: cells of a map along each side.
    """
    size = masks.shape[1]
    maps = {
        "uniform": np.ones((1, size, size)),
        "gaussian": centred_gaussian(size)[None],
        "mean_mask": train_masks.mean(axis=0, keepdims=True),
        "brightness": images.mean(axis=1),
        "true_mask": masks,
    }
    coarse = {name: upsample(pooled(pixels, resolution), size) for name, pixels in maps.items()}
    return {
        name: figures(np.broadcast_to(found, masks.shape), masks) for name, found in coarse.items()
    }


def localise(run: Record, data_folder: Path) -> dict[str, Any] | None:
    """Score one run's mean maps, with polarity and controls; writes localisation.json.

    A run that diverged gets null. Masks are cropped as evaluation cropped the images; where one
    then covers nothing or everything, its image is left out and counted.

    Raises `AibError` when the run kept no maps, or the data has no masks or is not the run's.
    """
    if not run.has_figures:
        write_json(run.folder / LOCALISATION, None)
        return None
    data = load(data_folder)
    if data.digest != run.result["data_digest"]:
        raise AibError(f"{data_folder}: not the data that {run.folder} was trained on")
    if data.test.masks is None:
        raise AibError(f"{data_folder}: this data has no masks to compare maps with")
    if not run.attention:
        raise AibError(f"{run.folder / ATTENTION}: missing; this model has no attention map")
    result: dict[str, Any] = {"left_out": {}}
    splits = {}
    for split in ("validation", "test"):
        means = run.attention[f"{split}_mean"]
        content = getattr(data, split)
        images, masks = content.images[: len(means)], np.asarray(content.masks[: len(means)])
        crop = run.spec["spec"]["augmentation"]["crop_size"]
        window = centre(masks.shape[1], crop or masks.shape[1])
        masks = masks[:, window, window]  # what evaluation saw
        whole = masks.shape[1] * masks.shape[2]
        telling = (masks.sum(axis=(1, 2)) % whole) > 0  # neither nothing nor everything
        result["left_out"][split] = int((~telling).sum())
        splits[split] = upsample(means, masks.shape[1])[telling], masks[telling]
        if not telling.any():
            raise AibError(f"{data_folder}: every {split} mask covers nothing or everything")
        result[split] = figures(*splits[split])
    maps, masks = splits["test"]
    shows_object = result["validation"]["auroc"] >= 0.5
    result["polarity"] = "object" if shows_object else "background"
    result["test_chosen_polarity"] = figures(maps if shows_object else 1 - maps, masks)
    images = images[:, :, window, window][telling]
    train_masks = data.train.masks[:, window, window]
    result["controls"] = controls(images, masks, train_masks, means.shape[1])
    write_json(run.folder / LOCALISATION, result)
    return result
