"""STL-10's binary files: the labelled images; the unlabelled ones are passed over."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aib.data.examples import Example
from aib.data.images import as_array, as_image, scaled
from aib.data.untrusted import Member, RefusedError, exactly, named_members, reading, tar_members
from aib.params import ArchiveDataset

SIZE = 96
IMAGE_BYTES = 3 * SIZE * SIZE
CLASS_NAMES = "class_names.txt"


def decode(dataset: ArchiveDataset, paths: list[Path]) -> Iterator[Example]:
    """Decode TOP/{train,test}_{X,y}.bin; the archive is read twice, as labels may come last."""
    (archive,) = paths
    with reading(archive, "gzipped tar archive"):
        limit = dataset.unpacked_limit
        tables = named_members(archive, limit, ("train_y.bin", "test_y.bin", CLASS_NAMES))
        _check_classes(tables[CLASS_NAMES], dataset)
        missing = {"train_X.bin", "test_X.bin"}
        for member in tar_members(archive, limit):
            name = member.path.name
            if len(member.path.parts) != 2 or name not in missing:
                continue
            missing.remove(name)
            split = name.removesuffix("_X.bin")
            labels = _labels(tables[f"{split}_y.bin"], dataset)
            for image, label in zip(_images(member, len(labels)), labels, strict=True):
                yield Example(split, label, as_array(scaled(as_image(image), dataset.image_size)))
        if missing:
            raise RefusedError(f"lacks {min(missing)}")


def _check_classes(content: bytes, dataset: ArchiveDataset) -> None:
    names = content.decode("utf-8", "replace").split()
    if names != list(dataset.classes):
        raise RefusedError(f"'{CLASS_NAMES}' names the classes {names}")


def _labels(content: bytes, dataset: ArchiveDataset) -> list[int]:
    """Return the labels, which the file counts from 1."""
    for label in content:
        if not 1 <= label <= len(dataset.classes):
            raise RefusedError(f"holds the label {label}, expected 1 to {len(dataset.classes)}")
    return [label - 1 for label in content]


def _images(member: Member, count: int) -> Iterator[np.ndarray]:
    if member.size != count * IMAGE_BYTES:
        raise RefusedError(f"'{member.path}' does not hold {count} images of {SIZE}x{SIZE} RGB")
    for _ in range(count):
        pixels = np.frombuffer(exactly(member.stream, IMAGE_BYTES), np.uint8)
        yield pixels.reshape(3, SIZE, SIZE).swapaxes(1, 2)  # stored column by column
