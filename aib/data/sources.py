"""Fetch a dataset's archive: mirrors in order, resumed when cut, never accepted unverified.

`AIB_MIRROR` may name folders or base addresses (separated by spaces or commas) that are looked
in first, by file name. Bytes gather in `FILE.partial`, which survives interruption and is
continued by the next attempt, from whichever address; the final name appears only after the
checksum has been confirmed.
"""

import fcntl
import hashlib
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from aib.errors import AibError
from aib.params import ArchiveDataset

CHUNK_BYTES = 1 << 16
CONNECT_SECONDS = 10
SILENCE_SECONDS = 60  # a server that sends nothing for so long is given up
SLOW_HOSTS = {
    "www.cs.toronto.edu": "throttled by its owners since June 2026: about an hour for 162 MB"
}


class _TransferError(Exception):
    """One address did not deliver; the message is the reason."""


def fetch(dataset: ArchiveDataset, folder: Path, progress: bool = True) -> Path:
    """Return the verified archive `folder / dataset.file`, fetching it unless it is there.

    Args:
        dataset: its `file`, `addresses`, `checksum` and `bytes` are read.
        folder: where archives are kept; made if absent.
        progress: draw a bar if standard error is a terminal; one line at the start and one at
            the end of a transfer are printed in any case.

    Raises:
        AibError: the file present has the wrong checksum, the disk is too small, or no address
            delivered the file; the message names each address with its reason.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / dataset.file
    with _only_one_at_a_time(folder / f"{dataset.file}.lock"):
        if target.exists():
            check_file(target, dataset.checksum)
            return target
        _fetch_from_any(dataset, target, progress)
    return target


def check_file(path: Path, checksum: str) -> None:
    """Do nothing if the file has the checksum "algorithm:hexadecimal digits", else AibError."""
    if not path.exists():
        raise AibError(f"{path}: no such file; fetch it first")
    found = _written(_hash_of(path, _algorithm(checksum)))
    if found != checksum:
        raise AibError(
            f"{path}: expected {checksum}, found {found}; delete the file and fetch it again"
        )


def _addresses(dataset: ArchiveDataset) -> list[str]:
    """List where the archive is looked for: the mirrors of AIB_MIRROR, then its own addresses."""
    mirrors = os.environ.get("AIB_MIRROR", "").replace(",", " ").split()
    return [*(f"{mirror.rstrip('/')}/{dataset.file}" for mirror in mirrors), *dataset.addresses]


def _fetch_from_any(dataset: ArchiveDataset, target: Path, progress: bool) -> None:
    partial = target.with_name(f"{target.name}.partial")
    failures = []
    for address in _addresses(dataset):
        try:
            _transfer(address, dataset, partial, progress)
        except (_TransferError, HTTPError, OSError) as error:
            failures.append(f"{address}: {_reason(error)}")
            _say(f"{dataset.file}: {failures[-1]}")
        else:
            partial.replace(target)
            _flush_folder(target.parent)
            return
    kept = f" ({partial.stat().st_size:,} bytes are kept and continued)" if partial.exists() else ""
    raise AibError(
        f"cannot fetch {dataset.file}{kept}: {'; '.join(failures) or 'no address is known'}. "
        f"Remedy: put {dataset.file} ({dataset.checksum}) into a folder and set AIB_MIRROR to it"
    )


def _transfer(address: str, dataset: ArchiveDataset, partial: Path, progress: bool) -> None:
    """Bring the partial file to the full and verified content, from one address."""
    continued = partial.exists()
    receive = _download if _is_remote(address) else _copy
    started = time.monotonic()
    found = _written(receive(address, dataset, partial, progress))
    if found != dataset.checksum:
        partial.unlink()
        if continued:  # the older bytes may be at fault: ask this address for all of them, once
            return _transfer(address, dataset, partial, progress)
        raise _TransferError(f"expected {dataset.checksum}, found {found}")
    size, seconds = partial.stat().st_size, time.monotonic() - started
    _say(f"{dataset.file}: verified, {size / 1e6:,.1f} MB in {seconds:,.0f} s")


def _copy(address: str, dataset: ArchiveDataset, partial: Path, progress: bool):
    """Copy from a mirror folder; return the hash of the copy."""
    source = Path(address).expanduser()
    size = source.stat().st_size
    partial.unlink(missing_ok=True)
    with source.open("rb") as stream:
        chunks = iter(lambda: stream.read(CHUNK_BYTES), b"")
        return _receive(chunks, address, dataset, partial, size, progress)


def _download(address: str, dataset: ArchiveDataset, partial: Path, progress: bool):
    """Download what the partial file lacks; return the hash of the whole."""
    have = partial.stat().st_size if partial.exists() else 0
    if have and have == dataset.bytes:  # interrupted after the last byte
        return _hash_of(partial, _algorithm(dataset.checksum))
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    timeout = (CONNECT_SECONDS, SILENCE_SECONDS)
    with requests.get(address, headers=headers, stream=True, timeout=timeout) as response:
        if have and response.status_code == requests.codes.requested_range_not_satisfiable:
            return _hash_of(partial, _algorithm(dataset.checksum))
        response.raise_for_status()
        start, size = _extent(response)
        if size and dataset.bytes and size != dataset.bytes:
            raise _TransferError(f"offers {size:,} bytes, expected {dataset.bytes:,}")
        if start not in (0, have):
            raise _TransferError(f"asked for bytes from {have:,}, sends from {start:,}")
        if start == 0:  # no range support, or nothing to continue
            partial.unlink(missing_ok=True)
        # Raw, because some servers declare a .gz file as a compressed .tar, to be unpacked.
        chunks = response.raw.stream(CHUNK_BYTES, decode_content=False)
        return _receive(chunks, address, dataset, partial, size or dataset.bytes, progress)


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Return the offset at which a response begins, and the size of the whole file if stated."""
    if response.status_code == requests.codes.partial_content:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if not match:
            raise _TransferError("sends a part without saying which")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = response.headers.get("Content-Length")
    return 0, int(length) if length else None


