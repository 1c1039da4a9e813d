"""Prepared data as training, evaluation and reviewers read it: arrays mapped from disk.

A prepared dataset is a folder:

    {train,validation,test}_images.npy   uint8 (N, 3, S, S)
    {train,validation,test}_labels.npy   uint8 (N,); int64 where there are over 256 classes
    {train,validation,test}_masks.npy    uint8 of 0 and 1 (N, S, S), where the object is known
    {train,validation,test}_{extra}.npy  other arrays of `Split` that the manifest lists as "extras"
    manifest.json                        what the arrays are; written last
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aib.errors import AibError

SPLITS = ("train", "validation", "test")
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Split:
    """Images (N, 3, S, S) uint8, labels (N,) and, where the object is known, masks (N, S, S).

    Generated images may also have masks of what is not the object, (N, S, S) uint8 of 0 and 1, and
    the index of the source that the object was made from, int64 (N,).
    """

    images: np.ndarray
    labels: np.ndarray
    masks: np.ndarray | None = None
    fragment_masks: np.ndarray | None = None
    sources: np.ndarray | None = None

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
    """Map a prepared dataset into memory; contents are trusted (`aib.data.verifying` hashes them).

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


def _load_split(folder: Path, split: str, manifest: dict) -> Split:
    size, count = manifest["image_size"], sum(manifest["counts"][split].values())
    mask = (count, size, size)
    shapes = {"images": (count, 3, size, size), "labels": (count,), "masks": mask}
    shapes |= {"fragment_masks": mask, "sources": (count,)}
    names = ["images", "labels", *["masks"] * manifest["masks"], *manifest["extras"]]
    arrays = {}
    for name in names:
        shape = shapes[name]
        arrays[name] = np.load(folder / f"{split}_{name}.npy", mmap_mode="r")
        if arrays[name].shape != shape:
            raise ValueError(f"{split}_{name}.npy is {arrays[name].shape}, expected {shape}")
        if len(shape) > 1 and arrays[name].dtype != np.uint8:
            raise ValueError(f"{split}_{name}.npy is {arrays[name].dtype}, expected uint8")
    return Split(**arrays)
