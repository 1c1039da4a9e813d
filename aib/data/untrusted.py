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
LARGEST_TABLE = 1 << 22  # bytes of a table or list; the largest known is CUB's boxes, 0.4 MB
LARGEST_HEADER = 1 << 20  # bytes of names and the like before one file, and for the whole archive
CHUNK = 1 << 16


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

    def content(self, largest: int | None = None) -> bytes:
        """All its bytes, if they are `largest` at most."""
        if self.size > (LARGEST_IN_MEMORY if largest is None else largest):
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


class _Header(tarfile.TarInfo):
    """A header that says how the archive ended, and that takes little memory."""

    @classmethod
    def fromtarfile(cls, archive: "_Archive") -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            archive.end = error
            raise

    def _proc_member(self, archive: "_Archive") -> tarfile.TarInfo:
        """Check the size of what tarfile would read whole; it calls this to be overridden."""
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise RefusedError(f"'{self.name}' is not a plain file")
        if self.type in _EXTENSIONS:
            archive.extensions += self.size
            if self.type == tarfile.XGLTYPE:
                archive.globals += self.size
            if self.size < 0 or max(archive.extensions, archive.globals) > LARGEST_HEADER:
                raise RefusedError(
                    f"holds a header of {self.size:,} bytes, expected {LARGEST_HEADER:,} at most"
                )
        return super()._proc_member(archive)

    def _proc_gnusparse_10(self, following: tarfile.TarInfo, *_) -> None:
        """A list of holes as long as the file; tarfile would read it whole."""
        raise RefusedError(f"'{following.name}' is not a plain file")


_EXTENSIONS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)


class _Archive(tarfile.TarFile):
    """A tar that forgets its headers and notices where it ends too early."""

    tarinfo = _Header
    extensions, globals = 0, 0  # bytes: before the next file, and that hold for all files
    end: tarfile.HeaderError | None = None  # why there is no further header

    def next(self) -> tarfile.TarInfo | None:
        self.extensions = 0
        header = super().next()
        self.members.clear()
        return header

    def check_end(self) -> None:
        """Refuse anything but zeros, which mark the end; tarfile ends at any bad header."""
        if isinstance(self.end, tarfile.EmptyHeaderError | tarfile.TruncatedHeaderError):
            raise RefusedError("truncated: it lacks the mark of its end")
        rest = b""
        while isinstance(self.end, tarfile.EOFHeaderError) and not any(rest):
            if not (rest := self.fileobj.read(CHUNK)):
                return
        raise RefusedError("holds a damaged header")


@contextmanager
def _parsing_headers() -> Iterator[None]:
    """Refuse what tarfile lets through: a number that is none, headers nested without end."""
    try:
        yield
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise RefusedError(f"holds a header that cannot be read ({error})") from None


def _open_tar(stream: LimitedReader) -> _Archive:
    with _parsing_headers():
        return _Archive.open(fileobj=stream, mode="r|")


def _next_header(tar: _Archive) -> tarfile.TarInfo | None:
    with _parsing_headers():
        header = tar.next()
    if header is None:
        tar.check_end()
    elif header.size < 0:  # a pax header may say so
        raise RefusedError(f"'{header.name}' has {header.size:,} bytes")
    return header


def named_members(
    archive: Path, limit: int, names: Collection[str], largest: int = LARGEST_TABLE
) -> dict[str, bytes]:
    """Return the content of the files TOP/NAME of a tar, each of at most `largest` bytes.

    The archive is read no further than needed.
    """
    found = {}
    for member in tar_members(archive, limit):
        if len(member.path.parts) == 2 and member.path.name in names:
            found[member.path.name] = member.content(largest)
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
