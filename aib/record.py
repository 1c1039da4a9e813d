"""The run record: the files that training writes and everything else reads.

A run exists when `result.json` does: it is written last and atomically. Nothing here imports
torch, so a foreign results folder can be read and scored without it.
"""

import hashlib
import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aib.errors import AibError

RESULT, SPEC, METRICS = "result.json", "spec.json", "metrics.jsonl"
PREDICTIONS, ATTENTION, WEIGHTS = "predictions.npz", "attention.npz", "weights.safetensors"
LOCALISATION, CHECKPOINT, LOG = "localisation.json", "checkpoint.pt", "log.txt"
FAILURE, LOCK, FINISHED = "failure.txt", "lock", "finished.json"


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary sibling, flush it to the disk, and rename it to `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN is refused, since JSON has none."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text))


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write a compressed npz atomically."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as stream:  # a stream, or NumPy appends .npz to the name
            np.savez_compressed(stream, **arrays)

    write_atomically(path, write)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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


@dataclass(frozen=True)
class Record:
    """One finished run, read back. Arrays are loaded when first asked for."""

    folder: Path
    result: dict = field(repr=False)

    @property
    def completed(self) -> bool:
        """False for a run that diverged."""
        return self.result["status"] == "completed"

    @cached_property
    def spec(self) -> dict:
        """The content of spec.json: resolved spec, code hash, data digest, environment."""
        return read_json(self.folder / SPEC)

    @cached_property
    def history(self) -> list[dict]:
        """One dict an epoch, from metrics.jsonl."""
        return read_history(self.folder / METRICS)

    @cached_property
    def attention(self) -> dict[str, np.ndarray]:
        """The kept maps; empty for a model without attention."""
        return self._arrays(ATTENTION)

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """`logits` (N, classes) float16 and `labels` (N,) of the test set."""
        return self._arrays(PREDICTIONS)

    @cached_property
    def localisation(self) -> dict | None:
        """The map against the masks; None where there is no map or no mask."""
        path = self.folder / LOCALISATION
        return read_json(path) if path.exists() else None

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        path = self.folder / name
        if not path.exists():
            return {}
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except (ValueError, OSError, EOFError) as error:
            raise AibError(
                f"{path}: damaged ({error}); delete {RESULT} beside it and run again"
            ) from None


def write_history(path: Path, history: list[dict]) -> None:
    """Write metrics.jsonl, one line an epoch, atomically."""
    lines = "".join(json.dumps(line, allow_nan=False) + "\n" for line in history)
    write_atomically(path, lambda temporary: temporary.write_text(lines))


def read_history(path: Path) -> list[dict]:
    """The lines of a metrics.jsonl; none if training has not got so far."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(folder: Path) -> Record:
    """Read one finished run."""
    result = read_json(folder / RESULT)
    if result.get("schema") != 1:
        raise AibError(f"{folder / RESULT}: record schema {result.get('schema')}, this reads 1")
    return Record(folder, result)


def holder(folder: Path) -> str | None:
    """Who holds the run folder, in words; None when nobody does."""
    path = folder / LOCK
    try:
        entry = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    if entry["host"] == socket.gethostname():
        try:
            os.kill(entry["pid"], 0)
        except ProcessLookupError:
            return None
        except PermissionError:  # alive, and somebody else's
            pass
    return f"process {entry['pid']} on {entry['host']}"
