"""What a study costs: each arm by its best source, and the sum of what is left to do."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

from aib import files
from aib.data.prepared import MANIFEST
from aib.params import Parameters
from aib.planning import timing
from aib.planning.machine import Machine
from aib.planning.timing import Run, Timing, network_of
from aib.reading import read_json
from aib.spec.run import RunSpec
from aib.studies.cost import data_bytes, run_bytes, split_sizes, wall_seconds, work
from aib.studies.plan import Cell, Plan


@dataclass(frozen=True)
class Arm:
    """All runs of one spec: an arm, a value of an ablation, a setting of a tuning study."""

    cell: Cell
    key: str
    seeds: tuple[int, ...]
    finished: list[Run] = field(repr=False)  # of those runs, on whatever device
    done: int  # of them by this code, so that they are not trained again
    timing: Timing
    evaluation_seconds: float | None  # of all evaluations of a run; None: never seen there
    evaluated: int
    disk_bytes: int | None  # of a finished run
    disk_counted: bool  # or as a finished run has

    @property
    def spec(self) -> RunSpec:
        """Of any of its runs."""
        return self.cell.runs[0]

    @property
    def left(self) -> int:
        """Runs still to be trained."""
        return len(self.seeds) - self.done

    def content(self) -> dict[str, Any]:
        """All of it, for JSON."""
        names = ("key", "done", "left", "evaluation_seconds", "evaluated", "disk_bytes")
        return {
            "dataset": self.cell.dataset,
            "arm": self.cell.arm,
            "runs": len(self.seeds),
            "epochs": self.spec.training.epochs,
            **{name: getattr(self, name) for name in (*names, "disk_counted")},
            **asdict(self.timing),
        }


class Estimator:
    """What is at hand of a study: its runs, its pilot, the sizes of its datasets."""

    def __init__(self, parameters: Parameters, plan: Plan, results: Path, reports: Path) -> None:
        self.plan, self.results = plan, results
        self.pilots = timing.pilot_rows(parameters, plan.name, reports)
        self.sizes = {
            name: split_sizes(parameters.datasets[name], self._manifest(name))
            for name in plan.study.datasets
        }

    def _manifest(self, dataset: str) -> dict[str, Any] | None:
        path = self.results / "data" / dataset / MANIFEST
        return read_json(path, dict) if path.exists() else None

    def unmeasured(self, cell: Cell, machine: Machine) -> Timing:
        """What is said of an arm without any run: by the pilot, else by its operations."""
        spec, sizes = cell.runs[0], self.sizes[cell.dataset]
        if sizes is None:
            name = spec.names.dataset
            basis = f"how many images '{name}' has is not known; run: aib data prepare {name}"
            return Timing(timing.UNKNOWN, basis)
        todo = work(spec, sizes)
        key, row = self.pilots.get(f"{cell.arm} on {cell.dataset}", ("", None))
        return timing.from_pilot(row, key, machine, todo) or timing.from_operations(
            spec, network_of(spec), machine, todo, sizes
        )

    def arms(self, machine: Machine, code: str, probe: bool = False) -> list[Arm]:
        """Every spec of the study once.

        Args:
            machine: what it is planned for.
            code: training's code hash; runs of other code are trained again.
            probe: take a few steps of what neither runs nor the pilot tell of.
        """
        cells: dict[str, Cell] = {}
        seeds: dict[str, dict[int, None]] = defaultdict(dict)
        for cell in self.plan.cells:
            key = cell.key
            cells.setdefault(key, cell)
            seeds[key] |= dict.fromkeys(run.seed for run in cell.runs)
        made = [
            self._arm(cell, key, tuple(seeds[key]), machine, code) for key, cell in cells.items()
        ]
        return self._probed(made, machine) if probe else made

    def _arm(
        self, cell: Cell, key: str, seeds: tuple[int, ...], machine: Machine, code: str
    ) -> Arm:
        spec, sizes = cell.runs[0], self.sizes[cell.dataset]
        finished = timing.finished(spec, key, seeds, self.results)
        current = [run for run in finished if code in run.code_hashes]
        measured = [run.evaluation_seconds for run in timing.measured(finished, machine)]
        evaluations = [seconds for seconds in measured if seconds is not None]
        disk = next((size for run in finished if (size := _disk_bytes(run.folder))), None)
        counted = disk is None
        if counted and sizes is not None:
            disk = run_bytes(spec, network_of(spec), sizes)
        return Arm(
            cell,
            key,
            seeds,
            finished,
            done=len(current),
            timing=timing.from_runs(finished, spec, machine) or self.unmeasured(cell, machine),
            evaluation_seconds=mean(evaluations) if evaluations else None,
            evaluated=sum(run.evaluation_seconds is not None for run in current),
            disk_bytes=disk,
            disk_counted=counted,
        )

    def _probed(self, arms: list[Arm], machine: Machine) -> list[Arm]:
        """With a probe of what is left to run and known by its operations at most."""
        specs = {
            arm.key: arm.spec
            for arm in arms
            if arm.left
            and arm.timing.source in (timing.OPERATIONS, timing.UNKNOWN)
            and self.sizes[arm.cell.dataset] is not None
        }
        probes = dict(timing.probes(specs, machine))

        def better(arm: Arm) -> Arm:
            sizes = self.sizes[arm.cell.dataset]
            todo = work(arm.spec, sizes)
            found = timing.from_probe(arm.spec, probes[arm.key], todo, sizes)
            return replace(arm, timing=found)

        return [better(arm) if arm.key in probes else arm for arm in arms]

    def data_bytes(self) -> int | None:
        """The prepared arrays of the study's datasets; None where a number of images is missing."""
        if None in self.sizes.values():
            return None
        specs = {cell.dataset: cell.runs[0] for cell in self.plan.cells}
        return sum(data_bytes(spec, self.sizes[name]) for name, spec in specs.items())


