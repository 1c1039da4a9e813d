"""Does a map rank what the network needs? Deletion and insertion (Petsiuk 2018), cell by cell.

Cells go, or come, in the order of a map, and the probability of the class that was predicted is
followed. Filled with a blur or with the image's mean: each has artefacts of its own.
"""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from aib.evaluation.cells import centred_gaussian, upsample
from aib.evaluation.parts import Common, Found

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """On how many images, in how many steps."""

    sample: int = Field(default=100, gt=0, description="test images")
    steps: int = Field(default=8, gt=1, description="from all cells to none")
    blur: float = Field(default=0.125, gt=0, description="deviation as a share of the image's side")


def fillings(images: np.ndarray, blur: float) -> dict[str, np.ndarray]:
    """What stands in place of a deleted cell, by name, (N, 3, S, S) each."""
    from scipy.ndimage import gaussian_filter

    width = blur * images.shape[-1]
    means = images.mean(axis=(2, 3), keepdims=True).round().astype(np.uint8)
    blurred = gaussian_filter(images.astype(float), (0, 0, width, width)).round().astype(np.uint8)
    return {"blur": blurred, "mean": np.broadcast_to(means, images.shape)}


def removed(maps: np.ndarray, share: float) -> np.ndarray:
    """Which cells (N, h, w) are among that share of the highest; the first of a tie goes first."""
    flat = maps.reshape(len(maps), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    return (rank < round(share * flat.shape[1])).reshape(maps.shape)


def curves(
    subject: "Subject", images: np.ndarray, maps: np.ndarray, filling: np.ndarray, steps: int
) -> dict[str, float]:
    """Mean probability of the class predicted at first, over the steps of both directions."""
    own = subject.look(images).predicted
    found = {}
    for direction in ("deletion", "insertion"):
        followed = []
        for share in np.linspace(0, 1, steps + 1):
            filled = upsample(removed(maps, share), images.shape[-1])[:, None]
            if direction == "insertion":
                filled = ~filled
            seen = subject.look(np.where(filled, filling, images)).log_probabilities
            followed.append(np.exp(np.take_along_axis(seen, own[:, None], axis=1)).mean())
        found[direction] = float(np.trapezoid(followed, dx=1 / steps))
    return found


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """Areas under both curves, by filling and by map; low deletion and high insertion is good."""
    images = subject.split("test", parameters.sample).images
    seen = subject.look(images)
    cam = subject.grad_cam(images, seen.predicted)
    resolution = cam.shape[1]
    maps = {} if seen.maps is None else {"map": seen.maps}
    maps |= {
        "grad_cam": cam,
        "integrated_gradients": subject.integrated_gradients(images, seen.predicted, resolution),
        "gaussian": np.broadcast_to(centred_gaussian(resolution), cam.shape),
        "random": np.random.default_rng(0).random(cam.shape),
    }
    return Found(
        {
            name: {
                method: curves(subject, images, each, filling, parameters.steps)
                for method, each in maps.items()
            }
            for name, filling in fillings(images, parameters.blur).items()
        }
    )
