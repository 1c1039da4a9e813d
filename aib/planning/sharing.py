"""How many trainings a GPU should take side by side: as many as fit, and as speed is worth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aib.planning.estimate import Arm
from aib.planning.machine import Machine
from aib.reading import as_written, read_json
from aib.spec.run import RunSpec

REPORT = Path("gpu-check/report.json")  # below results/
CONTEXT = 10**9  # bytes of a process beside what it allocates: CUDA, its libraries; assumed
ENOUGH = 0.95  # of the most images a second in all: what more trainings add is not worth waiting


@dataclass(frozen=True)
class Sharing:
    """None for what is not known."""

    fitting: int | None  # trainings that the card's memory holds
    worth: int | None  # the fewest that make nearly the most images a second in all
    speeds: dict[int, float] | None  # images a second in all, by trainings side by side

    @property
    def advised(self) -> int | None:
        """What `trainings_per_gpu` should be, where both are known."""
        if self.fitting is None or self.worth is None:
            return None
        return min(self.fitting, self.worth)


def advise(machine: Machine, arms: list[Arm], results: Path) -> Sharing | None:
    """For what is left of a study; None on a CPU, and when nothing is left."""
    left = [arm for arm in arms if arm.left]
    if machine.kind == "cpu" or not left:
        return None
    needed = [arm.timing.memory_bytes for arm in left]
    card, known = machine.memory_bytes, None not in needed
    fitting = int(card // (max(needed) + CONTEXT)) if card and known else None
    speeds = _measured(machine, [arm.spec for arm in left], results / REPORT)
    worth = speeds and min(k for k, each in speeds.items() if each >= ENOUGH * max(speeds.values()))
    return Sharing(fitting, worth, speeds)


def what_decides(spec: RunSpec) -> dict[str, Any]:
    """What of a run decides how much of a GPU it fills, nearly: arms of one network are alike."""
    training = spec.training
    return {
        "network": spec.network.model_dump(mode="json"),
        "batch_size": training.batch_size,
        "precision": training.precision,
    }


def _measured(machine: Machine, specs: list[RunSpec], path: Path) -> dict[int, float] | None:
    """What `make gpu-check` found for such runs on such a card, if it did."""
    if not path.exists():
        return None
    with as_written(path, "delete it, or make it again: make gpu-check"):
        checks = read_json(path, dict)["checks"]
        if not machine.has_measured(checks["device"]["figures"]["name"], None):
            return None
        asked = [what_decides(spec) for spec in specs]
        for row in checks["side-by-side"]["figures"]["rows"]:
            if all(each == row["run"] for each in asked):
                return {int(k): float(v) for k, v in row["images_per_second"].items()} or None
    return None
