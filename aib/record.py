"""Reading run records back; a run exists when its `result.json` does (`aib.files` writes them).

Nothing here imports torch, so a foreign results folder can be read and scored without it.
"""

import json
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from aib.errors import AibError
from aib.files import (
    ADOPTED,
    ATTENTION,
    METRICS,
    PREDICTIONS,
    RESULT,
    SCHEMA,
    SPEC,
    file_sha256,
    read_json,
)

# Made from a finished run, and not sealed with it: all evaluations, and each with its arrays.
EVALUATION, PARTS = "evaluation.json", "evaluation"


@dataclass(frozen=True)
class Record:
    """One finished run, read back. Arrays are loaded when first asked for."""

    folder: Path
    result: dict = field(repr=False)

    @property
    def status(self) -> str:
        """completed, collapsed or diverged."""
        return self.result["status"]

    @property
    def has_figures(self) -> bool:
        """False for a run that diverged: it was not evaluated."""
        return self.status != "diverged"

    @cached_property
    def code_hashes(self) -> tuple[str, ...]:
        """The code that trained it, then each that a proof of identical bits entered beside it."""
        return (self.result["code_hash"], *adopted_hashes(self.folder))

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
    def evaluation(self) -> dict[str, dict]:
        """All evaluations by name: `numbers`, or why one is `inapplicable`, and `seconds`."""
        path = self.folder / EVALUATION
        return read_json(path) if path.exists() else {}

    def numbers(self, name: str) -> dict | None:
        """What an evaluation found; None where it says nothing of this run, or was not made."""
        return self.evaluation.get(name, {}).get("numbers")

    def evaluation_arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of an evaluation; empty where it has none."""
        return self._arrays(f"{PARTS}/{name}.npz")

    def check_seal(self, names: Collection[str] | None = None) -> None:
        """Hash the run's files, or some; `AibError` names one that training did not write."""
        for name, digest in self.result["files"].items():
            if names is not None and name not in names:
                continue
            path = self.folder / name
            if not path.exists():
                found = "missing"
            elif file_sha256(path) != digest:
                found = "not what training wrote"
            else:
                continue
            raise AibError(f"{path}: {found}; delete {RESULT} beside it and run the pipeline again")

    @property
    def is_whole(self) -> bool:
        """Are all its files what training wrote? Hashes them."""
        try:
            self.check_seal()
        except AibError:
            return False
        return True

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        path = self.folder / name
        if not path.exists():
            return {}
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return dict(arrays)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            remedy = f"delete {RESULT} beside it and run again"
            if path.parent.name == PARTS:
                remedy = f"delete it and run: aib evaluate {self.folder}"
            raise AibError(f"{path}: damaged ({error}); {remedy}") from None


def adopted_hashes(folder: Path) -> list[str]:
    """The code that stands for this run too, by a proof that it gives the same bits."""
    path = folder / ADOPTED
    return [entry["code_hash"] for entry in read_json(path)] if path.exists() else []


def recorded_code(folder: Path) -> str:
    """The code that trained a finished run."""
    return read_json(folder / RESULT)["code_hash"]


def read_history(path: Path) -> list[dict]:
    """The lines of a metrics.jsonl; none if training has not got so far."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def read(folder: Path) -> Record:
    """Read one finished run."""
    result = read_json(folder / RESULT)
    if result.get("schema") != SCHEMA:
        raise AibError(
            f"{folder / RESULT}: record schema {result.get('schema')}, this reads {SCHEMA}; "
            "delete the folder and run the pipeline again"
        )
    return Record(folder, result)
