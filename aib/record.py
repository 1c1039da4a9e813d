"""Reading run records back; a run exists when its `result.json` does (`aib.files` writes them).

What is read is held against what was written: the files of a training against the hashes in
result.json, that one against its copy, and evaluations against the files of their parts.
Nothing here imports torch, so a foreign results folder can be read and scored without it.
"""

import io
import json
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, TypeAdapter

from aib.errors import AibError
from aib.files import (
    ADOPTED,
    ATTENTION,
    FINISHED,
    METRICS,
    PREDICTIONS,
    RESULT,
    SCHEMA,
    SPEC,
    WEIGHTS,
    file_sha256,
)
from aib.reading import as_written, read_json
from aib.result import RESULT_FORM, Evaluated
from aib.spec.run import RunSpec

# Made from a finished run, and not sealed with it: all evaluations, and each with its arrays.
EVALUATION, PARTS = "evaluation.json", "evaluation"
AGAIN = f"delete {RESULT} beside it and run the pipeline again"
# What result.json says of time and place; all else of two runs of the same bits is the same.
OF_THE_MOMENT = ("cost", "code_hash", "files")


class _Adopted(BaseModel):
    code_hash: str


@dataclass(frozen=True)
class Record:
    """One finished run, read back. Files are read, and held against their hashes, when asked for.

    Of a run that was `packed`, as evidence, arrays are shortened and some files left out: its spec
    and its history alone are as training wrote them, and evidence vouches for the rest.
    """

    folder: Path
    result: dict = field(repr=False)
    packed: bool = False

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
        return json.loads(self._sealed(SPEC))

    @cached_property
    def run_spec(self) -> RunSpec:
        """What the run is, from spec.json; equal to what was trained, with the same key."""
        with as_written(self.folder / SPEC, AGAIN):
            return RunSpec.model_validate_json(json.dumps(self.spec["spec"]))

    @cached_property
    def history(self) -> list[dict]:
        """One dict an epoch, from metrics.jsonl."""
        return [json.loads(line) for line in self._sealed(METRICS).splitlines()]

    @cached_property
    def attention(self) -> dict[str, np.ndarray]:
        """The kept maps; empty for a model without attention."""
        return self._arrays(ATTENTION, self._sealed(ATTENTION), AGAIN)

    @cached_property
    def predictions(self) -> dict[str, np.ndarray]:
        """`logits` (N, classes) float16 and `labels` (N,) of the test set."""
        return self._arrays(PREDICTIONS, self._sealed(PREDICTIONS), AGAIN)

    @property
    def weights(self) -> Path:
        """The file of the kept weights, held against its hash; `AibError` where there is none."""
        if not self.is_held(WEIGHTS):  # it diverged, or comes from evidence
            raise AibError(f"{self.folder}: a run without weights ({self.status}); take another")
        self._check(WEIGHTS, self._digest(WEIGHTS))
        return self.folder / WEIGHTS

    @cached_property
    def evaluation(self) -> dict[str, dict]:
        """All evaluations by name: `numbers`, or why one is `inapplicable`, and `seconds`."""
        path = self.folder / EVALUATION
        if not path.exists():
            return {}
        found = read_json(path, dict[str, Evaluated], self._evaluate_again)
        for name, content in found.items():
            if "digest" in content and content["digest"] != evaluation_digest(content):
                raise AibError(f"{path}: {name} is not what was found; {self._evaluate_again}")
            if self.packed:
                continue
            part = self.folder / PARTS / f"{name}.json"
            if read_json(part, remedy=self._evaluate_again) != content:
                raise AibError(f"{path}: is not what {part} holds; {self._evaluate_again}")
        return found

    def numbers(self, name: str) -> dict | None:
        """What an evaluation found; None where it says nothing of this run, or was not made."""
        return self.evaluation.get(name, {}).get("numbers")

    def evaluation_arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of an evaluation; empty where it has none."""
        file = f"{PARTS}/{name}.npz"
        path = self.folder / file
        content = path.read_bytes() if path.exists() else b""
        digest = self.evaluation.get(name, {}).get("arrays")
        if digest and not self.packed and sha256(content).hexdigest() != digest:
            raise AibError(f"{path}: damaged (not what was evaluated); {self._evaluate_again}")
        return self._arrays(file, content, self._evaluate_again)

    def is_held(self, name: str) -> bool:
        """Must the file have the bytes that training wrote?"""
        return name in self.result["files"] and not (self.packed and name not in (SPEC, METRICS))

    def check_seal(self) -> None:
        """Hash all of the run's files; `AibError` names one that training did not write."""
        for name in self.result["files"]:
            if self.is_held(name):
                self._check(name, self._digest(name))

    @property
    def is_whole(self) -> bool:
        """Are all its files what training wrote? Hashes them."""
        try:
            self.check_seal()
        except AibError:
            return False
        return True

    @property
    def _evaluate_again(self) -> str:
        return f"delete it and run: aib evaluate {self.folder}"

    def _digest(self, name: str) -> str | None:
        path = self.folder / name
        return file_sha256(path) if path.exists() else None

    def _sealed(self, name: str) -> bytes:
        """The content of a file that training wrote; empty where it wrote none."""
        path = self.folder / name
        content = path.read_bytes() if path.exists() else None
        if self.is_held(name):
            self._check(name, None if content is None else sha256(content).hexdigest())
        return content or b""

    def _check(self, name: str, digest: str | None) -> None:
        if digest != self.result["files"][name]:
            found = "missing" if digest is None else "not what training wrote"
            raise AibError(f"{self.folder / name}: {found}; {AGAIN}")

    def _arrays(self, name: str, content: bytes, remedy: str) -> dict[str, np.ndarray]:
        if not content:
            return {}
        with (
            as_written(self.folder / name, remedy),
            np.load(io.BytesIO(content), allow_pickle=False) as arrays,
        ):
            return dict(arrays)


