"""How long does MLflow take to get and to know again 1,000 runs, in a file and on a server?

    python benchmarks/tracking.py [RUNS]

Writes made-up records with the epochs and the networks of scale `quick` into a temporary folder and
imports them twice, the second time for nothing: into a local database, and into a real server
(PostgreSQL, artifacts through the server) on this machine, which shares its processor. Each line
gives seconds of wall time, and of them how many were the importer's own on the processor.
"""

import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import records  # noqa: E402
from networks import add_network, small_data  # noqa: E402
from servers import mlflow_server  # noqa: E402

from aib.params import load  # noqa: E402
from aib.studies.plan import Plan  # noqa: E402
from aib.tracking import import_study  # noqa: E402


def made_up(results: Path, runs: int) -> Plan:
    """Records of so many runs of study `quick`, with weights."""
    parameters = load(ROOT)
    records.EPOCHS = parameters.scales["quick"].epochs
    plan = records.quick_plan(parameters, seeds=runs // 8)  # it has eight different arms
    digest = small_data(results, parameters).digest
    for run in plan.runs:
        add_network(records.write_run(results, run), run, digest)
    return plan


@contextmanager
def timed(what: str):
    """Print what a block took, in seconds."""
    wall, own = time.perf_counter(), time.process_time()
    yield
    wall, own = time.perf_counter() - wall, time.process_time() - own
    print(f"{what}: {wall:.1f} s, {own:.1f} s of them the importer's", flush=True)


def measure(where: str, uri: str, plan: Plan, results: Path) -> None:
    """Two imports into one store."""
    os.environ["MLFLOW_TRACKING_URI"] = uri
    for again in ("", ", again"):
        with timed(f"{where}, {len(plan.runs)} runs{again}"):
            import_study(plan, results, Path("reports"))


def main(runs: int) -> None:
    """Print a line for each import."""
    print(f"load of this machine before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results")
        plan = made_up(results, runs)
        measure("local", f"sqlite:///{folder}/mlflow.db", plan, results)
        with mlflow_server(workers=2) as address:
            measure("server", address, plan, results)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
