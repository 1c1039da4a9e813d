"""What a decoder yields."""

from typing import NamedTuple

import numpy as np


class Example(NamedTuple):
    """An image (3, S, S) uint8 of a split and, where the object is known, its mask (S, S)."""

    split: str
    label: int
    image: np.ndarray
    mask: np.ndarray | None = None
