"""A run as it was handed over: its record, its spec, and what else of it is there."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from aib.data.prepared import PreparedData
from aib.record import Record
from aib.spec.run import RunSpec


@dataclass(frozen=True, eq=False)
class Given:
    """One run to be checked."""

    record: Record
    place: str  # dataset/model/key/seed-N, below runs/
    data: PreparedData | None  # what it was trained on, if that is here and sound

    @property
    def folder(self) -> Path:
        return self.record.folder

    @property
    def packed(self) -> bool:
        """Does it come from evidence, without weights and logits?"""
        return self.record.packed

    @property
    def result(self) -> dict:
        return self.record.result

    @cached_property
    def spec(self) -> RunSpec:
        """What spec.json resolves to; `AibError` where it is no spec."""
        return self.record.run_spec

    @cached_property
    def correct(self) -> np.ndarray:
        """Which scored images the run got right, (N,)."""
        kept = self.record.predictions
        return kept["predicted"] == kept["labels"]
