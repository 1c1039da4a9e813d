"""Resolved specs on disk, by key, so that a training starts without resolving any study.

    results/specs/DATASET/MODEL/KEY.json

A file is as good as its name: the key of what it holds is computed again when it is read.
"""

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from aib.errors import AibError
from aib.files import write_atomically
from aib.params import ParameterError, load, nearest
from aib.spec.run import RunSpec
from aib.studies.plan import Plan, plan_all


def write_specs(plans: Iterable[Plan], results: Path) -> None:
    """Write the spec of every cell that has no file yet; called when a study is planned."""
    for cell in (cell for made in plans for cell in made.cells):
        path = _path(cell.folders[0], results)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = cell.runs[0].model_dump_json(indent=1) + "\n"
            write_atomically(path, lambda temporary, text=text: temporary.write_text(text))


def find_spec(root: Path, results: Path, run: str) -> RunSpec:
    """The run that lies at `run`, dataset/model/key/seed-N, below results/runs.

    Takes constant time where its spec is on disk; otherwise all sound studies of root/params are
    resolved. Raises `ParameterError` with the nearest run when none has it, and with the mistakes
    of those that could not be searched.
    """
    spec = _stored(Path(run), results)
    if spec is not None:
        return spec
    plans, mistakes = plan_all(load(root))
    runs = {str(f): r for made in plans.values() for f, r in made.by_folder.items()}
    if run not in runs:
        found = [f"no study has a run '{run}'", nearest(run, set(runs)), *mistakes.values()]
        raise ParameterError("; ".join(found))
    return runs[run]


def _path(folder: Path, results: Path) -> Path:
    return results / "specs" / folder.parent.with_suffix(".json")


def _stored(run: Path, results: Path) -> RunSpec | None:
    seed = run.name.removeprefix("seed-")
    path = _path(run, results)
    if not seed.isdecimal() or not path.exists():
        return None
    try:
        spec = RunSpec.model_validate_json(path.read_text())
    except ValidationError:
        spec = None  # of another version of the code, or damaged
    if spec is None or spec.folder.parent != run.parent:
        raise AibError(f"{path}: does not hold the spec of its name; delete it and run again")
    return spec.model_copy(update={"seed": int(seed)})
