"""One process at a time in the folder of a run, and who it is."""

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from aib.files import HOLDER, LOCK, remove_temporaries, write_json


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold the run folder for this process; wait, and say so, while another one does.

    That is an orphan as a rule, a training whose Snakemake was killed. The operating system frees
    the lock when the process ends, however it ends; where the file system has no such locks,
    `filelock` makes do with a marker file.
    """
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        by = holder(folder) or "another process"
        print(f"{folder}: being trained by {by}; waiting for it", file=sys.stderr, flush=True)
        lock.acquire()
    try:
        remove_temporaries(folder)
        write_json(folder / HOLDER, {"pid": os.getpid(), "host": socket.gethostname()})
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


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
