"""Where an arm's seconds come from, best first: finished runs, the pilot, a probe, operations."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aib import files, record
from aib.params import Parameters
from aib.planning.machine import Machine
from aib.spec.models import Model
from aib.spec.models import Network as Sizes
from aib.spec.run import RunSpec
from aib.studies.cost import Network, Work, data_bytes, memory_bytes, step_seconds
from aib.studies.pilot import pilot_plan, read_pilot

if TYPE_CHECKING:
    from aib.probe import Probe

FINISHED, PILOT, PROBE, OPERATIONS = "finished runs", "pilot", "probe", "operations"
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Timing:
    """Seconds and memory of one run, and what they rest on; None for what is not known."""

    source: str
    basis: str  # one sentence
    epoch_seconds: float | None = None  # of training steps alone
    run_seconds: float | None = None  # with what a run evaluates itself
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Run:
    """What a finished run cost; the rest of its record, which may be large, is not kept."""

    folder: Path
    has_figures: bool
    code_hashes: tuple[str, ...]
    cost: dict[str, Any]
    processor: str
    evaluation_seconds: float | None  # of all its evaluations; None where it has none


def finished(spec: RunSpec, key: str, seeds: Iterable[int], results: Path) -> list[Run]:
    """Those runs of a spec that are finished; its key takes time, so it is given."""
    folder = results / "runs" / spec.names.dataset / spec.names.model / key
    there = (folder / f"seed-{seed}" for seed in seeds)
    return [_run(record.read(each)) for each in there if (each / files.RESULT).exists()]


def _run(found: record.Record) -> Run:
    parts = found.evaluation.values()
    return Run(
        found.folder,
        found.has_figures,
        found.code_hashes,
        found.result["cost"],
        found.spec["environment"]["processor"],
        sum(part["seconds"] for part in parts) if parts else None,
    )


def measured(runs: list[Run], machine: Machine) -> list[Run]:
    """Those that were trained to their end on such a machine."""
    return [
        run
        for run in runs
        if run.has_figures and machine.has_measured(run.cost["device"], run.processor)
    ]


def from_runs(runs: list[Run], spec: RunSpec, machine: Machine) -> Timing | None:
    """The mean of finished runs; they may have run alone or beside others, records do not say."""
    costs = [run.cost for run in measured(runs, machine)]
    if not costs:
        return None
    steps = sum(cost["step_seconds"] for cost in costs) / len(costs)
    return Timing(
        FINISHED,
        f"mean of finished runs of the same spec on {machine.name}, as they were run: alone or "
        "beside others",
        epoch_seconds=steps / spec.training.epochs,
        run_seconds=sum(cost["seconds"] for cost in costs) / len(costs),
        memory_bytes=max(cost["peak_memory_bytes"] for cost in costs),
    )


def from_pilot(row: dict[str, Any] | None, key: str, machine: Machine, todo: Work) -> Timing | None:
    """What the study's pilot took, if it was of these settings on such a device.

    `row` is the arm's in pilot.json, `key` that of the pilot's run as it is declared now.
    """
    if (
        row is None
        or row["key"] != key
        or not machine.has_measured(row["device"], row.get("processor"))
    ):
        return None
    return _whole(
        PILOT,
        f"the study's pilot on {row['device']}",
        row["seconds_an_epoch"],
        todo,
        row["peak_memory_bytes"],
    )


def from_probe(spec: RunSpec, found: "Probe", todo: Work, sizes: dict[str, int]) -> Timing:
    """What a probe took; it has made-up images, so the dataset's are added to its memory."""
    return _whole(
        PROBE,
        f"20 steps on {found.device}",
        found.step_seconds * todo.steps,
        todo,
        found.memory_bytes + data_bytes(spec, sizes),
    )


def from_operations(
    spec: RunSpec, network: Network, machine: Machine, todo: Work, sizes: dict[str, int]
) -> Timing:
    """Operations over a rate. Unknown where no rate is declared for the precision."""
    precision = spec.training.precision
    rate = machine.rate(precision)
    memory = memory_bytes(spec, network, sizes)
    if rate is None:
        basis = f"no rate in {precision} is declared for {machine.name}; give --device-rate"
        return Timing(UNKNOWN, basis, memory_bytes=memory)
    seconds = step_seconds(
        todo.step_passes, network.operations, rate[0], machine.sharing, machine.least_step
    )
    basis = f"{rate[0] / 1e12:.3g} TFLOP/s in {precision} ({rate[1]})"
    if seconds == machine.least_step:
        basis = (
            f"the least time of a step, {1e3 * seconds:g} ms ({machine.entry.least_step.source})"
        )
    return _whole(OPERATIONS, basis, seconds * todo.steps, todo, memory)


def _whole(source: str, basis: str, epoch: float, todo: Work, memory: int) -> Timing:
    """A run of so many such epochs, and its evaluations by their share of the operations."""
    return Timing(source, basis, epoch, epoch * todo.epochs * (1 + todo.evaluation_share), memory)


# ---------------------------------------------------------------- networks and probes


@cache
def _network(model: Model, sizes: Sizes, classes: int, image_size: int) -> Network:
    from aib.models.description import describe  # imports torch, and is not always needed

    found = describe(model, sizes, classes, image_size)
    values = sum(prod(layer.output[1:]) for layer in found.layers)
    return Network(found.parameters, found.operations, values, prod(found.attention or (0,)))


def network_of(spec: RunSpec) -> Network:
    """What is counted of a run's network; each is described once."""
    return _network(spec.model, spec.network, len(spec.dataset.classes), spec.image_size)


def probes(specs: Mapping[str, RunSpec], machine: Machine) -> Iterator[tuple[str, "Probe"]]:
    """Probe the runs, by key; those that differ in nothing that takes time once."""
    from aib.probe import probe_all

    alike: dict[tuple, list[str]] = {}
    for key, spec in specs.items():
        alike.setdefault(_weight(spec), []).append(key)
    firsts = [specs[keys[0]] for keys in alike.values()]
    device = "cuda" if machine.kind == "gpu" else "cpu"
    found = probe_all(firsts, device, machine.sharing)
    for keys, one in zip(alike.values(), found, strict=True):
        yield from ((key, one) for key in keys)


def _weight(spec: RunSpec) -> tuple:
    """What decides how long a step takes."""
    training = spec.training
    return (
        *(spec.model, spec.network, len(spec.dataset.classes), spec.image_size),
        *(training.batch_size, training.precision, training.compile, training.second_forward),
        *(training.weight_average, spec.optimiser.name, spec.optimiser.clip_norm is None),
        *(spec.augmentation, spec.evaluation.samples, spec.dataset.image_size),
    )


def pilot_rows(parameters: Parameters, name: str, reports: Path) -> dict[str, tuple[str, dict]]:
    """By arm and dataset: the key of the pilot's run as declared now, and its row as measured."""
    path = reports / name / "pilot.json"
    if parameters.studies[name].pilot is None or not path.exists():
        return {}
    rows = read_pilot(path)
    keys = {f"{c.arm} on {c.dataset}": c.key for c in pilot_plan(parameters, name).cells}
    return {label: (keys[label], row) for label, row in rows.items() if label in keys}
