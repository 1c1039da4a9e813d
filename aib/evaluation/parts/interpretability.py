"""The paper's interpretability score: of unchanged predictions, how often is the map unchanged too?

Its code is unreleased; the definition is ours (docs/method.md). Two maps are the same when the
cosine of their angle reaches a threshold. Maps in (0, 1) have a high cosine by their offset alone,
so the same share for the map of another image stands beside it, and both for centred maps.
"""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from aib.evaluation.parts import Common, Found

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject

COLOUR, PHOTOGRAPHS = "color", "photographs"
Side = Annotated[int, Field(gt=0, le=32)]


class Parameters(Common):
    """Modifications and thresholds (facts.md 2.4)."""

    sample: int = Field(default=500, gt=1, description="test images")
    thresholds: tuple[float, ...] = (0.85, 0.9, 0.95)
    windows: tuple[Side, ...] = Field(default=(4, 8, 12), description="in pixels of 32")
    fillings: tuple[str, ...] = Field(
        default=(COLOUR, PHOTOGRAPHS),
        description="color: one random colour; photographs: of scikit-learn; or a dataset's images",
    )
    radii: tuple[int, ...] = Field(default=(4, 8, 12, 16), description="of the centred spectrum")

    @property
    def other_datasets(self) -> tuple[str, ...]:
        return tuple(f for f in self.fillings if f not in (COLOUR, PHOTOGRAPHS))


def filtered(images: np.ndarray, radius: float, keep: str) -> np.ndarray:
    """Only the `low` frequencies, within the radius, or the `high` ones, about middle grey."""
    size = images.shape[-1]
    axis = np.fft.fftfreq(size) * size
    inside = np.hypot(*np.meshgrid(axis, axis)) <= radius
    kept = inside if keep == "low" else ~inside
    found = np.fft.ifft2(np.fft.fft2(images.astype(float)) * kept).real
    return (found + (0 if keep == "low" else 127.5)).clip(0, 255).round().astype(np.uint8)


def patched(
    images: np.ndarray, window: int, fill: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A square of each image replaced, at a random place, by the corner of `fill` (N, 3, F, F)."""
    found, room = images.copy(), images.shape[-1] - window + 1
    for image, patch, (row, column) in zip(
        found, fill, rng.integers(room, size=(len(images), 2)), strict=True
    ):
        image[:, row : row + window, column : column + window] = patch[:, :window, :window]
    return found


def fill(subject: "Subject", name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """What windows are filled with, (count, 3, S, S): colours, or pieces of other images."""
    size = subject.spec.image_size
    if name == COLOUR:
        colours = rng.integers(256, size=(count, 3, 1, 1), dtype=np.uint8)
        return np.broadcast_to(colours, (count, 3, size, size))
    if name == PHOTOGRAPHS:
        from sklearn.datasets import load_sample_images  # a second that parameters need not wait

        sources = [image.transpose(2, 0, 1) for image in load_sample_images().images]
    else:
        sources = list(subject.other(name).train.images)
    pieces = []
    for source in (sources[i] for i in rng.integers(len(sources), size=count)):
        room = np.array(source.shape[1:]) - size
        if room.min() < 0:  # smaller images are laid side by side
            source, room = np.tile(source, (1, 2, 2)), np.zeros(2, int)
        row, column = (rng.integers(r + 1) for r in room)
        pieces.append(source[:, row : row + size, column : column + size])
    return np.stack(pieces)


def modifications(
    subject: "Subject", images: np.ndarray, parameters: Parameters
) -> Iterator[tuple[str, np.ndarray]]:
    """Every modified set of images with its name, the same for all networks."""
    for name, window in itertools.product(parameters.fillings, parameters.windows):
        rng = np.random.default_rng(window)
        pixels = max(1, round(window * images.shape[-1] / 32))
        patches = fill(subject, name, len(images), rng)
        yield f"spatial {name} {window}", patched(images, pixels, patches, rng)
    for keep, radius in itertools.product(("low", "high"), parameters.radii):
        scaled = radius * images.shape[-1] / 32
        yield f"frequency {keep} {radius}", filtered(images, scaled, keep)


def cosine(first: np.ndarray, second: np.ndarray, centred: bool) -> np.ndarray:
    """Cosine of the angle between the maps of each pair, (N,); 0 where one has no length."""
    flat = [maps.reshape(len(maps), -1).astype(float) for maps in (first, second)]
    if centred:
        flat = [maps - maps.mean(axis=1, keepdims=True) for maps in flat]
    lengths = np.prod([np.linalg.norm(maps, axis=1) for maps in flat], axis=0)
    return (flat[0] * flat[1]).sum(axis=1) / lengths.clip(min=1e-12)


def agreement(
    before: np.ndarray, after: np.ndarray, same: np.ndarray, thresholds: tuple[float, ...]
) -> dict[str, Any]:
    """Share of images of unchanged prediction whose maps agree, by threshold, with controls."""
    found: dict[str, Any] = {"unchanged": float(same.mean())}
    other = np.roll(before, len(before) // 2, axis=0)
    for centred, reference in itertools.product((False, True), ("own", "shuffled")):
        angles = cosine(before if reference == "own" else other, after, centred)[same]
        name = f"centred {reference}" if centred else reference
        found[name] = {
            str(t): float((angles >= t).mean()) if same.any() else None for t in thresholds
        }
    return found


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """The score by modification; of the network's own map, or of Grad-CAM where it has none."""
    images = subject.split("test", parameters.sample).images
    before, maps = _mapped(subject, images)
    found = {}
    for name, changed in modifications(subject, images, parameters):
        after, other = _mapped(subject, changed)
        found[name] = agreement(maps, other, before == after, parameters.thresholds)
    return Found({"maker": "map" if subject.has_map else "grad_cam", "modifications": found})


def _mapped(subject: "Subject", images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and maps."""
    seen = subject.look(images)
    if seen.maps is not None:
        return seen.predicted, seen.maps
    return seen.predicted, subject.grad_cam(images, seen.predicted)
