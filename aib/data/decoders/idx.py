"""IDX files of the MNIST family: grey images, padded with black and served in three channels."""

import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aib.data.examples import Example
from aib.data.untrusted import LimitedReader, RefusedError, exactly, gunzipped, reading
from aib.errors import AibError
from aib.params import ArchiveDataset

UNSIGNED_BYTE = 8
SPLITS = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def decode(dataset: ArchiveDataset, paths: list[Path]) -> Iterator[Example]:
    """Decode the four files of the family, which are known by their names."""
    by_name = {path.name: path for path in paths}
    expected = {name for names in SPLITS.values() for name in names}
    if set(by_name) != expected:
        raise AibError(
            f"params/datasets.yaml: decoder idx reads the files {', '.join(sorted(expected))}; "
            f"found {', '.join(sorted(by_name))}"
        )
    for split, (images, labels) in SPLITS.items():
        values = _labels(by_name[labels], dataset)
        with reading(by_name[images], "gzipped IDX file"):
            pictures = _images(by_name[images], len(values), dataset)
            for image, label in zip(pictures, values, strict=True):
                yield Example(split, label, image)


def _labels(path: Path, dataset: ArchiveDataset) -> bytes:
    with (
        reading(path, "gzipped IDX file"),
        gunzipped(path, dataset.unpacked_limit) as stream,
    ):
        (count,) = _shape(stream, 1, _most_labels(dataset))
        labels = exactly(stream, count)
        _nothing_more(stream)
        if max(labels) >= len(dataset.classes):
            raise RefusedError(f"holds the label {max(labels)}")
    return labels


def _most_labels(dataset: ArchiveDataset) -> int:
    """Return how many labels one file can hold, each of one byte."""
    if dataset.counts is None:
        return dataset.unpacked_limit
    return min(dataset.unpacked_limit, dataset.counts.train + dataset.counts.test)


def _images(path: Path, labels: int, dataset: ArchiveDataset) -> Iterator[np.ndarray]:
    size = dataset.image_size
    with gunzipped(path, dataset.unpacked_limit) as stream:
        count, height, width = _shape(stream, 3, dataset.unpacked_limit)
        if count != labels:
            raise RefusedError(f"says it holds {count:,} images, there are {labels:,} labels")
        margin = size - height
        if height != width or margin < 0 or margin % 2:
            raise RefusedError(f"holds images of {width}x{height}, which do not fit {size}x{size}")
        for _ in range(count):
            grey = np.frombuffer(exactly(stream, height * width), np.uint8)
            padded = np.pad(grey.reshape(height, width), margin // 2)
            yield np.broadcast_to(padded, (3, size, size))
        _nothing_more(stream)


def _shape(stream: LimitedReader, dimensions: int, limit: int) -> tuple[int, ...]:
    """Read the header: two zero bytes, the type of the elements, and the extents."""
    magic = struct.pack(">HBB", 0, UNSIGNED_BYTE, dimensions)
    if (found := exactly(stream, 4)) != magic:
        raise RefusedError(f"begins with {found.hex()}, expected {magic.hex()}")
    shape = struct.unpack(f">{dimensions}I", exactly(stream, 4 * dimensions))
    if min(shape) < 1:
        raise RefusedError(f"says it holds nothing: its extents are {shape}")
    if math.prod(shape) > limit:
        raise RefusedError(f"says it holds {math.prod(shape):,} bytes, expected {limit:,} at most")
    return shape


def _nothing_more(stream: LimitedReader) -> None:
    if stream.read(1):
        raise RefusedError("holds more bytes than its header says")
