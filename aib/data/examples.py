"""What a decoder yields."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Example(NamedTuple):
    """An image (3, S, S) uint8 of a split and, where the object is known, its mask (S, S).

    `extras` are further arrays of `aib.data.prepared.Split` by name, as they stand for one image.
    """

    split: str
    label: int
    image: np.ndarray
    mask: np.ndarray | None = None
    extras: Mapping[str, np.ndarray] = MappingProxyType({})
