"""Examples on disk, as they come, until their order is known: memory stays small."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aib.data.examples import Example

BLOCK_BYTES = 1 << 22


class Spool:
    """The examples of one split; images and masks in files of a folder, labels in memory."""

    def __init__(self, folder: Path, split: str):
        self.labels: list[int] = []
        self._keys: list[tuple[bytes, int, bytes]] = []
        self._prefix = folder / split
        self._files, self._shapes = {}, {}

    def add(self, example: Example) -> None:
        """Append an example; all must have the same shapes, and masks or none."""
        digests = {"images": b"", "masks": b""}
        for name, array in (("images", example.image), ("masks", example.mask)):
            if array is None:
                continue
            if name not in self._files:
                self._files[name] = self._prefix.with_suffix(f".{name}").open("w+b")
                self._shapes[name] = array.shape
            content = array.tobytes()
            self._files[name].write(content)
            digests[name] = hashlib.sha256(content).digest()
        self._keys.append((digests["images"], example.label, digests["masks"]))
        self.labels.append(example.label)

    def order(self) -> np.ndarray:
        """The canonical order, int64 (N,): by SHA-256 of the image bytes, label, mask bytes.

        Equal keys are equal examples, so the order depends on what was added and not on when.
        """
        return np.array(sorted(range(len(self._keys)), key=self._keys.__getitem__), np.int64)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of one element of "images" and, where there are any, of "masks"."""
        return self._shapes

    def blocks(self, name: str, indices: np.ndarray) -> Iterator[np.ndarray]:
        """Yield those elements of "images" or "masks" in that order, a few megabytes at a time."""
        file, shape = self._files[name], self._shapes[name]
        size = int(np.prod(shape))
        step = max(1, BLOCK_BYTES // size)
        for start in range(0, len(indices), step):
            block = np.empty((len(indices[start : start + step]), size), np.uint8)
            for row, index in zip(block, indices[start : start + step].tolist(), strict=True):
                file.seek(index * size)
                file.readinto(row)
            yield block.reshape(-1, *shape)

    def close(self) -> None:
        """Close the files; the folder is the caller's."""
        for file in self._files.values():
            file.close()
