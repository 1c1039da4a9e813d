"""How long does `aib train RUN` take to know its run, with 10 and with 10,000 declared runs?

    python benchmarks/start.py

Writes params/ of a small study with so many runs into a temporary folder, plans it once as
Snakemake does, and times (median of 5) what a training does before it begins: finding its spec on
disk, beside finding it by resolving all studies, which is what it does where no spec is on disk.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from aib.params import load
from aib.studies.plan import plan
from aib.studies.specs import find_spec, write_specs

ROOT = Path(__file__).parents[1]
REPEATS = 5


def project(folder: Path, runs: int) -> None:
    """params/ with one study of so many runs, a tenth of them an arm."""
    shutil.copytree(ROOT / "params", folder / "params")
    for path in (folder / "params/studies").glob("*.yaml"):
        path.unlink()
    rates = [0.01 * (index + 1) for index in range(10)]
    study = {
        **{"title": "many", "hypothesis": "none", "datasets": ["cluttered-digits"]},
        **{"scale": "quick", "protocol": "stated-short", "margin": 1.0, "stopping_rule": "none"},
        "seeds": list(range(runs // 10)),
        "arms": {
            f"arm-{index}": {"model": "vgg", "overrides": {"optimiser.learning_rate": rate}}
            for index, rate in enumerate(rates)
        },
    }
    (folder / "params/studies/many.yaml").write_text(yaml.safe_dump(study))


def median(action: Callable[[], object]) -> float:
    """Milliseconds."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def measure(folder: Path, runs: int) -> str:
    """A line on one size."""
    project(folder, runs)
    made = plan(load(folder), "many")
    run = str(made.runs[-1].folder)
    resolved = median(lambda: find_spec(folder, folder / "results", run))
    write_specs([made], folder / "results")
    stored = median(lambda: find_spec(folder, folder / "results", run))
    return f"{runs:6,} runs: from disk {stored:6.2f} ms, by resolving {resolved:8.1f} ms"


def main() -> None:
    """Print a line for each size."""
    for runs in (10, 10_000):
        with tempfile.TemporaryDirectory() as name:
            print(measure(Path(name), runs))


if __name__ == "__main__":
    sys.exit(main())
