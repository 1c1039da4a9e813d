"""`aib plan STUDY`, from the parameters to what is printed."""

import json
from pathlib import Path

from aib.errors import AibError
from aib.params import load
from aib.planning import actual, show
from aib.planning.estimate import Estimator, totals
from aib.planning.machine import find_machine
from aib.planning.sharing import advise
from aib.provenance import TRAINING, code_hash
from aib.studies.plan import plan


def plan_study(
    name: str,
    results: Path,
    reports: Path,
    device: str = "auto",
    gpus: int | None = None,
    cores: int | None = None,
    tflops: float | None = None,
    sharing: int = 1,
    probe: bool = False,
    as_json: bool = False,
) -> None:
    """Print what a study costs on a machine (`find_machine`), and what it can show.

    Raises `AibError` for options that do not go together, and for any mistake in params/.
    """
    parameters = load(Path.cwd())
    planned = plan(parameters, name)
    machine = find_machine(parameters.devices, device, gpus, cores, tflops, sharing)
    if probe and not machine.in_use:
        raise AibError(f"--probe takes steps on the device in use, which is not {machine.name}")
    estimator = Estimator(parameters, planned, results, reports)
    arms = estimator.arms(machine, code_hash(TRAINING), probe)
    sums = totals(arms, machine, estimator.data_bytes())
    advice = advise(machine, arms, results)
    took = actual.from_records(estimator, arms, parameters.devices, sharing)
    if not took:
        summary = reports / name / "summary.json"
        took = actual.from_summary(estimator, arms, parameters.devices, sharing, summary)
    told = show.Planned(planned, machine, arms, sums, advice, took)
    if as_json:
        print(json.dumps(show.content(told), indent=1))
        return
    show.show(told)
