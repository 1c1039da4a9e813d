"""One file a format: each turns verified files into examples, one at a time.

A decoder is a function of the dataset's entry and the paths of its files. It refuses anything
that its format does not say, as an `AibError` of one line that names the file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from aib.data.decoders import cifar, class_folders, cub, idx, stl10, svhn
from aib.data.examples import Example
from aib.params import ArchiveDataset

DECODERS: dict[str, Callable[[ArchiveDataset, list[Path]], Iterator[Example]]] = {
    "cifar-python": cifar.decode_cifar10,
    "cifar100-python": cifar.decode_cifar100,
    "class-folders": class_folders.decode_archive,
    "cub": cub.decode,
    "idx": idx.decode,
    "stl10": stl10.decode,
    "svhn": svhn.decode,
}
