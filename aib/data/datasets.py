"""Turn a verified archive, or the generator, into arrays on disk that training maps into memory.

Two rules make its bytes depend on the images alone, not on archive order, seed or platform:
every split is ordered by the SHA-256 of the image bytes (then by label, so that equal keys are
equal images), and the validation split is the first tenth (`validation_share`) of each class of
train in that order. The first n images of a split are thus a fixed random sample of it.

Archives are read as a stream and never unpacked to disk; what they hold is not trusted.
"""

import gzip
import hashlib
import io
import json
import math
import os
import pickle
import sys
import tarfile
import tempfile
import textwrap
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar, NamedTuple

import numpy as np
from PIL import Image

from aib.data import clutter
from aib.data.prepared import MANIFEST, Split, content_digest, named_arrays
from aib.data.sources import check_file
from aib.errors import AibError
from aib.params import NOT_IN_KEY, ArchiveDataset, ClutterDataset, Dataset


def prepare(name: str, dataset: Dataset, archive: Path | None, folder: Path) -> None:
    """Write the dataset called `name` into `folder`; the same input gives the same bytes.

    Args:
        name: what params/datasets.yaml calls it; recorded in the manifest.
        dataset: a clutter or archive dataset of `aib.params`.
        archive: the fetched archive; None for a clutter dataset.
        folder: made if absent. What it held before stays whole until the new arrays are complete.

    Raises:
        AibError: the archive is not the declared one, is damaged, or holds something else.
    """
    started = time.monotonic()
    if dataset.kind == "clutter":
        splits, origin = _generate(dataset)
    else:
        splits, origin = _read_archive(dataset, archive)
    arrays = named_arrays(splits)
    manifest = {
        "dataset": name,
        "parameters": dataset.model_dump(mode="json", exclude=NOT_IN_KEY),
        **origin,
        "digest": content_digest(arrays),
        "image_size": dataset.image_size,
        "counts": {
            split: _class_counts(content.labels, origin["classes"])
            for split, content in splits.items()
        },
        **_channel_statistics(splits["train"].images),
    }
    _write(folder, arrays, manifest)
    counts = ", ".join(f"{len(content.labels):,} {split}" for split, content in splits.items())
    seconds = time.monotonic() - started
    print(f"{name}: {counts} images prepared in {seconds:.0f} s", file=sys.stderr, flush=True)


def _class_counts(labels: np.ndarray, classes: list[str]) -> dict[str, int]:
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))


def _channel_statistics(images: np.ndarray) -> dict[str, list[float]]:
    """Return mean and standard deviation of each channel, images scaled to [0, 1].

    Sums are exact integers and each result is rounded once, so it is the same everywhere.
    """
    count = images.size // 3
    means, deviations = [], []
    for channel in images.swapaxes(0, 1):
        total = int(channel.sum(dtype=np.int64))
        squares = int(np.square(channel, dtype=np.uint16).sum(dtype=np.int64))
        means.append(total / (255 * count))
        deviations.append(math.sqrt((count * squares - total**2) / (255 * count) ** 2))
    return {"mean": means, "std": deviations}


