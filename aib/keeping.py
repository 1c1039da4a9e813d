"""A second place for what a study has finished, results/kept/STUDY: all that DVC owns of results/.

DVC deletes what it owns when it checks out, runs an experiment or no longer knows an output. It
owns this folder, so nothing in results/data and results/runs is DVC's to delete. Files are copied:
DVC replaces what it owns by copies or by links of its own, and a training appends to its log.
"""

import filecmp
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Literal

from aib.data.prepared import MANIFEST
from aib.evaluation.identity import applicable, identity
from aib.evaluation.parts import Common
from aib.files import ADOPTED, FINISHED, RESULT, SEALED, read_json, write_atomically
from aib.holding import exclusive
from aib.provenance import TRAINING, code_hash
from aib.record import EVALUATION, PARTS, read
from aib.studies.plan import Plan

SEAL = {"data": MANIFEST, "runs": RESULT}  # written last: a folder counts when it is there


def kept_folder(results: Path, study: str) -> Path:
    """Where a study is kept; in it lie data/ and runs/ as in `results`."""
    return results / "kept" / study


def keep(plan: Plan, results: Path, part: Literal["data", "runs"]) -> str:
    """Keep the study's prepared data or finished runs, and no others; return a line about it."""
    if part == "data":
        folders = {Path("data", run.names.dataset) for run in plan.runs}
    else:
        folders = {Path("runs") / folder for folder in plan.by_folder}
    kept = kept_folder(results, plan.name)
    (kept / part).mkdir(parents=True, exist_ok=True)
    for seal in list((kept / part).rglob(SEAL[part])):
        if seal.parent.relative_to(kept) not in folders:
            shutil.rmtree(seal.parent)
    here = sorted(folder for folder in folders if (results / folder / SEAL[part]).exists())
    for folder in here:
        _mirror(results / folder, kept / folder)
    return f"{kept / part}: {len(here)} of {len(folders)} kept"


def restore(plan: Plan, evaluations: dict[str, Common], results: Path) -> str:
    """Put back into `results` what is kept and does not stand there; return a line about it.

    Data or a run stands when the code and parameters that are here would not make it anew. What
    is kept and does not stand is left where it is; what stands in `results` is not touched.
    """
    kept, code = kept_folder(results, plan.name), code_hash(TRAINING)
    datasets = {Path("data", run.names.dataset): run.dataset.identity for run in plan.runs}
    data = [
        folder
        for folder, parameters in datasets.items()
        if _data_stands(kept / folder, parameters)
        and not _data_stands(results / folder, parameters)
    ]
    for folder in data:
        _mirror(kept / folder, results / folder)
    count = 0
    for folder, run in plan.by_folder.items():
        source, target = kept / "runs" / folder, results / "runs" / folder
        if not _run_stands(source, code) or _run_stands(target, code):
            continue
        target.mkdir(parents=True, exist_ok=True)
        with exclusive(target):  # who is training it finishes it
            if not _run_stands(target, code):
                _mirror(source, target)
                _put(source / RESULT, target / FINISHED)
                if not _is_evaluated(source, applicable(evaluations, run.names.dataset)):
                    (target / EVALUATION).unlink(missing_ok=True)
                count += 1
    return f"study {plan.name}: {len(data)} datasets and {count} runs put back from {kept}"


def _data_stands(folder: Path, parameters: dict[str, Any]) -> bool:
    path = folder / MANIFEST
    return path.exists() and read_json(path).get("parameters") == parameters


def _run_stands(folder: Path, code: str) -> bool:
    return (folder / RESULT).exists() and code in read(folder).code_hashes


def _is_evaluated(folder: Path, entries: dict[str, Common]) -> bool:
    """Is evaluation.json what evaluating now would give? Of its parts each knows that itself."""
    found = read(folder).evaluation
    return found.keys() == entries.keys() and all(
        identity(entry).items() <= found[name]["identity"].items()
        for name, entry in entries.items()
    )


def _members(folder: Path) -> list[str]:
    """What is kept of a folder, in the order of its making: Snakemake compares times."""
    arrays = sorted(path.name for path in folder.glob("*.npy"))
    parts = sorted(f"{PARTS}/{path.name}" for path in (folder / PARTS).glob("[!.]*"))
    names = (*arrays, MANIFEST, *SEALED, *parts, ADOPTED, RESULT, EVALUATION)
    return [name for name in names if (folder / name).exists()]


def _mirror(source: Path, target: Path) -> None:
    """Give `target` the members of `source` and no others; half of it does not count."""
    names = _members(source)
    others = set(_members(target)) - set(names)
    for seal in SEAL.values():
        if seal in names and not _is_same(source / seal, target / seal):
            others.add(seal)
    for name in others:
        (target / name).unlink(missing_ok=True)
    for name in names:
        _put(source / name, target / name)


def _is_same(source: Path, target: Path) -> bool:
    return target.exists() and filecmp.cmp(source, target, shallow=False)


def _put(source: Path, target: Path) -> None:
    if not _is_same(source, target):
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, partial(shutil.copyfile, source))
