"""Which Snakemake is alive in this folder, so that nothing unlocks it.

Snakemake's own locks are plain files without an owner: a kill leaves them, and `--unlock` removes
them under whoever lives. So each Snakemake holds a lock of the operating system's too, which ends
with the process and is not passed on to the trainings that it starts.
"""

import fcntl
import sys
from pathlib import Path
from typing import TextIO

from aib.errors import AibError

ALIVE, LOCKS = Path(".snakemake/alive"), Path(".snakemake/locks")


def announce(unlocking: bool) -> TextIO:
    """Hold the lock, together with others, until what is returned is closed.

    Raises `AibError` for one that would unlock while another is alive.
    """
    ALIVE.parent.mkdir(exist_ok=True)
    stream = ALIVE.open("a")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB if unlocking else fcntl.LOCK_SH)
    except BlockingIOError:
        raise AibError(
            "a Snakemake is alive in this folder and would be unlocked while it works; "
            "`aib unlock` waits until it has ended"
        ) from None
    return stream


def unlock() -> None:
    """Wait until no Snakemake is alive in this folder, then remove the locks that kills left."""
    ALIVE.parent.mkdir(exist_ok=True)
    with ALIVE.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"a Snakemake is alive in {Path.cwd()}; waiting for its end", file=sys.stderr)
            fcntl.flock(stream, fcntl.LOCK_EX)
        for path in LOCKS.glob("*"):
            path.unlink()
