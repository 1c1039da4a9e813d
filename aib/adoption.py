"""Adoption: finished runs stand for other code too, once drawn ones have shown the same bits."""

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aib import files
from aib.errors import AibError
from aib.provenance import TRAINING, code_hash
from aib.record import read
from aib.retraining import differences, trained_again
from aib.spec.run import RunSpec
from aib.studies.plan import Plan


def adopt(plan: Plan, results: Path, count: int, seed: int | None, device: str) -> str:
    """Train `count` finished runs of the study again; if all bits agree, enter the code's hash.

    Raises `AibError` with the first difference; nothing is entered then.
    """
    code = code_hash(TRAINING)
    others = [
        (run, record)
        for folder, run in plan.by_folder.items()
        if (results / "runs" / folder / files.RESULT).exists()
        and code not in (record := read(results / "runs" / folder)).code_hashes
    ]
    if not others:
        return f"study {plan.name}: no finished run is of other code than {code}; nothing to adopt"
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    drawn = random.Random(seed).sample(others, min(count, len(others)))
    for run, record in drawn:
        with trained_again(run, results, code, device) as again:
            if found := differences(record, again):
                raise AibError(_refusal(run, found[0]))
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


def _refusal(run: RunSpec, what: str) -> str:
    return (
        f"{run.folder}: trained again, {what}; this code does not give the same bits here, and "
        "nothing was adopted (another processor or library can be the cause: see spec.json)"
    )
