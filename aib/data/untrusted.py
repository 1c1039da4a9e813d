"""Reading files that others made: as a stream, in bounded memory, with nothing unpacked to disk.

Nothing is written, so no name in an archive can lead anywhere. Yet an archive with names that
would lead out of its folder, links, devices, files in two versions or too many bytes is not the
one that was declared, and is refused.
"""

import gzip
import os
import stat
import tarfile
import textwrap
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from aib.errors import AibError

FETCH_AGAIN, CORRECT_IT = "delete the file and fetch it again", "correct what it holds"
LARGEST_IN_MEMORY = 1 << 28  # bytes of one file; the largest known is CIFAR-100's train, 154 MB


class RefusedError(Exception):
    """What a file holds is not what its entry declares; the message is the reason."""


@contextmanager
def reading(path: Path, kind: str, remedy: str = FETCH_AGAIN) -> Iterator[None]:
    """Turn whatever is wrong with the content of `path`, a `kind`, into a one-line AibError."""
    try:
        yield
        return
    except RefusedError as error:
        reason = str(error)
    except (EOFError, OSError, tarfile.TarError, zlib.error) as error:
        reason = f"truncated, or not a {kind} ({error})"
    reason = textwrap.shorten(reason, 300)  # it may quote hostile names, over several lines
    raise AibError(
        f"{path}: {reason}; {remedy}, or correct the dataset's entry in params/datasets.yaml"
    )


class LimitedReader:
    """A stream that refuses to yield more than so many bytes: a guard against small bombs."""

    def __init__(self, stream: BinaryIO, limit: int):
        self._stream, self._limit, self._left = stream, limit, limit

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the end."""
        content = self._stream.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise RefusedError(f"unpacks to more than {self._limit:,} bytes")
        return content


def exactly(stream: BinaryIO | LimitedReader, size: int) -> bytes:
    """Read `size` bytes; refuse a stream that ends before."""
    content = stream.read(size)
    if len(content) < size:
        raise RefusedError("truncated: it holds fewer bytes than it says")
    return content


class Member(NamedTuple):
    """One file of an archive or a folder; the stream is good until the next one is asked for."""

    path: PurePosixPath
    size: int
    stream: BinaryIO

    def content(self) -> bytes:
        """All its bytes."""
        if self.size > LARGEST_IN_MEMORY:
            raise RefusedError(f"'{self.path}' has {self.size:,} bytes, too many for such a file")
        return exactly(self.stream, self.size)


@contextmanager
def gunzipped(path: Path, limit: int) -> Iterator[LimitedReader]:
    """The bytes of a gzipped file, of which at most `limit` are read."""
    with gzip.open(path) as stream:
        yield LimitedReader(stream, limit)


def tar_members(archive: Path, limit: int) -> Iterator[Member]:
    """Yield the files of a gzipped tar that unpacks to at most `limit` bytes."""
    seen = set()
    with gunzipped(archive, limit) as unzipped, _open_tar(unzipped) as tar:
        while (header := _next_header(tar)) is not None:
            path = PurePosixPath(header.name)
            if path.is_absolute() or ".." in path.parts:
                raise RefusedError(f"unsafe name '{header.name}'")
            if header.isdir():
                continue
            if not header.isreg() or header.issparse():
                raise RefusedError(f"'{header.name}' is not a plain file")
            if path in seen:
                raise RefusedError(f"'{header.name}' stands twice")
            seen.add(path)
            yield Member(path, header.size, tar.extractfile(header))


@contextmanager
def _parsing_headers() -> Iterator[None]:
    """Refuse what tarfile lets through: a number that is none, headers nested without end."""
    try:
        yield
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise RefusedError(f"holds a header that cannot be read ({error})") from None


def _open_tar(stream: LimitedReader) -> tarfile.TarFile:
    with _parsing_headers():
        return tarfile.open(fileobj=stream, mode="r|")


def _next_header(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    with _parsing_headers():
        return tar.next()


def named_members(archive: Path, limit: int, names: Collection[str]) -> dict[str, bytes]:
    """Return the content of the files TOP/NAME of a tar; it is read no further than needed."""
    found = {}
    for member in tar_members(archive, limit):
        if len(member.path.parts) == 2 and member.path.name in names:
            found[member.path.name] = member.content()
            if len(found) == len(names):
                return found
    raise RefusedError(f"lacks {min(set(names) - set(found))}")


def folder_members(folder: Path) -> Iterator[Member]:
    """Yield the files below a local folder, in order of their paths; links are refused."""
    if not folder.is_dir():
        raise RefusedError("no such folder")
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*files, *folders]):
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode):
                continue
            inside = PurePosixPath(path.relative_to(folder))
            if not stat.S_ISREG(mode):
                raise RefusedError(f"'{inside}' is not a plain file")
            with path.open("rb") as stream:
                yield Member(inside, path.stat().st_size, stream)
