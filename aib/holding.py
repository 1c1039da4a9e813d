"""One process at a time in the folder of a run, and who it is."""

import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from aib.errors import AibError
from aib.files import HOLDER, LOCK, remove_temporaries, write_json


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; wait, and say so, while another one does.

    That is an orphan as a rule, a training whose Snakemake was killed. The operating system frees
    the lock when the process ends, however it ends. Where the file system has no such locks,
    `filelock` writes a marker in its place, which outlives a node that dies. Raises `AibError`
    where the file system only says that it cannot.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        print(_waiting(folder), file=sys.stderr, flush=True)
        lock.acquire()
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise
        raise AibError(
            f"{folder / LOCK}: the file system gives no lock ({error.strerror}); mount it with "
            "locks, or have results/ on another"
        ) from None
    try:
        remove_temporaries(folder)
        write_json(folder / HOLDER, {"pid": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _waiting(folder: Path) -> str:
    """For whom, and what to do where nobody can tell from here whether that process lives."""
    by = holder(folder)
    said = f"{folder}: being trained by {by or 'another process'}; waiting for it"
    if by and by.endswith(f" on {socket.gethostname()}"):
        return said
    return f"{said}; if it has died, as with its node, delete {folder / LOCK}"


def holder(folder: Path) -> str | None:
    """Who holds the run folder, in words; None when nobody does."""
    path = folder / HOLDER
    try:
        entry = json.loads(path.read_text())
        pid, host = int(entry["pid"]), entry["host"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    if host == socket.gethostname():
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return None
        except PermissionError:  # alive, and somebody else's
            pass
    return f"process {pid} on {host}"
