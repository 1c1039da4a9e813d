"""The importer and a real MLflow server: PostgreSQL as its store, artifacts through the server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from networks import add_network, small_data
from records import quick_plan, write_run
from servers import mlflow_server, postgres_folder

from aib import files
from aib.params import load
from aib.studies.plan import Plan
from aib.tracking import import_study

ROOT = Path(__file__).parents[2]
REPORTS = Path("reports")
pytestmark = pytest.mark.skipif(postgres_folder() is None, reason="PostgreSQL is not installed")
# An import that is killed as soon as half of its runs are written, while others are on their way.
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from mlflow import MlflowClient
from test_tracking_server import plan_of
from aib.tracking import import_study
log, done = MlflowClient.log_batch, []
def log_batch(*arguments, **options):
    log(*arguments, **options)
    done.append(1)
    if len(done) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
MlflowClient.log_batch = log_batch
import_study(plan_of("killed"), Path(sys.argv[2]), Path("reports"))
"""


def plan_of(name: str) -> Plan:
    """Two arms of four seeds, under that name."""
    quick = quick_plan(load(ROOT))
    cells = [quick.cell("cluttered-digits", arm) for arm in ("vgg", "vgg-aib")]
    cells = tuple(replace(cell, runs=cell.runs[:4]) for cell in cells)
    return replace(quick, name=name, cells=cells, questions=())


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("results")
    digest = small_data(results, load(ROOT)).digest
    for run in plan_of("any").runs:
        add_network(write_run(results, run), run, digest)
    return results


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with mlflow_server() as found:
        yield found


@pytest.fixture
def client(address, monkeypatch) -> MlflowClient:
    """Of the server, which is also what the importer uses."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return MlflowClient(address)


def runs_of(client: MlflowClient, study: str) -> list[Run]:
    return client.search_runs([client.get_experiment_by_name(study).experiment_id])


def contents(client: MlflowClient, study: str) -> list[tuple]:
    """All that an experiment's runs say, but when they were written and under which number."""
    found = []
    for run in runs_of(client, study):
        curve = client.get_metric_history(run.info.run_id, "by_epoch/accuracy_test")
        points = [(point.step, point.value, point.timestamp) for point in curve]
        listed = [file.path for file in client.list_artifacts(run.info.run_id, "model")]
        inputs = [used.dataset.digest for used in run.inputs.dataset_inputs]
        info = run.info.run_name, run.info.status, run.info.start_time, run.info.end_time
        data = run.data
        found.append((info, data.params, data.metrics, data.tags, points, listed, inputs))
    return sorted(found, key=lambda each: each[0])


def test_a_server_holds_what_a_local_database_holds(client, tree, tmp_path, monkeypatch):
    eight = "8 runs (8 new, 0 replaced, 0 removed, 0 unchanged)"
    assert eight in import_study(plan_of("same"), tree, REPORTS)
    assert "8 unchanged" in import_study(plan_of("same"), tree, REPORTS)
    there = contents(client, "same")
    local = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", local)
    assert eight in import_study(plan_of("same"), tree, REPORTS)
    assert there == contents(MlflowClient(local), "same")


def test_a_model_is_uploaded_and_loads(client, tree):
    import_study(plan_of("models"), tree, REPORTS)
    (run,) = [run for run in runs_of(client, "models") if run.info.run_name == "vgg-aib seed 2"]
    assert run.info.artifact_uri.startswith("mlflow-artifacts:")
    uri = f"{run.info.artifact_uri}/model"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    try:
        model = mlflow.pyfunc.load_model(uri)
        again = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    finally:
        mlflow.set_tracking_uri(before)
    images = np.load(tree / "data/cluttered-digits/test_images.npy").transpose(0, 2, 3, 1)
    seen = model.predict(images)
    assert seen["probabilities"].shape == (len(images), 10)
    assert np.array_equal(again.predict(images)["attention"], seen["attention"])


def test_a_killed_import_goes_on_and_leaves_nothing_double(client, tree):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    command = [sys.executable, "-c", KILLED, str(ROOT / "tests/unit"), str(tree)]
    killed = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert any("aib.content" in run.data.tags for run in runs_of(client, "killed"))
    said = import_study(plan_of("killed"), tree, REPORTS)
    assert "8 runs (" in said
    assert "(8 new" not in said
    import_study(plan_of("whole"), tree, REPORTS)
    assert contents(client, "killed") == contents(client, "whole")
    assert "8 unchanged" in import_study(plan_of("killed"), tree, REPORTS)


def test_what_is_replaced_takes_its_files_along(client, tree):
    import_study(plan_of("changed"), tree, REPORTS)
    before = {run.info.run_name: run for run in runs_of(client, "changed")}
    path = tree / "runs" / plan_of("any").runs[0].folder / files.RESULT
    kept = path.read_bytes()
    files.write_json(path, files.read_json(path) | {"code_hash": "07e500000000"})
    said = import_study(plan_of("changed"), tree, REPORTS)
    path.write_bytes(kept)
    assert "8 runs (0 new, 1 replaced, 0 removed, 7 unchanged)" in said
    assert client.list_artifacts(before["vgg seed 0"].info.run_id) == []
    assert client.list_artifacts(before["vgg seed 1"].info.run_id) != []
