"""Lets the k-th write of a process fail: AIB_FAULT=ENOSPC:3, with this folder on PYTHONPATH.

A write is the opening of a file below the current folder for writing, or flushing one to the disk.
COUNT:-1 lets none fail and says at the end how many there were. Python runs this file by its name
as it starts.
"""

import atexit
import builtins
import errno
import io
import os
import sys
from pathlib import Path

_error, _, _which = os.environ.get("AIB_FAULT", "").partition(":")
_left = int(_which or 0)
_open, _fsync = io.open, os.fsync
_here = Path.cwd()


def _count(path: object) -> None:
    global _left
    _left -= 1
    if _left == 0:
        print("AIB_FAULT here", file=sys.stderr)
        number = getattr(errno, _error)
        raise OSError(number, os.strerror(number), path)


def _opening(file, mode="r", *arguments, **options):
    ours = isinstance(file, str | os.PathLike)
    ours = ours and _here in (_here / file).parents
    if ours and set(mode) & set("wax+") and "__pycache__" not in str(file):
        _count(str(file))
    return _open(file, mode, *arguments, **options)


def _flushing(descriptor):
    _count(None)
    return _fsync(descriptor)


if _left:
    builtins.open = io.open = _opening
    os.fsync = _flushing
if _error == "COUNT":
    atexit.register(lambda: print(f"AIB_FAULT counted {-1 - _left}", file=sys.stderr))