def _write(folder: Path, arrays: dict[str, np.ndarray], manifest: dict) -> None:
    """Write aside, then rename file by file with the manifest last: no manifest, no dataset."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as aside:
        for name, array in arrays.items():
            _write_file(Path(aside, f"{name}.npy"), lambda stream, a=array: np.save(stream, a))
        text = json.dumps(manifest, indent=2) + "\n"
        _write_file(Path(aside, MANIFEST), lambda stream: stream.write(text.encode()))
        (folder / MANIFEST).unlink(missing_ok=True)
        for file in [*(f"{name}.npy" for name in arrays), MANIFEST]:
            Path(aside, file).replace(folder / file)


def _write_file(path: Path, write: Callable) -> None:
    with path.open("wb") as stream:
        write(stream)
        stream.flush()
        os.fsync(stream.fileno())


# ---------------------------------------------------------------- splits


def _generate(dataset: ClutterDataset) -> tuple[dict[str, Split], dict]:
    classes = [str(digit) for digit in range(10)]
    splits = {
        split: _in_order(made.images, made.labels, len(classes), made.masks)
        for split, made in clutter.generate(dataset).items()
    }
    source = f"scikit-learn load_digits, generator seed {dataset.generator_seed}"
    return splits, {
        "source": source,
        "checksum": None,
        "decoder": "cluttered-digits",
        "classes": classes,
        "masks": True,
    }


def _read_archive(dataset: ArchiveDataset, archive: Path) -> tuple[dict[str, Split], dict]:
    check_file(archive, dataset.checksum)
    try:
        train, test = _decode(dataset, archive)
    except _RefusedError as error:
        reason = str(error)
    except (EOFError, OSError, tarfile.TarError, zlib.error) as error:
        reason = f"truncated, or not a gzipped tar archive ({error})"
    else:
        train, validation = _set_validation_aside(train, dataset.validation_share)
        return {"train": train, "validation": validation, "test": test}, {
            "source": dataset.file,
            "checksum": dataset.checksum,
            "decoder": dataset.decoder,
            "classes": list(dataset.classes),
            "masks": False,
        }
    reason = textwrap.shorten(reason, 300)  # it may quote hostile names, over several lines
    raise AibError(
        f"{archive}: {reason}; delete the file and fetch it again, "
        "or correct the dataset's entry in params/datasets.yaml"
    )


def _decode(dataset: ArchiveDataset, archive: Path) -> tuple[Split, Split]:
    """Return train and test of an archive, each in canonical order."""
    images, labels = {"train": [], "test": []}, {"train": [], "test": []}
    for example in DECODERS[dataset.decoder](dataset, archive):
        images[example.split].append(example.image)
        labels[example.split].append(example.label)
    for split, present in labels.items():
        if absent := set(range(len(dataset.classes))) - set(present):
            raise _RefusedError(f"no {split} image of class '{dataset.classes[min(absent)]}'")
    train, test = (
        _in_order(np.stack(images.pop(split)), np.array(labels[split]), len(dataset.classes))
        for split in ("train", "test")
    )
    return train, test


def _in_order(
    images: np.ndarray, labels: np.ndarray, classes: int, masks: np.ndarray | None = None
) -> Split:
    """Order by the SHA-256 of the image bytes, then by label."""
    keys = [
        (hashlib.sha256(image.tobytes()).digest(), label)
        for image, label in zip(images, labels.tolist(), strict=True)
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__))
    label_type = np.uint8 if classes <= 256 else np.int64
    return Split(images, labels.astype(label_type), masks).take(order)


def _set_validation_aside(train: Split, share: float) -> tuple[Split, Split]:
    """Split off the first `share` of each class; the order is one of hashes, hence random."""
    aside = np.zeros(len(train.labels), dtype=bool)
    for label in np.unique(train.labels):
        members = np.flatnonzero(train.labels == label)
        aside[members[: round(len(members) * share)]] = True
    return train.take(np.flatnonzero(~aside)), train.take(np.flatnonzero(aside))


# ---------------------------------------------------------------- archives


class _RefusedError(Exception):
    """What an archive holds is not what its entry declares; the message is the reason."""


class Example(NamedTuple):
    """One decoded image (3, S, S) uint8 of the split "train" or "test"."""

    split: str
    label: int
    image: np.ndarray


def _files_of(archive: Path, limit: int) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield path and content of each file of a gzipped tar, read as a stream.

    Nothing is written to disk, so no name can lead anywhere; yet an archive with names that would
    lead out of its folder, links, devices, files in two versions or more than `limit` bytes
    unpacked is not the one that was declared, and is refused.
    """
    seen = set()
    with (
        gzip.open(archive) as unzipped,
        tarfile.open(fileobj=_LimitedReader(unzipped, limit), mode="r|") as tar,
    ):
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise _RefusedError(f"unsafe name '{member.name}'")
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise _RefusedError(f"'{member.name}' is not a plain file")
            if path in seen:
                raise _RefusedError(f"'{member.name}' stands twice")
            seen.add(path)
            yield path, tar.extractfile(member).read()


class _LimitedReader:
    """A stream that refuses to yield more than so many bytes: a guard against small bombs."""

    def __init__(self, stream: io.BufferedIOBase, limit: int):
        self._stream, self._limit, self._count = stream, limit, 0

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._count += len(content)
        if self._count > self._limit:
            raise _RefusedError(f"unpacks to more than {self._limit:,} bytes")
        return content


def _decode_class_folders(dataset: ArchiveDataset, archive: Path) -> Iterator[Example]:
    """Decode TOP/{train,test}/CLASS/IMAGE; files outside these two folders are passed over."""
    labels = {name: label for label, name in enumerate(dataset.classes)}
    for path, content in _files_of(archive, dataset.unpacked_limit):
        if len(path.parts) < 3 or path.parts[1] not in ("train", "test"):
            continue
        if len(path.parts) != 4 or path.parts[2] not in labels:
            raise _RefusedError(f"'{path}' lies in none of the declared class folders")
        yield Example(path.parts[1], labels[path.parts[2]], _decode_image(path, content, dataset))


