"""Checksums, written "algorithm:hexadecimal digits"; a sha256 may be its first digits only."""

import hashlib
from pathlib import Path

from aib.errors import AibError

CHUNK_BYTES = 1 << 20


def check_file(path: Path, checksum: str) -> None:
    """Do nothing if the file has the checksum or, where it is a prefix, begins so.

    Raises:
        AibError: there is no such file, or it has another checksum.
    """
    if not path.exists():
        raise AibError(f"{path}: no such file; fetch it first")
    digest = digest_of(path, checksum)
    if not agrees(digest, checksum):
        raise AibError(
            f"{path}: expected {checksum}, found {written(digest)}; "
            "delete the file and fetch it again"
        )


def digest_of(path: Path, checksum: str):
    """Return a hash object of the checksum's algorithm, fed with the file if there is one."""
    digest = hashlib.new(checksum.partition(":")[0], usedforsecurity=False)
    if path.exists():
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest


def agrees(digest, checksum: str) -> bool:
    """Has the hash object all the digits that the checksum gives?"""
    return written(digest).startswith(checksum)


def written(digest) -> str:
    """Return a hash object as "algorithm:hexadecimal digits"."""
    return f"{digest.name}:{digest.hexdigest()}"
