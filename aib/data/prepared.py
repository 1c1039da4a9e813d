"""Prepared data as training, evaluation and reviewers read it: arrays mapped from disk.

A prepared dataset is a folder:

    {train,validation,test}_images.npy   uint8 (N, 3, S, S)
    {train,validation,test}_labels.npy   uint8 (N,); int64 where there are over 256 classes
    {train,validation,test}_masks.npy    uint8 of 0 and 1 (N, S, S), where the object is known
    manifest.json                        what the arrays are; written last
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aib.errors import AibError

SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.json"
CHUNK_BYTES = 1 << 20


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
    """Hash a prepared dataset again; AibError if it is not what its manifest says."""
    data = load(folder)
    found = stored_digest(folder, data.manifest["masks"])
    if found != data.digest:
        raise AibError(
            f"{folder}: expected content {data.digest}, found {found}; "
            "delete it and prepare it again"
        )


def content_digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return "sha256:…" over names, types, shapes and bytes of arrays, in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        _digest_array(digest, name, array.dtype, array.shape, [array.reshape(-1).view(np.uint8)])
    return f"sha256:{digest.hexdigest()}"


def stored_digest(folder: Path, masks: bool) -> str:
    """Return the `content_digest` of a folder's arrays, which are read in pieces, not mapped."""
    digest = hashlib.sha256()
    kinds = ("images", "labels", "masks") if masks else ("images", "labels")
    for name in sorted(f"{split}_{kind}" for split in SPLITS for kind in kinds):
        with (folder / f"{name}.npy").open("rb") as stream:
            np.lib.format.read_magic(stream)
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            pieces = iter(lambda stream=stream: stream.read(CHUNK_BYTES), b"")
            _digest_array(digest, name, dtype, shape, pieces)
    return f"sha256:{digest.hexdigest()}"


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
    return Split(**arrays)


def centre(side: int, size: int) -> slice:
    """The central `size` of `side` pixels, as torchvision's CenterCrop counts them."""
    start = round((side - size) / 2)
    return slice(start, start + size)
