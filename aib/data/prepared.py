"""Prepared data as training, evaluation and reviewers read it: arrays mapped from disk.

A prepared dataset is a folder:

    {train,validation,test}_images.npy   uint8 (N, 3, S, S)
    {train,validation,test}_labels.npy   uint8 (N,); int64 where there are over 256 classes
    {train,validation,test}_masks.npy    uint8 of 0 and 1 (N, S, S), where the object is known
    manifest.json                        what the arrays are; written last
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aib.data.checksums import CHUNK_BYTES
from aib.data.statistics import ChannelSums
from aib.errors import AibError

SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Split:
    """Images (N, 3, S, S) uint8, labels (N,) and, where the object is known, masks (N, S, S)."""

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays that exist, by name."""
        return {name: array for name, array in vars(self).items() if array is not None}


@dataclass(frozen=True)
class PreparedData:
    """A prepared dataset: its manifest, and its splits mapped read-only from disk."""

    manifest: dict
    train: Split
    validation: Split
    test: Split

    @property
    def digest(self) -> str:
        """The content digest of all arrays, "sha256:…"; names the exact data of a result."""
        return self.manifest["digest"]

    @property
    def classes(self) -> list[str]:
        """The class names, in the order of the labels."""
        return self.manifest["classes"]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every array by its file name without suffix."""
        return {
            f"{split}_{name}": array
            for split in SPLITS
            for name, array in getattr(self, split).arrays().items()
        }


def load(folder: Path) -> PreparedData:
    """Map a prepared dataset into memory; contents are trusted (`verify` hashes them again).

    Raises:
        AibError: the folder holds no prepared dataset, or not all of it.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        splits = {split: _load_split(folder, split, manifest) for split in SPLITS}
    except FileNotFoundError as error:
        raise AibError(f"{error.filename}: no such file; prepare the dataset again") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AibError(f"{folder}: damaged ({error}); delete it and prepare it again") from None
    return PreparedData(manifest, **splits)


def verify(folder: Path) -> None:
    """Hash and count a prepared dataset again; AibError if it is not what its manifest says."""
    data = load(folder)
    if problem := _difference(folder, data):
        raise AibError(f"{folder}: {problem}; delete it and prepare it again")


def _difference(folder: Path, data: PreparedData) -> str | None:
    """Say what of the manifest is not true of the arrays; None if all of it is."""
    manifest, sums = data.manifest, ChannelSums()
    found = stored_digest(folder, manifest["masks"], watch=sums.add)
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
    folder: Path, masks: bool, watch: Callable[[np.ndarray], None] = lambda block: None
) -> str:
    """Return the `content_digest` of a folder's arrays, which are read in pieces, not mapped.

    Args:
        folder: of the prepared dataset.
        masks: whether it has masks.
        watch: called with the train images, block by block, as they are read.
    """
    digest = hashlib.sha256()
    kinds = ("images", "labels", "masks") if masks else ("images", "labels")
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


def _load_split(folder: Path, split: str, manifest: dict) -> Split:
    size, count = manifest["image_size"], sum(manifest["counts"][split].values())
    shapes = {"images": (count, 3, size, size), "labels": (count,)}
    if manifest["masks"]:
        shapes["masks"] = (count, size, size)
    arrays = {}
    for name, shape in shapes.items():
        arrays[name] = np.load(folder / f"{split}_{name}.npy", mmap_mode="r")
        if arrays[name].shape != shape:
            raise ValueError(f"{split}_{name}.npy is {arrays[name].shape}, expected {shape}")
        if name != "labels" and arrays[name].dtype != np.uint8:
            raise ValueError(f"{split}_{name}.npy is {arrays[name].dtype}, expected uint8")
    return Split(**arrays)


def centre(side: int, size: int) -> slice:
    """The central `size` of `side` pixels, as torchvision's CenterCrop counts them."""
    start = round((side - size) / 2)
    return slice(start, start + size)
