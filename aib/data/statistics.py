"""Mean and standard deviation of the channels of images, image by image or block by block."""

import math
from collections.abc import Iterable, Iterator

import numpy as np


class ChannelSums:
    """Mean and standard deviation of each channel, images scaled to [0, 1].

    Sums are exact integers and each result is rounded once, so it is the same everywhere.
    """

    def __init__(self) -> None:
        self.count, self.totals, self.squares = 0, [0, 0, 0], [0, 0, 0]

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Pass on blocks (B, 3, S, S) and take them into account."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, block: np.ndarray) -> None:
        """Take a block (B, 3, S, S) into account."""
        self.count += block.size // 3
        for number, channel in enumerate(block.swapaxes(0, 1)):
            self.totals[number] += int(channel.sum(dtype=np.int64))
            squares = np.square(channel, dtype=np.uint16)
            self.squares[number] += int(squares.sum(dtype=np.int64))

    def statistics(self) -> dict[str, list[float]]:
        """Return "mean" and "std"."""
        scale = 255 * self.count
        pairs = list(zip(self.totals, self.squares, strict=True))
        return {
            "mean": [total / scale for total, _ in pairs],
            "std": [math.sqrt((self.count * sq - total**2) / scale**2) for total, sq in pairs],
        }
