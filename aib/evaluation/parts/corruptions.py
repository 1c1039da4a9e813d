"""How much accuracy do common corruptions cost? Five kinds after Hendrycks and Dietterich (2019).

Strengths are given for 32 pixels, as in their CIFAR-10-C, and blur and pixelation grow with the
image; this is a measure of our own, not their benchmark's mean corruption error.
"""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from pydantic import Field

from aib.evaluation.parts import Common, Found
from aib.evaluation.scores import scores

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """How many test images, and the five severities of each corruption."""

    sample: int = Field(default=500, gt=0, description="test images")
    noise: tuple[float, ...] = (0.04, 0.06, 0.08, 0.09, 0.10)  # standard deviation, of 1
    blur: tuple[float, ...] = (0.4, 0.6, 0.7, 0.8, 1.0)  # pixels of 32
    contrast: tuple[float, ...] = (0.75, 0.5, 0.4, 0.3, 0.15)  # share that is left
    jpeg: tuple[int, ...] = (80, 65, 58, 50, 40)  # quality
    pixelate: tuple[float, ...] = (0.95, 0.9, 0.85, 0.75, 0.65)  # side that is kept


def noise(images: np.ndarray, strength: float) -> np.ndarray:
    """Gaussian noise, the same for every network."""
    drawn = np.random.default_rng(0).normal(0, 255 * strength, images.shape)
    return (images + drawn).clip(0, 255).round().astype(np.uint8)


def blur(images: np.ndarray, strength: float) -> np.ndarray:
    """A Gaussian blur of each channel."""
    from scipy.ndimage import gaussian_filter

    width = strength * images.shape[-1] / 32
    return gaussian_filter(images.astype(float), (0, 0, width, width)).round().astype(np.uint8)


def contrast(images: np.ndarray, strength: float) -> np.ndarray:
    """Less contrast, about the mean of each image's channels."""
    means = images.mean(axis=(2, 3), keepdims=True)
    return ((images - means) * strength + means).clip(0, 255).round().astype(np.uint8)


def jpeg(images: np.ndarray, strength: int) -> np.ndarray:
    """Each image through JPEG at that quality."""

    def squeezed(picture: Image.Image) -> Image.Image:
        stream = io.BytesIO()
        picture.save(stream, "JPEG", quality=strength)
        return Image.open(stream)

    return _each(images, squeezed)


def pixelate(images: np.ndarray, strength: float) -> np.ndarray:
    """Each image scaled down by boxes and up again to whole pixels."""
    small = (round(images.shape[-1] * strength),) * 2

    def coarse(picture: Image.Image) -> Image.Image:
        return picture.resize(small, Image.Resampling.BOX).resize(
            picture.size, Image.Resampling.NEAREST
        )

    return _each(images, coarse)


def _each(images: np.ndarray, change: Callable[[Image.Image], Image.Image]) -> np.ndarray:
    pictures = (Image.fromarray(image.transpose(1, 2, 0)) for image in images)
    return np.stack([np.asarray(change(picture)).transpose(2, 0, 1) for picture in pictures])


CORRUPTIONS = (noise, blur, contrast, jpeg, pixelate)


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """Accuracy by corruption and severity, and their mean, beside that of the clean images."""
    test = subject.split("test", parameters.sample)

    def accuracy(images: np.ndarray) -> float:
        return scores(subject.look(images).log_probabilities, test.labels)["accuracy"]

    by_kind = {
        corrupt.__name__: [
            accuracy(corrupt(test.images, strength))
            for strength in getattr(parameters, corrupt.__name__)
        ]
        for corrupt in CORRUPTIONS
    }
    every = [value for values in by_kind.values() for value in values]
    clean = accuracy(test.images)
    return Found({"clean": clean, "mean": float(np.mean(every)), "by_severity": by_kind})
