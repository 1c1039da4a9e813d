"""After the runs: what was estimated without any of them, beside what they took."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from aib.params.devices import Device
from aib.planning.estimate import Arm, Estimator
from aib.planning.machine import Machine, recorded_machine
from aib.reading import as_written, read_json


@dataclass(frozen=True)
class Actual:
    """Finished runs on one device: seconds as estimated by pilot or operations, and as recorded."""

    device: str
    runs: int
    seconds: float
    estimated: float | None  # None: some of them cannot be estimated
    sources: tuple[str, ...]  # of the estimate
    where: str  # the actual seconds are from


def from_records(
    estimator: Estimator, arms: list[Arm], devices: dict[str, Device], sharing: int
) -> list[Actual]:
    """By device, from the records of finished runs; runs that diverged are left out."""
    runs: dict[str, list[tuple[Arm, float]]] = defaultdict(list)
    for arm in arms:
        for run in arm.finished:
            if run.has_figures:
                runs[run.cost["device"]].append((arm, run.cost["seconds"]))
    return [
        _compare(
            estimator,
            [arm for arm, _ in found],
            recorded_machine(devices, device, sharing),
            sum(seconds for _, seconds in found),
            "results/",
        )
        for device, found in runs.items()
    ]


def from_summary(
    estimator: Estimator, arms: list[Arm], devices: dict[str, Device], sharing: int, path: Path
) -> list[Actual]:
    """From the study's report, for when results/ are gone.

    Nothing where there is none, where it is of several devices, or of runs that are not declared
    any more: its seconds are those of all runs together.
    """
    if not path.exists():
        return []
    with as_written(path, "report the study again"):
        summary = read_json(path)
        found = {each["device"] for each in summary["provenance"]["environments"]}
        keys = [run["key"] for run in summary["runs"]]
        seconds = float(summary["cost"]["run_seconds"])
    by_key = {arm.key: arm for arm in arms}
    if len(found) != 1 or not set(keys) <= by_key.keys():
        return []
    machine = recorded_machine(devices, found.pop(), sharing)
    runs = [by_key[key] for key in keys]
    return [_compare(estimator, runs, machine, seconds, str(path))]


def _compare(
    estimator: Estimator, runs: list[Arm], machine: Machine, seconds: float, where: str
) -> Actual:
    """`runs` has the arm of each run."""
    timings = {arm.key: estimator.unmeasured(arm.cell, machine) for arm in runs}
    estimates = [timings[arm.key].run_seconds for arm in runs]
    estimated = None if None in estimates else sum(estimates)
    sources = tuple(sorted({found.source for found in timings.values()}))
    return Actual(machine.name, len(runs), seconds, estimated, sources, where)
