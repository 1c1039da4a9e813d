"""Surviving kills: the checkpoint of a run, and the lock that keeps a second trainer out."""

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import torch

from aib.errors import AibError
from aib.record import CHECKPOINT, LOCK, holder, write_atomically


def save(folder: Path, state: dict) -> None:
    """Write the checkpoint atomically: a kill leaves the old one or the new one, never half."""
    write_atomically(folder / CHECKPOINT, lambda temporary: torch.save(state, temporary))


def load(folder: Path, identity: str) -> dict | None:
    """The checkpoint of this very run, or None; one of another spec, code or data is deleted.

    Raises `AibError` when the file is damaged.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        matches = state["identity"] == identity
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise AibError(
            f"{path}: damaged ({reason[:80]}); delete it, and the run starts from its beginning"
        ) from None
    if matches:
        return state
    path.unlink()
    return None


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; refuse at once, naming the holder, if it is taken.

    The operating system frees the lock when the process ends, however it ends.
    """
    path = folder / LOCK
    with path.open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AibError(f"{folder}: already being trained by {holder(folder)}") from None
        stream.truncate(0)
        stream.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        stream.flush()
        try:
            yield
        finally:
            stream.truncate(0)
