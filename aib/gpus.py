"""Which GPUs there are, and one for each training. Needs no torch, so that asking is quick."""

import contextlib
import errno
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def visible_gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES: what it says already, else a number for each in /dev."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name not in ("", "-1")]
    found = [path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    # CUDA counts from 0 also where a container was given nvidia3 alone.
    return [str(number) for number in range(len(found))]


@contextlib.contextmanager
def claimed_gpu(gpus: list[str], per_gpu: int = 1) -> Iterator[str | None]:
    """Hold one of `gpus`, at most `per_gpu` processes on each, and yield its name; wait for it.

    Snakemake counts GPUs but does not say which one a job has, so the processes of a node agree
    among themselves. Yields None where there are no GPUs.
    """
    if not gpus:
        yield None
        return
    places = [(gpu, slot) for slot in range(per_gpu) for gpu in gpus]
    waiting = False
    while (found := _first_free(places)) is None:
        if not waiting:
            print(f"GPU {', '.join(gpus)}: taken; waiting", file=sys.stderr, flush=True)
        waiting = True
        time.sleep(1)
    gpu, claim = found
    with claim:
        yield gpu


def _first_free(places: list[tuple[str, int]]) -> tuple[str, socket.socket] | None:
    """The first GPU with a free place, and what holds that place until it is closed."""
    for gpu, slot in places:
        claim = _claim(gpu, slot)
        if claim is not None:
            return gpu, claim
    return None


def _claim(gpu: str, slot: int) -> socket.socket | None:
    """A socket whose name is the place; None where somebody has it.

    Such a name (a Unix socket's, in Linux's abstract namespace) is in no file system and ends with
    its process: nothing can be left behind. Jobs of Slurm number their own GPUs from 0, so theirs
    are named by job.
    """
    job = os.environ.get("SLURM_JOB_ID", "")
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0aib-gpu/{job}/{gpu}/{slot}")
    except OSError as error:
        claim.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return claim


@contextlib.contextmanager
def one_gpu(device: str, per_gpu: int) -> Iterator[None]:
    """Let this process see the one GPU that it claims, if it may use any; before CUDA starts."""
    with claimed_gpu(visible_gpus() if device != "cpu" else [], per_gpu) as gpu:
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        yield
