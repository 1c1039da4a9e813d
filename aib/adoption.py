"""Adoption: finished runs stand for other code too, once drawn ones have shown the same bits."""

import random
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aib import files
from aib.errors import AibError
from aib.launch import launch
from aib.provenance import TRAINING, code_hash
from aib.record import Record, read
from aib.spec.run import RunSpec
from aib.studies.plan import Plan

# Time and place of a run; all else of two runs of the same bits is the same.
OF_THE_MOMENT = ("cost", "code_hash", "files")
SAME_BYTES = (files.WEIGHTS, files.PREDICTIONS, files.ATTENTION)


def adopt(plan: Plan, results: Path, count: int, seed: int | None, device: str) -> str:
    """Train `count` finished runs of the study again; if all bits agree, enter the code's hash.

    Raises `AibError` with the first difference; nothing is entered then.
    """
    code = code_hash(TRAINING)
    others = [
        (run, record)
        for run in plan.runs
        if (results / "runs" / run.folder / files.RESULT).exists()
        and code not in (record := read(results / "runs" / run.folder)).code_hashes
    ]
    if not others:
        return f"study {plan.name}: no finished run is of other code than {code}; nothing to adopt"
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    drawn = random.Random(seed).sample(others, min(count, len(others)))
    for run, record in drawn:
        _train_again(run, record, results, code, device)
    proof = {
        "code_hash": code,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "draw_seed": seed,
        "retrained": [str(run.folder) for run, _ in drawn],
        "of": len(others),
    }
    for _, record in others:
        _enter(record.folder, proof)
    return (
        f"study {plan.name}: {len(drawn)} of {len(others)} runs trained again (draw seed {seed}), "
        f"all identical to the bit; {code} stands beside the code that trained them"
    )


def _enter(folder: Path, proof: dict[str, Any]) -> None:
    path = folder / files.ADOPTED
    known = files.read_json(path) if path.exists() else []
    files.write_json(path, [*known, proof])


def _train_again(run: RunSpec, record: Record, results: Path, code: str, device: str) -> None:
    place = Path(tempfile.mkdtemp(prefix=".adopting-", dir=results))
    try:
        launch(run, results, place, code, device)
        again = read(place)
        for name in SAME_BYTES:
            digests = [r.result["files"].get(name) for r in (record, again)]
            if digests[0] != digests[1]:
                raise AibError(_refusal(run, f"{name} differs"))
        ours, theirs = (
            {k: v for k, v in r.result.items() if k not in OF_THE_MOMENT} for r in (record, again)
        )
        different = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
        if different:
            raise AibError(_refusal(run, f"result.json differs in {', '.join(different)}"))
    finally:
        shutil.rmtree(place)


def _refusal(run: RunSpec, what: str) -> str:
    return (
        f"{run.folder}: trained again, {what}; this code does not give the same bits here, and "
        "nothing was adopted (another processor or library can be the cause: see spec.json)"
    )
