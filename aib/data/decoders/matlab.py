"""MATLAB 5 files, as a stream: plain arrays of numbers and nothing else.

SciPy reads more than this, but a whole array at once (1.6 GB for one file of SVHN) and objects of
every kind. Here a variable is a header and a stream of its values, and what is no plain array of
numbers is refused.
"""

import io
import math
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from aib.data.untrusted import LimitedReader, RefusedError, exactly

HEADER_BYTES = 128
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15
NUMBERS = {
    **{1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4"},
    **{7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"},
}
NUMERIC_CLASSES = range(6, 16)  # double to uint64; below are cells, structures, objects, text
COMPLEX = 0x08
CHUNK = 1 << 16


class Variable(NamedTuple):
    """A named array; the stream holds its values, first index fastest."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stream: BinaryIO | LimitedReader


@contextmanager
def variable(path: Path, name: str, limit: int) -> Iterator[Variable]:
    """The first variable of that name, if all before it have at most `limit` bytes each."""
    with path.open("rb") as file:
        header = exactly(file, HEADER_BYTES)
        if header[:10] != b"MATLAB 5.0" or header[124:] != b"\x00\x01IM":
            raise RefusedError(f"not a MATLAB 5 file: it begins with {header[:19]!r}")
        while tag := file.read(8):
            kind, size = struct.unpack("<II", tag.ljust(8, b"\0"))
            end = file.tell() + size
            found = _variable(kind, _content(file, kind, size, limit))
            if found.name == name:
                yield found
                return
            file.seek(end)
    raise RefusedError(f"lacks the variable {name}")


def _content(file: BinaryIO, kind: int, size: int, limit: int) -> LimitedReader:
    if kind == COMPRESSED:
        return LimitedReader(io.BufferedReader(_Inflated(file, size), CHUNK), limit)
    return LimitedReader(file, limit)


class _Inflated(io.RawIOBase):
    """The next `size` bytes of a file, decompressed."""

    def __init__(self, file: BinaryIO, size: int):
        self._file, self._left, self._inflate = file, size, zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        content = b""
        while not content and not self._inflate.eof:
            source = self._inflate.unconsumed_tail
            if not source:
                source = self._file.read(min(CHUNK, self._left))
                self._left -= len(source)
            content = self._inflate.decompress(source, len(buffer))
            if not source:  # the file is at its end; what was left inside has been asked for
                break
        buffer[: len(content)] = content
        return len(content)


def _variable(kind: int, stream: LimitedReader) -> Variable:
    if kind == COMPRESSED:
        kind, _ = struct.unpack("<II", exactly(stream, 8))
    if kind != MATRIX:
        raise RefusedError(f"holds an element of type {kind}, expected an array")
    flags = _whole(stream, UINT32)
    if len(flags) != 8 or flags[0] not in NUMERIC_CLASSES or flags[1] & COMPLEX:
        raise RefusedError("holds something else than plain arrays of numbers")
    extents = _whole(stream, INT32)
    shape = struct.unpack(f"<{len(extents) // 4}i", extents[: len(extents) // 4 * 4])
    name = _whole(stream, INT8).decode("ascii", "replace")
    kind, size, values = _part(stream)
    if kind not in NUMBERS or len(shape) < 2 or min(shape) < 0:
        raise RefusedError(f"variable '{name}' is not a plain array of numbers")
    dtype = np.dtype(NUMBERS[kind])
    if math.prod(shape) * dtype.itemsize != size:
        raise RefusedError(f"variable '{name}' of shape {shape} says it has {size:,} bytes")
    return Variable(name, shape, dtype, values)


def _whole(stream: LimitedReader, expected: int) -> bytes:
    """Read a short part of an array's header, and the bytes that fill it up to eight."""
    kind, size, values = _part(stream)
    if kind != expected or size > 256:
        raise RefusedError("holds an array whose header is damaged")
    content = exactly(values, size)
    if values is stream:
        exactly(stream, -size % 8)
    return content


def _part(stream: LimitedReader) -> tuple[int, int, BinaryIO | LimitedReader]:
    """Read a tag: type and size of what follows; up to four bytes stand inside the tag itself."""
    tag = exactly(stream, 8)
    kind, size = struct.unpack("<II", tag)
    if kind >> 16:
        kind, size = kind & 0xFFFF, kind >> 16
        return kind, size, io.BytesIO(tag[4 : 4 + size])
    return kind, size, stream
