"""A finished run trained once more, and what of its record came out otherwise."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aib import files
from aib.launch import launch
from aib.record import OF_THE_MOMENT, Record, read
from aib.spec.run import RunSpec

SAME_BYTES = (files.WEIGHTS, files.PREDICTIONS, files.ATTENTION)


@contextmanager
def trained_again(run: RunSpec, results: Path, code: str, device: str) -> Iterator[Record]:
    """Train a run in a folder of its own, on the data in `results`; the folder goes afterwards."""
    place = Path(tempfile.mkdtemp(prefix=".again-", dir=results))
    try:
        launch(run, results, place, code, device)
        yield read(place)
    finally:
        shutil.rmtree(place)


def differences(first: Record, second: Record) -> list[str]:
    """What of two runs of one spec is not the same to the bit."""
    found = [
        f"{name} differs"
        for name in SAME_BYTES
        if first.result["files"].get(name) != second.result["files"].get(name)
    ]
    ours, theirs = (
        {k: v for k, v in each.result.items() if k not in OF_THE_MOMENT} for each in (first, second)
    )
    different = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    return found + [f"result.json differs in {', '.join(different)}"] * bool(different)
