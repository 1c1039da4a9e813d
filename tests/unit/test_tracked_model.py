"""The models that MLflow loads, from a local database before and after the project moves."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from networks import add_network, network_of, small_data
from records import quick_plan, write_run

from aib import files
from aib.errors import AibError
from aib.params import load
from aib.tracked_model import TrackedModel
from aib.tracking import import_study

ROOT = Path(__file__).parents[2]
# In the project's folder, without any setting: what a person would type.
LOAD = """
import json, sys, mlflow, numpy as np
for run in mlflow.search_runs(experiment_names=["quick"], output_format="list"):
    model = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/model")
    seen = model.predict(np.load(sys.argv[1]))
    print(json.dumps([run.info.run_name, {k: v.tolist() for k, v in seen.items()}]))
"""
TRACK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_tracked_model import two_runs
from aib.tracking import import_study
print(import_study(two_runs(), Path("results"), Path("reports")))
"""


def two_runs():
    """The first seed of an arm without a map, and of one with."""
    quick = quick_plan(load(ROOT))
    cells = [quick.cell("cluttered-digits", arm) for arm in ("vgg", "vgg-aib-qt")]
    cells = tuple(replace(cell, runs=cell.runs[:1]) for cell in cells)
    return replace(quick, cells=cells, questions=())


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project's folder with two records that have weights."""
    project = tmp_path_factory.mktemp("project")
    digest = small_data(project / "results", load(ROOT)).digest
    for run in two_runs().runs:
        add_network(write_run(project / "results", run), run, digest)
    return project


@pytest.fixture(scope="module")
def tracked(made) -> dict[str, Run]:
    """The two runs by name, in a database of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{made}/mlflow.db")
        return track(made / "results")


def python(folder: Path, code: str, *arguments: object) -> str:
    """Run code as in a shell of that folder; what it printed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def track(results: Path, **options) -> dict[str, Run]:
    """Import; the two runs by name."""
    import_study(two_runs(), results, Path("reports"), **options)
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    found = client.search_runs([client.get_experiment_by_name("quick").experiment_id])
    return {run.info.run_name: run for run in found}


def by_hand(run, images: np.ndarray, manifest: dict) -> tuple[np.ndarray, torch.Tensor | None]:
    """Probabilities and map of images (N, S, S, 3), by no code of the package's but the network."""
    pixels = torch.tensor(images).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(manifest[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        seen = network_of(run)(((pixels - mean) / std).float(), 0)
    attention = None if seen.attention is None else seen.attention.mean.squeeze(1)
    return seen.logits[0].softmax(dim=1).numpy(), attention


def test_a_model_predicts_images_also_after_the_project_moved(made, tmp_path):
    project = shutil.copytree(made, tmp_path / "here")
    data = project / "results/data/cluttered-digits"
    images = np.load(data / "test_images.npy").transpose(0, 2, 3, 1)
    np.save(tmp_path / "images.npy", images)
    said = python(project, TRACK, ROOT / "tests/unit")
    assert "2 runs (2 new" in said
    moved = project.rename(tmp_path / "elsewhere")
    lines = python(moved, LOAD, tmp_path / "images.npy").splitlines()
    seen = dict(map(json.loads, lines))
    assert seen.keys() == {"vgg seed 0", "vgg-aib-qt seed 0"}
    manifest = json.loads((moved / "results/data/cluttered-digits/manifest.json").read_text())
    for run in two_runs().runs:
        found = seen[f"{run.names.model} seed 0"]
        probabilities, attention = by_hand(run, images, manifest)
        assert np.allclose(found["probabilities"], probabilities, atol=1e-5)
        likeliest = probabilities.argmax(axis=1)
        assert found["predicted"] == [run.dataset.classes[index] for index in likeliest]
        assert ("attention" in found) == (attention is not None)
    assert np.allclose(found["attention"], attention, atol=1e-5)
    # The database of a project that moved goes on, and knows that nothing has changed.
    assert "2 runs (0 new, 0 replaced, 0 removed, 2 unchanged)" in python(
        moved, TRACK, ROOT / "tests/unit"
    )


def test_weights_are_no_second_copy(made, tracked):
    run = tracked["vgg-aib-qt seed 0"]
    assert run.data.tags["aib.has_model"] == "yes"
    model = Path(run.info.artifact_uri, "model")
    names = {"MLmodel", "network.json", "weights.safetensors"}
    assert {path.name for path in model.iterdir()} == names
    record = made / "results/runs" / run.data.tags["aib.folder"]
    assert (model / files.WEIGHTS).samefile(record / files.WEIGHTS)


def test_images_of_another_shape_or_type_are_refused(tracked):
    model = mlflow.pyfunc.load_model(f"{tracked['vgg-aib-qt seed 0'].info.artifact_uri}/model")
    assert model.metadata.metadata["classes"] == [str(digit) for digit in range(10)]
    images = np.zeros((2, 32, 32, 3), np.uint8)
    assert model.predict(images)["probabilities"].shape == (2, 10)
    for wrong in (images.transpose(0, 3, 1, 2), images[:, :16], images.astype(np.float32)):
        with pytest.raises(mlflow.MlflowException):
            model.predict(wrong)


def test_damaged_weights_are_named(tracked, tmp_path):
    model = Path(tracked["vgg seed 0"].info.artifact_uri, "model")
    copy = shutil.copytree(model, tmp_path / "model")
    content = bytearray((copy / files.WEIGHTS).read_bytes())
    content[-1] ^= 1
    (copy / files.WEIGHTS).write_bytes(content)
    with pytest.raises(AibError, match=r"weights\.safetensors: damaged"):
        TrackedModel(copy)


def test_a_run_without_a_model_says_why(made, tmp_path, monkeypatch):
    """Left out by choice; then because the data, whose mean it needs, are not here."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    results = shutil.copytree(made / "results", tmp_path / "results")
    runs = track(results, models=False)
    assert {run.data.tags["aib.has_model"] for run in runs.values()} == {"no: left out"}
    assert not Path(runs["vgg seed 0"].info.artifact_uri, "model").exists()
    runs = track(results)
    assert {run.data.tags["aib.has_model"] for run in runs.values()} == {"yes"}
    shutil.rmtree(results / "data")
    reasons = {run.data.tags["aib.has_model"] for run in track(results).values()}
    assert reasons == {"no: mean and std of its data are not here"}
