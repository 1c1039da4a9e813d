"""One training process: its data verified, its folder held, its GPU claimed, its origin noted.

What happens here changes no number of a result, so it is outside of training's code hash.
"""

from contextlib import suppress
from pathlib import Path
from typing import Any

from aib import files
from aib.data.prepared import PreparedData
from aib.data.verifying import mapped, verify
from aib.data.weights import find_weights
from aib.errors import AibError
from aib.gpus import one_gpu
from aib.holding import exclusive
from aib.provenance import environment, git_state
from aib.reading import read_json
from aib.record import Record, adopted_hashes
from aib.spec.run import RunSpec
from aib.training.run import Stopped, train


def launch(
    spec: RunSpec,
    results: Path,
    folder: Path,
    code_hash: str,
    device: str = "auto",
    checkpoint_seconds: float = 60.0,
    trainings_per_gpu: int = 1,
) -> dict[str, Any]:
    """Train one run in `folder` on what `results` holds; return the content of its result.json.

    A finished run of the same spec, code and data is left alone, one that another process trains
    is waited for, and one that was stopped goes on from its checkpoint. Raises `AibError` on
    anything the user can act on.
    """
    name = spec.names.dataset
    data_folder = results / "data" / name
    data = mapped(data_folder)
    if data.manifest["parameters"] != spec.dataset.identity:
        raise AibError(f"{name}: was prepared with other parameters; run: aib data prepare {name}")
    weights = None
    if spec.model.pretrained:
        weights = find_weights(spec.model.family, results / "weights")
    origin = _origin(code_hash, data, weights)
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        finished = _finished(folder, origin)
        if finished is not None:
            return finished
        (folder / files.FAILURE).unlink(missing_ok=True)
        try:
            verify(data_folder)
            with one_gpu(device, trainings_per_gpu):
                around = {"git": git_state(Path.cwd()), "environment": environment()}
                return train(
                    spec, data, folder, origin, around, device, checkpoint_seconds, weights
                )
        except Stopped:
            raise
        except Exception as error:
            with suppress(OSError):  # as of a full disk, which is what was wrong
                (folder / files.FAILURE).write_text(f"{type(error).__name__}: {error}\n")
            raise


def _origin(code_hash: str, data: PreparedData, weights: Path | None) -> dict[str, str]:
    """What besides the spec decides a run's bits."""
    origin = {"code_hash": code_hash, "data_digest": data.digest}
    if weights is not None:
        origin["pretrained_sha256"] = files.file_sha256(weights)
    return origin


def _finished(folder: Path, origin: dict[str, str]) -> dict[str, Any] | None:
    """The result of an earlier process, if it stands for the same code and data.

    Snakemake deletes the outputs of a job that it saw interrupted, also when its orphan has
    finished since; the copy that it does not know of brings the result back, unless a file of the
    run was damaged, which deleting result.json is the remedy of.
    """
    for name in (files.RESULT, files.FINISHED):
        path = folder / name
        if not path.exists():
            continue
        result = read_json(path, dict)
        found = {key: result.get(key) for key in origin}
        if origin["code_hash"] in adopted_hashes(folder):
            found["code_hash"] = origin["code_hash"]
        if found == origin and (name == files.RESULT or Record(folder, result).is_whole):
            if name != files.RESULT:
                files.write_json(folder / files.RESULT, result)
            return result
        path.unlink()
    return None
