"""Which Snakemake is alive in this folder, so that nothing unlocks it.

Snakemake's own locks are plain files without an owner: a kill leaves them, and `--unlock` removes
them under whoever lives. So each Snakemake holds a lock of the operating system's too, which ends
with the process and is not passed on to the trainings that it starts.
"""

import errno
import fcntl
import sys
from pathlib import Path
from typing import TextIO

from aib.errors import AibError

ALIVE, LOCKS = Path(".snakemake/alive"), Path(".snakemake/locks")
# What a file system says that has no locks, or whose server does not answer for them.
WITHOUT_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
CANNOT_TELL = (
    f"{ALIVE}: this file system has no locks, so nobody can tell whether a Snakemake is alive "
    f"here; when none is, delete what is in {LOCKS}"
)


def announce(unlocking: bool) -> TextIO:
    """Hold the lock, together with others, until what is returned is closed.

    Raises `AibError` for one that would unlock while another is alive, or may be.
    """
    ALIVE.parent.mkdir(exist_ok=True)
    stream = ALIVE.open("a")
    try:
        held = _lock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB if unlocking else fcntl.LOCK_SH)
    except BlockingIOError:
        raise AibError(
            "a Snakemake is alive in this folder and would be unlocked while it works; "
            "`aib unlock` waits until it has ended"
        ) from None
    if not held and unlocking:
        raise AibError(CANNOT_TELL)
    if not held:
        print(f"{ALIVE}: this file system has no locks; run one Snakemake here", file=sys.stderr)
    return stream


def unlock() -> None:
    """Wait until no Snakemake is alive in this folder, then remove the locks that kills left.

    Raises `AibError` where there are some and the file system cannot tell.
    """
    ALIVE.parent.mkdir(exist_ok=True)
    with ALIVE.open("a") as stream:
        try:
            held = _lock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"a Snakemake is alive in {Path.cwd()}; waiting for its end", file=sys.stderr)
            held = _lock(stream, fcntl.LOCK_EX)
        for path in LOCKS.glob("*"):
            if not held:
                raise AibError(CANNOT_TELL)
            path.unlink()


def _lock(stream: TextIO, how: int) -> bool:
    """Lock the file, or return False where its file system has no locks."""
    try:
        fcntl.flock(stream, how)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return False
    return True
