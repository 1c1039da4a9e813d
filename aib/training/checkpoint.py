"""Surviving kills: the checkpoint of a run."""

import hashlib
import io
from pathlib import Path

import torch

from aib.errors import AibError
from aib.files import CHECKPOINT, write_atomically

DIGEST_BYTES = hashlib.sha256().digest_size


def save(folder: Path, state: dict) -> None:
    """Write the checkpoint atomically, its SHA-256 first.

    A kill leaves the old one or the new one, never half.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    content = stream.getvalue()
    digest = hashlib.sha256(content).digest()
    write_atomically(folder / CHECKPOINT, lambda temporary: temporary.write_bytes(digest + content))


def load(folder: Path, identity: str) -> dict | None:
    """The checkpoint of this very run, or None; one of another spec, code or data is deleted.

    Raises `AibError` when a bit of the file is not what was written.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    stored = path.read_bytes()
    digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise AibError(
            f"{path}: damaged (its checksum is another); delete it, and the run starts from its "
            "beginning"
        )
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if state["identity"] == identity:
        return state
    path.unlink()
    return None
