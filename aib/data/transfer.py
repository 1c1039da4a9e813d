"""Bring one file from one address, a folder's or a web server's, and verify it.

A server's bytes gather in a partial file, which survives any interruption and is continued by the
next transfer, from whichever server. What a server says is checked before a byte is written, and
a body that runs past its size is cut off, so no answer can fill the disk. A file of this machine
is copied, or linked, under a name of its own, so a wrong one costs none of the bytes kept.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import requests

from aib.data.asking import (
    PassingError,
    TransferError,
    answer_of,
    check_answer,
    own_words,
    paced,
)
from aib.data.checksums import CHUNK_BYTES, agrees, digest_of, written
from aib.data.progress import say, shown
from aib.errors import AibError
from aib.params import Download

UNDECLARED_LIMIT = 2_000_000_000  # bytes of a file whose size nobody declares
SLOW_HOSTS = {
    "www.cs.toronto.edu": "throttled by its owners since June 2026: about an hour for 162 MB"
}


class _Received(NamedTuple):
    """A file as it has come: its digest, where it is, and whether kept bytes are part of it."""

    digest: Any
    path: Path
    continued: bool = False


def transfer(
    address: str,
    download: Download,
    partial: Path,
    progress: bool,
    link: bool = False,
    floor: float = 0,
) -> None:
    """Bring the partial file to the full and verified content, from one address.

    Args:
        address: a web address, a file:// address or a path.
        download: what the file must be.
        partial: what has come so far, if anything.
        progress: draw a bar if standard error is a terminal.
        link: the address is a path on this machine that may be linked instead of copied.
        floor: bytes/s; a server that sends fewer over PACE_SECONDS is left.

    Raises:
        TransferError: the address does not deliver; the partial file keeps what may be of use.
        AibError: the disk is too small for the size that is declared.
    """
    aside = partial.with_suffix(".copy")
    aside.unlink(missing_ok=True)  # of a process that was killed
    with own_words():
        if is_remote(address):
            received = _download(address, download, partial, progress, floor)
        else:
            received = _link(address, aside, download) if link else None
            received = received or _copy(address, download, aside, progress)
    if agrees(received.digest, download.checksum):
        received.path.replace(partial)
        return
    received.path.unlink()
    if not received.continued:
        raise TransferError(f"expected {download.checksum}, found {written(received.digest)}")
    say(f"{download.file}: the bytes kept earlier are of no use; fetching all of them")
    transfer(address, download, partial, progress, link, floor)


def is_remote(address: str) -> bool:
    """Is it a web address? Everything else is a path."""
    return address.startswith(("http://", "https://"))


def local_path(address: str) -> Path:
    """The path that an address on this machine means; it may begin with file:// or ~."""
    if address.startswith("file://"):
        return Path(unquote(f"/{address.removeprefix('file://').partition('/')[2]}"))
    with suppress(RuntimeError):  # ~NAME, and there is no such user
        return Path(address).expanduser()
    return Path(address)


def size_of(path: Path) -> int:
    """Return a file's bytes; 0 if there is none."""
    return path.stat().st_size if path.exists() else 0


def _link(address: str, aside: Path, download: Download) -> _Received | None:
    """Link a file of this machine; None where the file system does not allow it."""
    try:
        os.link(local_path(address).resolve(), aside)
    except OSError:
        return None
    say(f"{download.file}: {address} (linked)")
    return _Received(digest_of(aside, download.checksum), aside)


def _copy(address: str, download: Download, aside: Path, progress: bool) -> _Received:
    """Copy a file of this machine; what was not copied to its end is removed."""
    source = local_path(address)
    size = source.stat().st_size
    _check_size(size, download)
    with source.open("rb") as stream:
        chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
        try:
            digest = _receive(chunks, address, download, aside, size, progress)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    return _Received(digest, aside)


def _download(
    address: str,
    download: Download,
    partial: Path,
    progress: bool,
    floor: float,
    resume: bool = True,
) -> _Received:
    """Download what the partial file lacks, or all."""
    have = size_of(partial) if resume else 0
    if have and have == download.bytes:  # interrupted after the last byte
        return _Received(digest_of(partial, download.checksum), partial, continued=True)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with answer_of(address, download.file, headers) as response:
        if have and response.status_code == requests.codes.requested_range_not_satisfiable:
            return _Received(digest_of(partial, download.checksum), partial, continued=True)
        check_answer(response)
        start, size = _extent(response)
        _check_size(size, download)
        if start not in (0, have):
            reason = f"asked for bytes from {have:,}, sends from {start:,}"
            if not have:
                raise TransferError(reason)
            say(f"{download.file}: {address}: {reason}; asking for all of them")
            return _download(address, download, partial, progress, floor, resume=False)
        if start == 0:
            if have:
                say(f"{download.file}: {address}: does not continue; from the start")
            partial.unlink(missing_ok=True)
        # Raw, because some servers declare a .gz file as a compressed .tar, to be unpacked. And
        # read1, because read waits for a whole chunk, and a slow server's bytes count one by one.
        chunks = iter(lambda: response.raw.read1(CHUNK_BYTES, decode_content=False), b"")
        chunks = paced(chunks, floor)
        size = size or download.bytes
        digest = _receive(chunks, address, download, partial, size, progress)
        return _Received(digest, partial, continued=start > 0)


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Return the offset at which a response begins, and the size of the whole file if stated."""
    if response.status_code != requests.codes.partial_content:
        return 0, response.raw.length_remaining
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if not match:
        raise TransferError("sends a part without saying which")
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _check_size(offered: int | None, download: Download) -> None:
    if download.bytes and offered not in (None, download.bytes):
        raise TransferError(f"offers {offered:,} bytes, expected {download.bytes:,}")


def _receive(
    chunks: Iterator[bytes],
    address: str,
    download: Download,
    partial: Path,
    size: int | None,
    progress: bool,
):
    """Append chunks to the partial file; return the digest of all it then holds."""
    digest = digest_of(partial, download.checksum)
    have = size_of(partial)
    limit = size or UNDECLARED_LIMIT
    _check_space(partial.parent, (size or 0) - have, declared=download.bytes is not None)
    _announce(address, download, have, size)
    with partial.open("ab") as stream, shown(download.file, have, size, progress) as advance:
        for chunk in chunks:
            have += len(chunk)
            if have > limit:
                partial.unlink()
                undeclared = "" if size else ", and no size is declared"
                raise TransferError(f"sends more than {limit:,} bytes{undeclared}")
            stream.write(chunk)
            stream.flush()  # what has come is kept, however this process ends
            digest.update(chunk)
            advance(len(chunk))
        os.fsync(stream.fileno())
    if size and have < size:
        raise PassingError(f"ended after {have:,} of {size:,} bytes")
    return digest


def _announce(address: str, download: Download, have: int, size: int | None) -> None:
    amount = f"{size / 1e6:,.1f} MB" if size else "size unknown"
    continued = f", continued at {have / 1e6:,.1f} MB" if have else ""
    slow = SLOW_HOSTS.get(urlsplit(address).hostname)
    say(f"{download.file}: {address} ({amount}{continued}{f'; {slow}' if slow else ''})")


def _check_space(folder: Path, needed: int, declared: bool) -> None:
    """Refuse what the disk has no room for; what a server alone says is no reason to end."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        lacking = f"{folder}: {needed / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free"
        if not declared:
            raise TransferError(lacking)
        raise AibError(f"{lacking}; make room or choose another folder")
