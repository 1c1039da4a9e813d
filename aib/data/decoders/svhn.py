"""SVHN's cropped digits: MATLAB files with images X (32, 32, 3, N) and labels y (N, 1)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aib.data.decoders.matlab import Variable, variable
from aib.data.examples import Example
from aib.data.untrusted import RefusedError, exactly, reading
from aib.errors import AibError
from aib.params import ArchiveDataset

SPLITS = {"train_32x32.mat": "train", "extra_32x32.mat": "train", "test_32x32.mat": "test"}


def decode(dataset: ArchiveDataset, paths: list[Path]) -> Iterator[Example]:
    """Decode the files, which are known by their names; each is read twice, as y comes last."""
    for path in paths:
        if path.name not in SPLITS:
            raise AibError(
                f"params/datasets.yaml: decoder svhn reads {', '.join(SPLITS)}; found {path.name}"
            )
        limit = dataset.unpacked_limit
        with reading(path, "MATLAB 5 file"):
            with variable(path, "y", limit) as y:
                labels = _labels(y, dataset)
            with variable(path, "X", limit) as x:
                for image, label in zip(_images(x, len(labels), dataset), labels, strict=True):
                    yield Example(SPLITS[path.name], int(label), image)


def _labels(y: Variable, dataset: ArchiveDataset) -> np.ndarray:
    """Return the labels, which the file counts from 1; the last one is that of the digit 0."""
    classes = len(dataset.classes)
    if len(y.shape) != 2 or y.shape[1] != 1:
        raise RefusedError(f"variable y has the shape {y.shape}, expected (N, 1)")
    most = _most_images(dataset)
    if y.shape[0] > most:
        raise RefusedError(f"says it holds {y.shape[0]:,} labels, expected {most:,} at most")
    values = np.frombuffer(exactly(y.stream, y.shape[0] * y.dtype.itemsize), y.dtype)
    wrong = ~((values >= 1) & (values <= classes) & (values == np.floor(values)))
    if wrong.any():
        raise RefusedError(f"holds the label {values[wrong][0].item()}, expected 1 to {classes}")
    return values.astype(np.min_scalar_type(classes)) % classes


def _most_images(dataset: ArchiveDataset) -> int:
    """Return how many images one file can hold; each has a label, in memory at once."""
    most = dataset.unpacked_limit // (3 * dataset.image_size**2)
    if dataset.counts is None:
        return most
    return min(most, dataset.counts.train + dataset.counts.test)


def _images(x: Variable, count: int, dataset: ArchiveDataset) -> Iterator[np.ndarray]:
    size = dataset.image_size
    if x.shape != (size, size, 3, count) or x.dtype != np.uint8:
        raise RefusedError(
            f"variable X has the shape {x.shape} and type {x.dtype}, "
            f"expected {(size, size, 3, count)} and uint8"
        )
    for _ in range(count):
        pixels = np.frombuffer(exactly(x.stream, 3 * size * size), np.uint8)
        yield pixels.reshape(3, size, size).swapaxes(1, 2)  # stored column by column
