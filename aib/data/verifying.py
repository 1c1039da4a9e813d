"""Is a prepared dataset what its manifest says? Hashes over content, and the check of a folder."""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aib.data.checksums import CHUNK_BYTES
from aib.data.prepared import SPLITS, PreparedData, load
from aib.data.statistics import ChannelSums
from aib.errors import AibError
from aib.reading import as_written

PREPARE_AGAIN = "delete it and prepare it again"


def mapped(folder: Path) -> PreparedData:
    """A prepared dataset by its manifest, not hashed; a damaged manifest or header is one line."""
    with as_written(folder, PREPARE_AGAIN):
        return load(folder)


def verify(folder: Path) -> PreparedData:
    """Hash and count a prepared dataset again; AibError if it is not what its manifest says."""
    data = mapped(folder)
    with as_written(folder, PREPARE_AGAIN):
        problem = _difference(folder, data)
    if problem:
        raise AibError(f"{folder}: {problem}; {PREPARE_AGAIN}")
    return data


# For readers: a dataset is hashed once a process.
verified = cache(verify)


def _difference(folder: Path, data: PreparedData) -> str | None:
    """Say what of the manifest is not true of the arrays; None if all of it is."""
    manifest, sums = data.manifest, ChannelSums()
    found = stored_digest(folder, data.train.arrays(), watch=sums.add)
    if found != manifest.get("digest"):
        return f"expected content {manifest.get('digest')}, found {found}"
    for name, value in sums.statistics().items():
        if value != manifest.get(name):
            return f"the manifest says {name} {manifest.get(name)}, the train images have {value}"
    for split in SPLITS:
        said = manifest["counts"][split]
        if list(said) != manifest.get("classes"):
            return f"the manifest counts other classes in {split} than it names"
        labels, numbers = np.unique(getattr(data, split).labels, return_counts=True)
        held = dict(zip(labels.tolist(), numbers.tolist(), strict=True))
        for label, (name, number) in enumerate(said.items()):
            if held.pop(label, 0) != number:
                return f"the manifest says {number} {split} images of '{name}', the labels do not"
        if held:
            return f"{split}_labels.npy holds class {min(held)}, which the manifest does not name"
    return None


def content_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return "sha256:…" over names, types, shapes and bytes of arrays, in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        _digest_array(digest, name, array.dtype, array.shape, [array.reshape(-1).view(np.uint8)])
    return f"sha256:{digest.hexdigest()}"


def stored_digest(
    folder: Path, kinds: Iterable[str], watch: Callable[[np.ndarray], None] = lambda block: None
) -> str:
    """Return the `content_digest` of a folder's arrays, which are read in pieces, not mapped.

    Args:
        folder: of the prepared dataset.
        kinds: of its arrays: "images", "labels" and whatever else each split has.
        watch: called with the train images, block by block, as they are read.
    """
    digest = hashlib.sha256()
    for name in sorted(f"{split}_{kind}" for split in SPLITS for kind in kinds):
        with (folder / f"{name}.npy").open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            pieces = _pieces(stream, CHUNK_BYTES)
            if name == "train_images":
                pieces = _watched(stream, dtype, shape[1:], watch)
            _digest_array(digest, name, dtype, shape, pieces)
    return f"sha256:{digest.hexdigest()}"


def _pieces(stream: BinaryIO, size: int) -> Iterator[bytes]:
    return iter(lambda: stream.read(size), b"")


def _watched(
    stream: BinaryIO, dtype: np.dtype, shape: tuple[int, ...], watch: Callable[[np.ndarray], None]
) -> Iterator[bytes]:
    """Read whole images of a shape and show them to `watch`; what is not an image passes by."""
    size = dtype.itemsize * math.prod(shape)
    for piece in _pieces(stream, max(1, CHUNK_BYTES // size) * size):
        whole = len(piece) // size * size
        watch(np.frombuffer(piece[:whole], dtype).reshape(-1, *shape))
        yield piece


def _digest_array(digest, name: str, dtype: np.dtype, shape: tuple, pieces: Iterable) -> None:
    digest.update(f"{name} {dtype.str} {shape}\n".encode())
    for piece in pieces:
        digest.update(piece)