def _disk_bytes(folder: Path) -> int | None:
    """What a run takes on disk; None for one that came without its weights, as evidence does."""
    if not (folder / files.WEIGHTS).exists():
        return None
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Totals:
    """What is left of a study; seconds of what is known, and how many arms are not."""

    runs: int
    left: int
    epochs: int  # of the runs left
    unknown_arms: int  # with runs left and no seconds
    device_seconds: float  # of training, on as many devices as it takes
    evaluation_seconds: float  # of evaluating afterwards, as far as it was seen
    unseen_evaluations: int  # runs whose evaluation nothing tells of
    wall_seconds: float  # training and those evaluations, longest first
    jobs: int  # trainings at once
    memory_bytes: int | None  # of the largest training
    memory_at_once: int | None  # of those that share a GPU, or of all that run on cores
    disk_bytes: int | None  # of all runs, finished ones included
    data_bytes: int | None


def totals(arms: list[Arm], machine: Machine, data: int | None) -> Totals:
    """The sums, on the machine's devices: runs are scheduled whole."""
    left = [arm for arm in arms if arm.left]
    known = [arm for arm in left if arm.timing.run_seconds is not None]
    evaluated = [arm for arm in arms if arm.spec.evaluation.split == "test"]
    training = sum(arm.left * arm.timing.run_seconds for arm in known)
    evaluating = {
        arm.key: (len(arm.seeds) - arm.evaluated) * arm.evaluation_seconds
        for arm in evaluated
        if arm.evaluation_seconds is not None
    }
    jobs = [arm.timing.run_seconds for arm in known for _ in range(arm.left)]
    jobs += [
        arm.evaluation_seconds
        for arm in evaluated
        if arm.key in evaluating
        for _ in range(len(arm.seeds) - arm.evaluated)
    ]
    at_once = min(machine.slots, sum(arm.left for arm in arms))
    memory = max((arm.timing.memory_bytes or 0 for arm in left), default=0) or None
    together = min(at_once, machine.sharing) if machine.kind == "gpu" else at_once
    disk = [arm.disk_bytes and arm.disk_bytes * len(arm.seeds) for arm in arms]
    return Totals(
        runs=sum(len(arm.seeds) for arm in arms),
        left=sum(arm.left for arm in arms),
        epochs=sum(arm.left * arm.spec.training.epochs for arm in arms),
        unknown_arms=len(left) - len(known),
        device_seconds=training / machine.sharing,
        evaluation_seconds=sum(evaluating.values()) / machine.sharing,
        unseen_evaluations=sum(
            len(arm.seeds) - arm.evaluated for arm in evaluated if arm.key not in evaluating
        ),
        wall_seconds=wall_seconds(jobs, machine.slots),
        jobs=at_once,
        memory_bytes=memory,
        memory_at_once=memory and memory * together,
        disk_bytes=None if None in disk else sum(disk),
        data_bytes=data,
    )
