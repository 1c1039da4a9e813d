"""CIFAR-10 and CIFAR-100 as their authors packed them: a tar of Python 2 pickles."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aib.data.decoders.pickles import PickledArray, unpickle
from aib.data.examples import Example
from aib.data.untrusted import Member, RefusedError, reading, tar_members
from aib.params import ArchiveDataset

LONGEST_NAME = 100  # bytes
LARGEST_PRINTED = 1_000_000


class _Layout(NamedTuple):
    """Files TOP/NAME, and the keys of what they hold."""

    batches: dict[str, str]  # name to split
    labels: bytes
    meta: str
    class_names: bytes


_CIFAR10 = _Layout(
    {f"data_batch_{number}": "train" for number in range(1, 6)} | {"test_batch": "test"},
    b"labels",
    "batches.meta",
    b"label_names",
)
_CIFAR100 = _Layout({"train": "train", "test": "test"}, b"fine_labels", "meta", b"fine_label_names")


def _decode(layout: _Layout, dataset: ArchiveDataset, paths: list[Path]) -> Iterator[Example]:
    (archive,) = paths
    missing = {*layout.batches, layout.meta}
    with reading(archive, "gzipped tar archive"):
        for member in tar_members(archive, dataset.unpacked_limit):
            name = member.path.name
            if len(member.path.parts) != 2 or name not in (*layout.batches, layout.meta):
                continue
            if name not in missing:
                raise RefusedError(f"'{name}' stands twice")
            missing.remove(name)
            if name == layout.meta:
                _check_classes(member, layout, dataset)
            else:
                for image, label in _batch(member, layout, dataset):
                    yield Example(layout.batches[name], label, image)
        if missing:
            raise RefusedError(f"lacks {min(missing)}")


def _check_classes(member: Member, layout: _Layout, dataset: ArchiveDataset) -> None:
    names = unpickle(member.path, member.content()).get(layout.class_names)
    # A few pickled bytes can hold what takes gigabytes to print: look before printing.
    if not isinstance(names, list) or not all(
        isinstance(name, bytes) and len(name) <= LONGEST_NAME for name in names
    ):
        raise RefusedError(f"'{member.path}' holds no list of class names")
    if len(names) != len(dataset.classes):
        raise RefusedError(
            f"'{member.path}' names {len(names):,} classes, expected {len(dataset.classes)}"
        )
    for number, (name, expected) in enumerate(zip(names, dataset.classes, strict=True)):
        if name != expected.encode():
            found = name.decode("utf-8", "replace")
            raise RefusedError(
                f"'{member.path}' names the class {number} '{found}', expected '{expected}'"
            )


def _batch(
    member: Member, layout: _Layout, dataset: ArchiveDataset
) -> Iterator[tuple[np.ndarray, int]]:
    batch, size = unpickle(member.path, member.content()), dataset.image_size
    pixels, labels = batch.get(b"data"), batch.get(layout.labels)
    if not isinstance(pixels, PickledArray) or not isinstance(labels, list):
        raise RefusedError(f"'{member.path}' lacks data or labels")
    if not pixels.holds((len(labels), 3 * size * size)):
        raise RefusedError(
            f"'{member.path}' does not hold {len(labels)} images of {size}x{size} RGB"
        )
    for label in labels:
        if not isinstance(label, int) or not 0 <= label < len(dataset.classes):
            small = isinstance(label, int) and abs(label) < LARGEST_PRINTED
            found = f"the label {label}" if small else "a label that is no small number"
            raise RefusedError(f"'{member.path}' holds {found}")
    return zip(pixels.array().reshape(-1, 3, size, size), labels, strict=True)


decode_cifar10 = partial(_decode, _CIFAR10)
decode_cifar100 = partial(_decode, _CIFAR100)
