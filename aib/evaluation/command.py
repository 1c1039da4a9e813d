"""What `aib evaluate` does: the entries of params/evaluations.yaml for a run, or for a file."""

import json
from pathlib import Path

from rich.console import Console

from aib.errors import AibError
from aib.evaluation.evaluate import evaluate_run, load_subject, make
from aib.evaluation.identity import applicable
from aib.evaluation.parts import Common
from aib.evaluation.subject import Surroundings
from aib.gpus import one_gpu
from aib.numbers import plain
from aib.params import Parameters, load, nearest
from aib.record import EVALUATION, read
from aib.spec.run import Names
from aib.studies.resolve import resolve
from aib.training.device import prepare_device


def evaluate_folder(
    folder: Path, results: Path, what: list[str] | None, device: str, per_gpu: int = 1
) -> None:
    """Evaluate a finished run and say what each evaluation cost."""
    parameters = load(Path.cwd())
    run = read(folder)
    _chosen(parameters, what)
    with one_gpu(device, per_gpu):
        around = _around(parameters, results, device)
        found = evaluate_run(run, parameters.evaluations, around, what)
    console = Console(stderr=True)
    for name, each in found.items():
        said = each.get("inapplicable") or f"{each['seconds']:.1f} s"
        console.print(f"{name}: {said}", highlight=False)
    print(folder / EVALUATION)


def evaluate_file(
    path: Path, names: Names, results: Path, what: list[str] | None, device: str
) -> str:
    """Evaluate weights that somebody trained, without a record of how; the numbers as JSON."""
    parameters = load(Path.cwd())
    for name, table, kind in (
        (names.model, parameters.models, "model"),
        (names.dataset, parameters.datasets, "dataset"),
        (names.protocol, parameters.protocols, "protocol"),
        (names.scale, parameters.scales, "scale"),
    ):
        if name not in table:
            raise AibError(f"no {kind} '{name}'; {nearest(name, set(table))}")
    spec = resolve(parameters, names, {}, 0, "aib evaluate")
    subject = load_subject(spec, path, _around(parameters, results, device))
    found = {}
    for name, entry in applicable(_chosen(parameters, what), names.dataset).items():
        made = make(subject, entry)
        found[name] = {"inapplicable": made} if isinstance(made, str) else plain(made.numbers)
    return json.dumps(found, indent=1)


def _chosen(parameters: Parameters, what: list[str] | None) -> dict[str, Common]:
    """The entries of that name, in the order of the file."""
    entries = parameters.evaluations
    for name in what or ():
        if name not in entries:
            raise AibError(
                f"params/evaluations.yaml: no evaluation '{name}'; {nearest(name, set(entries))}"
            )
    return {name: entry for name, entry in entries.items() if not what or name in what}


def _around(parameters: Parameters, results: Path, device: str) -> Surroundings:
    return Surroundings(results / "data", parameters.label_maps, prepare_device(device, "fp32"))
