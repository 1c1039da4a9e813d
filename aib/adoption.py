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
from aib.record import adopted_hashes, read
from aib.studies.plan import Plan

# Time and place of a run; all else of two runs of the same bits is the same.
OF_THE_MOMENT = ("cost", "code_hash", "files")
SAME_BYTES = (files.WEIGHTS, files.PREDICTIONS, files.ATTENTION)


def adopt(plan: Plan, results: Path, count: int, seed: int | None, device: str) -> str:
    """Train `count` finished runs of the study again; if all bits agree, enter the code's hash.

    Raises `AibError` with the first difference; nothing is entered then.
    """
    code = code_hash(TRAINING)
    folders = {run: results / "runs" / run.folder for run in plan.runs}
    finished = {run: read(f) for run, f in folders.items() if (f / files.RESULT).exists()}
    others = [run for run, record in finished.items() if code not in record.code_hashes]
    if not others:
        return f"study {plan.name}: no finished run is of other code than {code}; nothing to adopt"
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    drawn = random.Random(seed).sample(others, min(count, len(others)))
    for run in drawn:
        _train_again(run, finished[run], results, code, device)
    proof = {
        "code_hash": code,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "draw_seed": seed,
        "retrained": [str(run.folder) for run in drawn],
        "of": len(others),
    }
    for run in others:
        enter(folders[run], proof)
    return (
        f"study {plan.name}: {len(drawn)} of {len(others)} runs trained again (draw seed {seed}), "
        f"all identical to the bit; {code} stands beside the code that trained them"
    )


def enter(folder: Path, proof: dict[str, Any]) -> None:
    """Add a proof to a run, once."""
    path = folder / files.ADOPTED
    known = files.read_json(path) if path.exists() else []
    if proof["code_hash"] not in adopted_hashes(folder):
        files.write_json(path, [*known, proof])


def _train_again(run, record, results: Path, code: str, device: str) -> None:
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


def _refusal(run, what: str) -> str:
    return (
        f"{run.folder}: trained again, {what}; this code does not give the same bits here, and "
        "nothing was adopted (another processor or library can be the cause: see spec.json)"
    )
