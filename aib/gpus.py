"""Which GPUs there are, and one for each training. Needs no torch, so that asking is quick."""

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout


def visible_gpus() -> list[str]:
    """Names for CUDA_VISIBLE_DEVICES: what it says already, else the NVIDIA devices in /dev."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        names = [name.strip() for name in chosen.split(",")]
        return [name for name in names if name not in ("", "-1")]
    numbers = (re.fullmatch(r"nvidia(\d+)", path.name) for path in Path("/dev").glob("nvidia*"))
    return sorted((match[1] for match in numbers if match), key=int)


@contextlib.contextmanager
def claimed_gpu(gpus: list[str], per_gpu: int = 1) -> Iterator[str | None]:
    """Hold one of `gpus`, at most `per_gpu` processes on each, and yield its name; wait for it.

    Snakemake counts GPUs but does not say which one a job has, so the processes agree through
    file locks, which the operating system frees when a process ends. Yields None where there is
    nothing to choose: no GPUs, or a cluster's scheduler has already given the job its own.
    """
    if not gpus or "SLURM_JOB_ID" in os.environ:
        yield None
        return
    folder = Path(tempfile.gettempdir(), f"aib-gpus-{os.getuid()}")
    folder.mkdir(exist_ok=True)
    while True:
        for slot, gpu in ((slot, gpu) for slot in range(per_gpu) for gpu in gpus):
            lock = FileLock(folder / f"{gpu}.{slot}".replace("/", "_"))
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            try:
                yield gpu
            finally:
                lock.release()
            return
        time.sleep(1)


@contextlib.contextmanager
def one_gpu(device: str, per_gpu: int) -> Iterator[None]:
    """Let this process see the one GPU that it claims, if it may use any; before CUDA starts."""
    with claimed_gpu(visible_gpus() if device != "cpu" else [], per_gpu) as gpu:
        if gpu is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        yield
