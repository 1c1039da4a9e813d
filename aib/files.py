"""The files of a run: their names, and writing them so that a kill leaves no half of one."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aib.errors import AibError

SCHEMA = 2  # of records; older ones lack sealed files, outcomes and information
RESULT, SPEC, METRICS = "result.json", "spec.json", "metrics.jsonl"
PREDICTIONS, ATTENTION, WEIGHTS = "predictions.npz", "attention.npz", "weights.safetensors"
CHECKPOINT, LOG = "checkpoint.pt", "log.txt"
FAILURE, LOCK, HOLDER, FINISHED = "failure.txt", "lock", "holder.json", "finished.json"
ADOPTED = "adopted.json"
# What a trainer writes and result.json seals; result.json itself is sealed by being the last one.
SEALED = (SPEC, METRICS, PREDICTIONS, ATTENTION, WEIGHTS, LOG)


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary sibling, flush it to the disk, and rename it to `path`.

    The file gets the mode that any new file has, whatever `write` gave it.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        temporary.chmod(_plain_mode())
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def remove_temporaries(folder: Path) -> None:
    """Remove what killed processes left of `write_atomically`; only for the folder's holder."""
    for path in folder.glob(".*.*"):
        if path.suffix[1:].isdigit():
            path.unlink()


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN is refused, since JSON has none."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text))


def read_json(path: Path) -> Any:
    """Read JSON; a missing or broken file is one line that says what to do."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise AibError(f"{path}: missing; run the pipeline to make it") from None
    except ValueError as error:
        raise AibError(
            f"{path}: not JSON ({error}); delete it and run the pipeline again"
        ) from None


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a compressed npz atomically."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:  # a stream, or NumPy appends .npz to the name
            np.savez_compressed(stream, **arrays)

    write_atomically(path, write)


def write_history(path: Path, history: list[dict]) -> None:
    """Write metrics.jsonl, one line an epoch, atomically."""
    lines = "".join(json.dumps(line, allow_nan=False) + "\n" for line in history)
    write_atomically(path, lambda temporary: temporary.write_text(lines))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def seal(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of the run that is there, by name."""
    return {name: file_sha256(folder / name) for name in SEALED if (folder / name).exists()}
