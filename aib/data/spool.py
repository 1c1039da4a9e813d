"""Examples on disk, as they come, until their order is known: memory stays small."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aib.data.examples import Example

BLOCK_BYTES = 1 << 22


class Spool:
    """The examples of one split; labels in memory, all else in files of a folder."""

    def __init__(self, folder: Path, split: str):
        self.labels: list[int] = []
        self._keys: list[tuple[bytes | int, ...]] = []
        self._prefix = folder / split
        self._files, self._kinds = {}, {}

    def add(self, example: Example) -> None:
        """Append an example; all must have arrays of the same names, types and shapes."""
        arrays = {"images": example.image, "masks": example.mask, **example.extras}
        arrays = {name: array for name, array in arrays.items() if array is not None}
        digests = []
        for name, array in arrays.items():
            if name not in self._files:
                self._files[name] = self._prefix.with_suffix(f".{name}").open("w+b")
                self._kinds[name] = np.dtype((array.dtype, array.shape))
            content = array.tobytes()
            self._files[name].write(content)
            digests.append(hashlib.sha256(content).digest())
        image, *others = digests
        self._keys.append((image, example.label, *others))
        self.labels.append(example.label)

    def order(self) -> np.ndarray:
        """The canonical order, int64 (N,): by SHA-256 of the image bytes, label, then all else.

        Equal keys are equal examples, so the order depends on what was added and not on when.
        """
        return np.array(sorted(range(len(self._keys)), key=self._keys.__getitem__), np.int64)

    def kinds(self) -> dict[str, np.dtype]:
        """Type and shape of one element of "images" and of whatever else there is but labels."""
        return self._kinds

    def blocks(self, name: str, indices: np.ndarray) -> Iterator[np.ndarray]:
        """Yield those elements of `kinds()[name]` in that order, a few megabytes at a time."""
        file, kind = self._files[name], self._kinds[name]
        size = kind.itemsize
        step = max(1, BLOCK_BYTES // size)
        for start in range(0, len(indices), step):
            block = np.empty((len(indices[start : start + step]), size), np.uint8)
            for row, index in zip(block, indices[start : start + step].tolist(), strict=True):
                file.seek(index * size)
                file.readinto(row)
            yield block.view(kind.base).reshape(-1, *kind.shape)

    def close(self) -> None:
        """Close the files; the folder is the caller's."""
        for file in self._files.values():
            file.close()
