"""Fetch a file: mirrors in order, tried again when that may help, never accepted unverified.

`AIB_MIRROR` may name folders or base addresses (separated by commas or spaces) that are looked
in first, by file name; only copies that other datasets have here come before them. With
`AIB_OFFLINE=1` no connection is attempted and only folders count. The final name appears only
after the checksum has been confirmed (`data.transfer`).
"""

import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from aib.data.asking import PassingError, TransferError
from aib.data.checksums import check_file
from aib.data.progress import say
from aib.data.transfer import is_remote, local_path, size_of, transfer
from aib.errors import AibError
from aib.params import Download
from aib.terminal import without_passwords

TRIES = 3  # of one address in a row that bring nothing new
BACKOFF_SECONDS = 1.0  # between tries; doubled by each that is counted
LONGEST_WAIT_SECONDS = 120  # a server that asks for more is given up
SLOWEST_RATE = 10_000  # bytes/s; a slower server is left while another address is left


def fetch(
    download: Download,
    folder: Path,
    progress: bool = True,
    *,
    copies: Sequence[Path] = (),
    locks: Path | None = None,
) -> Path:
    """Return the verified file `folder / download.file`, fetching it unless it is there.

    Args:
        download: name, addresses, checksum and, if known, size in bytes.
        folder: where the file is kept; made if absent.
        progress: draw a bar if standard error is a terminal; elsewhere lines say how far it is.
        copies: where else on this machine the file may lie; linked if there, before all addresses.
        locks: the folder of the locks, one a checksum: who waits finds the other's copy.

    Raises:
        AibError: the file present has the wrong checksum, the disk is too small, or no address
            delivered the file; the message names each address with its reason, and the remedy.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / download.file
    lock = (locks or folder / ".locks") / download.checksum.replace(":", "-")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with _only_one_at_a_time(lock, download.file):
        if target.exists():
            check_file(target, download.checksum)
        else:
            here = [str(copy) for copy in copies if copy.exists()]
            _fetch_from_any(download, here, target, progress)
    return target


def _fetch_from_any(download: Download, copies: list[str], target: Path, progress: bool) -> None:
    partial = target.with_name(f"{target.name}.partial")
    started = time.monotonic()
    failures = []
    addresses = [*copies, *_addresses(download)]
    for address in addresses:
        floor = 0 if address == addresses[-1] else SLOWEST_RATE
        try:
            _fetch_from(address, download, partial, progress, address in copies, floor)
        except TransferError as failure:
            failures.append(without_passwords(f"{address}: {failure}"))
            say(f"{download.file}: {failures[-1]}")
        else:
            partial.replace(target)
            _flush_folder(target.parent)
            size, seconds = target.stat().st_size, time.monotonic() - started
            say(f"{download.file}: verified, {size / 1e6:,.1f} MB in {seconds:,.0f} s")
            return
    raise AibError(_remedy(download, target, size_of(partial), failures))


def _addresses(download: Download) -> list[str]:
    """List where the file is looked for: in the mirrors of AIB_MIRROR, then at its addresses."""
    all_of_them = [
        *(f"{mirror.rstrip('/')}/{download.file}" for mirror in _mirrors()),
        *download.addresses,
    ]
    return [address for address in all_of_them if not (_offline() and is_remote(address))]


def _mirrors() -> list[str]:
    """List what AIB_MIRROR names; the name of a folder that exists may hold spaces and commas.

    Raises `AibError` for an address that is neither a folder's nor a web server's.
    """
    value = os.environ.get("AIB_MIRROR", "").strip()
    mirrors = []
    for part in [value] if _is_folder(value) else re.split(r"[,\n]", value):
        mirrors += [part.strip()] if _is_folder(part.strip()) else part.split()
    for mirror in mirrors:
        scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://|", mirror)[0]
        if scheme not in ("", "http://", "https://", "file://"):
            raise AibError(
                f"AIB_MIRROR: '{without_passwords(mirror)}': {scheme} is not understood; "
                "name a folder or an address that begins with https://, http:// or file://"
            )
        if scheme == "file://" and not mirror.startswith(("file:///", "file://localhost/")):
            raise AibError(f"AIB_MIRROR: '{mirror}': names another machine; write file:///FOLDER")
    return mirrors


def _is_folder(mirror: str) -> bool:
    return bool(mirror) and os.path.isdir(local_path(mirror))  # noqa: PTH112 (never raises)


def _offline() -> bool:
    return os.environ.get("AIB_OFFLINE", "") not in ("", "0")


def _fetch_from(
    address: str, download: Download, partial: Path, progress: bool, link: bool, floor: float
) -> None:
    """Transfer from one address; what may pass is tried again, after growing waits.

    Only tries that bring nothing new are counted: a throttled host may cut an hour's transfer
    many times.
    """
    most, fruitless = size_of(partial), 0
    while True:
        try:
            return transfer(address, download, partial, progress, link, floor)
        except PassingError as failure:
            have = size_of(partial)
            most, fruitless = max(have, most), 0 if have > most else fruitless + 1
            if fruitless == TRIES:
                raise TransferError(f"{failure} ({TRIES} tries)") from failure
            if failure.wait > LONGEST_WAIT_SECONDS:
                raise TransferError(f"{failure}, asks to wait {failure.wait:,.0f} s") from failure
            jitter = random.uniform(0.5, 1)  # or jobs cut together would all come back together
            wait = failure.wait + jitter * BACKOFF_SECONDS * 2**fruitless
            say(f"{download.file}: {address}: {failure}; again in {wait:,.1f} s")
            time.sleep(wait)


def _remedy(download: Download, target: Path, kept: int, failures: list[str]) -> str:
    """Say why there is no file, and which file to put where."""
    offline = ["AIB_OFFLINE is set, so nothing was downloaded"] if _offline() else []
    reasons = "; ".join(offline + failures) or "no address is known"
    continued = f" ({kept:,} bytes are kept and continued)" if kept else ""
    size = f"{download.bytes:,} bytes, " if download.bytes else ""
    return (
        f"cannot fetch {download.file}{continued}: {reasons}. Remedy: put it "
        f"({size}{download.checksum}) at {target.absolute()}, or into a folder and set AIB_MIRROR "
        "to that folder"
    )


@contextmanager
def _only_one_at_a_time(lock: Path, file: str) -> Iterator[None]:
    """Hold an exclusive lock; the system releases it should the process die."""
    held = FileLock(lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        say(f"another process is fetching {file}; waiting for it")
        held.acquire()
    try:
        yield
    finally:
        held.release()


def _flush_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