def _receive(
    chunks: Iterator[bytes],
    address: str,
    dataset: ArchiveDataset,
    partial: Path,
    size: int | None,
    progress: bool,
):
    """Append chunks to the partial file; return the hash of all it then holds."""
    digest = _hash_of(partial, _algorithm(dataset.checksum))
    have = partial.stat().st_size if partial.exists() else 0
    _check_space(partial, (size or 0) - have)
    _announce(address, dataset, have, size)
    with partial.open("ab") as stream, _bar(progress) as bar:
        task = bar.add_task(dataset.file, total=size, completed=have)
        for chunk in chunks:
            stream.write(chunk)
            digest.update(chunk)
            bar.advance(task, len(chunk))
        stream.flush()
        os.fsync(stream.fileno())
    return digest


def _announce(address: str, dataset: ArchiveDataset, have: int, size: int | None) -> None:
    amount = f"{size / 1e6:,.1f} MB" if size else "size unknown"
    continued = f", continued at {have / 1e6:,.1f} MB" if have else ""
    slow = SLOW_HOSTS.get(urlsplit(address).hostname)
    _say(f"{dataset.file}: {address} ({amount}{continued}{f'; {slow}' if slow else ''})")


def _check_space(partial: Path, needed: int) -> None:
    free = shutil.disk_usage(partial.parent).free
    if needed > free:
        raise AibError(
            f"{partial.parent}: {needed / 1e6:,.1f} MB needed, {free / 1e6:,.1f} MB free; "
            "make room or choose another folder"
        )


def _hash_of(path: Path, algorithm: str):
    """Return a hash object fed with a file's bytes; with nothing if there is no such file."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    if path.exists():
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest


def _written(digest) -> str:
    return f"{digest.name}:{digest.hexdigest()}"


def _algorithm(checksum: str) -> str:
    return checksum.partition(":")[0]


def _is_remote(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _reason(error: Exception) -> str:
    """Say in a few words why an address failed; the libraries' own texts run to several lines."""
    match error:
        case requests.HTTPError():
            return f"HTTP {error.response.status_code} {error.response.reason}"
        case requests.Timeout() | ReadTimeoutError():
            return "timed out"
        case ProtocolError():
            return "the connection was cut"
        case requests.ConnectionError():
            return "no connection"
        case OSError(strerror=str(text)):
            return text
        case _:
            return str(error)


@contextmanager
def _only_one_at_a_time(lock: Path) -> Iterator[None]:
    """Hold an exclusive lock; the system releases it should the process die."""
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"another process is fetching {lock.stem}; waiting for it")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _flush_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bar(progress: bool) -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (progress and console.is_terminal),
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