def evaluation_digest(content: dict[str, Any]) -> str:
    """SHA-256 of what an evaluation found, all but its own digest, which a changed digit belies."""
    rest = {key: value for key, value in content.items() if key != "digest"}
    return sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def adopted_hashes(folder: Path) -> list[str]:
    """The code that stands for this run too, by a proof that it gives the same bits."""
    path = folder / ADOPTED
    if not path.exists():
        return []
    remedy = f"delete it and let `aib adopt` prove it again, or {AGAIN}"
    return [entry["code_hash"] for entry in read_json(path, list[_Adopted], remedy)]


def recorded_code(folder: Path) -> str:
    """The code that trained a finished run."""
    return read(folder).result["code_hash"]


def read_history(path: Path) -> list[dict]:
    """The lines of a metrics.jsonl; none if training has not got so far."""
    if not path.exists():
        return []
    with as_written(path, "delete the folder and run the pipeline again"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return TypeAdapter(list[dict[str, Any]]).validate_python(lines)


def read(folder: Path, packed: bool = False) -> Record:
    """Read one finished run; `packed` if it was unpacked from evidence.

    Raises `AibError` for a result.json that is damaged, of another schema, or other than its copy.
    """
    path, copy = folder / RESULT, folder / FINISHED
    remedy = "delete it and run the pipeline again"
    result = read_json(path, remedy=remedy)
    if isinstance(result, dict) and result.get("schema") != SCHEMA:
        raise AibError(
            f"{path}: record schema {result.get('schema')}, this reads {SCHEMA}; "
            "delete the folder and run the pipeline again"
        )
    with as_written(path, remedy):
        RESULT_FORM.validate_python(result)
    if copy.exists() and copy.read_bytes() != path.read_bytes():
        raise AibError(
            f"{path}: differs from its copy {FINISHED}, so one of the two is damaged; "
            "delete both and run the pipeline again"
        )
    return Record(folder, result, packed)