def _decode_image(path: PurePosixPath, content: bytes, dataset: ArchiveDataset) -> np.ndarray:
    size = dataset.image_size
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG", "PNG"]) as image:
            # Known from the header, before a pixel is decoded.
            if image.size != (size, size) or image.mode != "RGB":
                found = f"{image.width}x{image.height} {image.mode}"
                raise _RefusedError(f"'{path}' is {found}, expected {size}x{size} RGB")
            return np.asarray(image).transpose(2, 0, 1)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise _RefusedError(f"'{path}' is not a whole JPEG or PNG image") from None


CIFAR_BATCHES = {f"data_batch_{number}": "train" for number in range(1, 6)} | {"test_batch": "test"}
CIFAR_META = "batches.meta"


def _decode_cifar(dataset: ArchiveDataset, archive: Path) -> Iterator[Example]:
    """Decode TOP/data_batch_1…5, TOP/test_batch and TOP/batches.meta, pickles of Python 2."""
    missing = {*CIFAR_BATCHES, CIFAR_META}
    for path, content in _files_of(archive, dataset.unpacked_limit):
        if path.name == CIFAR_META:
            names = _unpickle(path, content).get(b"label_names")
            if names != [name.encode() for name in dataset.classes]:
                raise _RefusedError(f"'{path}' names the classes {names}")
        elif path.name in CIFAR_BATCHES:
            split = CIFAR_BATCHES[path.name]
            for image, label in _cifar_batch(path, content, dataset):
                yield Example(split, label, image)
        missing.discard(path.name)
    if missing:
        raise _RefusedError(f"lacks {min(missing)}")


def _cifar_batch(
    path: PurePosixPath, content: bytes, dataset: ArchiveDataset
) -> Iterator[tuple[np.ndarray, int]]:
    batch, size = _unpickle(path, content), dataset.image_size
    pixels, labels = batch.get(b"data"), batch.get(b"labels")
    if not isinstance(pixels, _PickledArray) or not isinstance(labels, list):
        raise _RefusedError(f"'{path}' lacks data or labels")
    declared = (b"u1", (len(labels), 3 * size * size), len(labels) * 3 * size * size)
    if (pixels.type_code, pixels.shape, len(pixels.content)) != declared:
        raise _RefusedError(f"'{path}' does not hold {len(labels)} images of {size}x{size} RGB")
    for label in labels:
        if not isinstance(label, int) or not 0 <= label < len(dataset.classes):
            raise _RefusedError(f"'{path}' holds the label {label!r}")
    rows = np.frombuffer(pixels.content, np.uint8).reshape(pixels.shape, order=pixels.order)
    return zip(rows.reshape(-1, 3, size, size), labels, strict=True)


class _PickledArray:
    """The parts of a pickled numpy array. Numpy itself never sees what the pickle says."""

    def __init__(self, *_):
        self.shape, self.type_code, self.order, self.content = (), b"", "C", b""

    def __setstate__(self, state: tuple) -> None:
        _version, self.shape, element_type, fortran_order, self.content = state
        self.type_code = element_type.type_code
        self.order = "F" if fortran_order else "C"
        if not isinstance(self.content, bytes):
            raise TypeError("array without bytes")


class _PickledType:
    """The code of a pickled numpy element type, such as b"u1"."""

    def __init__(self, type_code: bytes, *_):
        self.type_code = type_code

    def __setstate__(self, state: tuple) -> None:
        """Byte order and the like, which single bytes do not have."""


class _RestrictedUnpickler(pickle.Unpickler):
    """Admit builtin containers, numbers, strings and the parts of arrays; call nothing else."""

    ADMITTED: ClassVar = {
        ("numpy.core.multiarray", "_reconstruct"): _PickledArray,
        ("numpy", "ndarray"): _PickledArray,
        ("numpy", "dtype"): _PickledType,
    }

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self.ADMITTED:
            raise _RefusedError(f"holds a pickle that would call {module}.{name}")
        return self.ADMITTED[module, name]


def _unpickle(path: PurePosixPath, content: bytes) -> dict:
    try:
        found = _RestrictedUnpickler(io.BytesIO(content), encoding="bytes").load()
    except _RefusedError:
        raise
    except Exception as error:  # a malformed pickle may raise nearly anything
        raise _RefusedError(f"'{path}' is not a readable pickle ({error})") from None
    if not isinstance(found, dict):
        raise _RefusedError(f"'{path}' holds no dictionary")
    return found


DECODERS: dict[str, Callable[..., Iterator[Example]]] = {
    "cifar-python": _decode_cifar,
    "class-folders": _decode_class_folders,
}
