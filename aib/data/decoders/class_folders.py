"""A folder for each class, with an image a file: in a tar, or in a local folder."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from aib.data.examples import Example
from aib.data.images import LARGEST_FILE, read_image
from aib.data.untrusted import (
    CORRECT_IT,
    Member,
    RefusedError,
    folder_members,
    reading,
    tar_members,
)
from aib.params import ArchiveDataset, FolderDataset


def decode_archive(dataset: ArchiveDataset, paths: list[Path]) -> Iterator[Example]:
    """Decode TOP/{train,test}/CLASS/IMAGE; files outside these two folders are passed over."""
    (archive,) = paths
    with reading(archive, "gzipped tar archive"):
        yield from _decode(dataset, tar_members(archive, dataset.unpacked_limit), top=1)


def decode_folder(dataset: FolderDataset) -> Iterator[Example]:
    """Decode {train,test}/CLASS/IMAGE; files outside these two folders are passed over."""
    folder = Path(dataset.folder)
    with reading(folder, "readable folder", CORRECT_IT):
        yield from _decode(dataset, folder_members(folder), top=0)


def _decode(
    dataset: ArchiveDataset | FolderDataset, members: Iterable[Member], top: int
) -> Iterator[Example]:
    """`top` is how many folders stand above train and test: none, or one, always the same."""
    labels = {name: label for label, name in enumerate(dataset.classes)}
    first, above = None, None
    for member in members:
        first = first or member.path
        parts = member.path.parts[top:]
        if len(parts) < 2 or parts[0] not in ("train", "test"):
            continue
        above = member.path.parts[:top] if above is None else above
        if member.path.parts[:top] != above:
            raise RefusedError(f"'{member.path}' lies outside the top folder '{above[0]}'")
        if len(parts) != 3 or parts[1] not in labels:
            raise RefusedError(f"'{member.path}' lies in none of the declared class folders")
        content = member.content(LARGEST_FILE)
        image = read_image(member.path, content, dataset.image_size, dataset.resize)
        yield Example(parts[0], labels[parts[1]], image)
    if above is None:
        found = "it holds no file" if first is None else f"its first file is '{first}'"
        raise RefusedError(f"holds no {'TOP/' * top}train/CLASS/IMAGE; {found}")
