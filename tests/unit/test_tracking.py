"""The MLflow importer on made-up records and a real SQLite database."""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from records import quick_plan, write_run, write_tree

from aib import files, record
from aib.errors import AibError
from aib.params import load
from aib.provenance import import_closure
from aib.studies.plan import Plan, plan
from aib.tracking import import_study
from aib.tracking.content import _flat, times
from aib.tracking.figures import _curves
from aib.tracking.importer import CONTENT

ROOT = Path(__file__).parents[2]
REPORTS = Path("reports")


@pytest.fixture(scope="module")
def quick() -> Plan:
    return quick_plan(load(ROOT))


@pytest.fixture(scope="module")
def tree(quick, tmp_path_factory) -> Path:
    return write_tree(tmp_path_factory.mktemp("results"), quick)


@pytest.fixture(scope="module")
def imported(quick, tree, tmp_path_factory) -> tuple[Path, str]:
    """A database with the whole study, and what the import said."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
        return path, import_study(quick, tree, REPORTS)


@pytest.fixture
def database(imported, tmp_path, monkeypatch) -> Path:
    """A copy of that database with its files, in use."""
    old, new = imported[0].parent, tmp_path / "store"
    path = shutil.copytree(old, new) / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:  # its path is absolute
        moved = (str(old), str(new))
        connection.execute("UPDATE runs SET artifact_uri = replace(artifact_uri, ?, ?)", moved)
        connection.execute(
            "UPDATE experiments SET artifact_location = replace(artifact_location, ?, ?)", moved
        )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    return path


@pytest.fixture
def copied(tree, tmp_path) -> Path:
    """A copy of the results folder that a test may change."""
    return shutil.copytree(tree, tmp_path / "results")


def client_of(database: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{database}")


def runs_of(database: Path, study: str = "quick") -> dict[str, Run]:
    """All runs of a study's experiment, by name."""
    client = client_of(database)
    found = client.search_runs([client.get_experiment_by_name(study).experiment_id])
    return {run.info.run_name: run for run in found}


def change_result(folder: Path, **changes) -> None:
    path = folder / files.RESULT
    files.write_json(path, files.read_json(path) | changes)


# ---------------------------------------------------------------- what an import makes


def test_a_run_a_record_in_an_experiment_a_study(imported, quick):
    path, said = imported
    assert said == (
        f"{path}: experiment quick, 48 runs (48 new, 0 replaced, 0 removed, 0 unchanged)"
    )
    runs = runs_of(path)
    assert len(runs) == len(quick.runs) == 48
    assert {"vgg seed 0", "vgg-aib-qt [anchors=5] seed 2", "vgg-aib [beta=0] seed 1"} < set(runs)
    experiment = client_of(path).get_experiment_by_name("quick")
    note = experiment.tags["mlflow.note.content"]
    assert note.startswith(quick.study.title)
    assert "`reports/quick/index.html`" in note.splitlines()[0]
    assert f"(#/experiments/{experiment.experiment_id}/runs" in note
    assert quick.study.hypothesis in note


def test_tags_say_what_a_run_is(imported, quick, tree):
    run = runs_of(imported[0])["vgg-aib-qt seed 1"]
    spec = quick.cell("cluttered-digits", "vgg-aib-qt").runs[1]
    result = tree / "runs" / spec.folder / files.RESULT
    expected = {
        "aib.arm": "vgg-aib-qt",
        "aib.arms": "vgg-aib-qt, vgg-aib-qt [anchors=20]",
        "aib.seed": "1",
        "aib.dataset": "cluttered-digits",
        "aib.model": "vgg-aib-qt",
        "aib.protocol": "stated-quick",
        "aib.scale": "quick",
        "aib.run_key": spec.key,
        "aib.code_hash": "c0ffee123456",
        "aib.data_digest": "sha256:" + "d1" * 32,
        "aib.folder": spec.folder.as_posix(),
        "aib.record": files.file_sha256(result),
        "mlflow.source.git.commit": "a" * 40,
    }
    assert {name: run.data.tags[name] for name in expected} == expected


def test_parameters_are_the_resolved_spec(imported, quick):
    params = runs_of(imported[0])["vgg-aib [beta=0.1] seed 0"].data.params
    assert params["arm"] == "vgg-aib [beta=0.1]"
    assert params["objective.beta"] == "0.1"
    assert params["model.attention"] == "continuous"
    assert params["model.anchors"] == "null"
    assert json.loads(params["network.blocks"]) == [
        block.model_dump() for block in quick.runs[0].network.blocks
    ]


def test_long_values_are_cut():
    assert len(_flat({"a": {"b": "x" * 9000}})["a.b"]) == 6000


def test_metrics_are_the_history_by_epoch_and_the_final_figures(imported, quick, tree):
    run = runs_of(imported[0])["vgg-aib seed 3"]
    kept = record.read(tree / "runs" / quick.cell("cluttered-digits", "vgg-aib").runs[3].folder)
    client = client_of(imported[0])
    names = {"accuracy_test": "test_accuracy", "rate_train": "rate", "loss_train": "loss"}
    names = {f"by_epoch/{name}": key for name, key in names.items()}
    for name, key in (names | {"training/learning_rate": "learning_rate"}).items():
        points = client.get_metric_history(run.info.run_id, name)
        assert [point.step for point in points] == [1, 2, 3, 4]
        assert [point.value for point in points] == [line[key] for line in kept.history]
        since_start = [point.timestamp - run.info.start_time for point in points]
        assert since_start == [4000, 8000, 12000, 16000]
    metrics, result = run.data.metrics, kept.result
    test = result["evaluation"]["mean"]["test"]
    assert metrics["final/error_test"] == pytest.approx(100 - 100 * test["accuracy"], abs=1e-6)
    assert metrics["final/rate_test"] == test["rate"]
    assert metrics["final/relevance"] == result["information"]["relevance"]
    found = kept.numbers("localisation")["chosen"]
    assert metrics["final/auroc"] == found["auroc"]
    assert metrics["found/localisation/energy"] == found["energy"]
    assert "found/localisation/polarity" not in metrics  # a word
    sampled = result["evaluation"]["4"]["test"]["cross_entropy"]
    assert metrics["samples/4/cross_entropy_test"] == sampled
    for choice in ("best_validation", "best_test"):
        error = 100 - 100 * result["figures"][choice]["test_accuracy"]
        assert metrics[f"selection/error_test_{choice}"] == pytest.approx(error, abs=1e-6)
    assert metrics["resources/seconds"] == 20
    assert metrics["resources/parameters"] == result["parameters"]


def test_no_figure_is_told_twice(imported):
    for run in runs_of(imported[0]).values():
        whole = {k: v for k, v in run.data.metrics.items() if not k.startswith("by_epoch/")}
        test = {k for k, v in whole.items() if v == whole.get("final/error_test")}
        # The made-up validation split is the test split, and a number of samples changes nothing.
        assert not {k for k in test if k.startswith(("selection/last", "samples/mean"))}
        assert not {k for k in whole if k.endswith(("/as_is", "localisation/auroc"))}


def test_what_a_model_has_not_is_not_drawn_at_zero(imported):
    metrics = runs_of(imported[0])["vgg seed 0"].data.metrics
    assert not [name for name in metrics if "/rate_" in name]
    assert not [name for name in metrics if name.startswith(("found/localisation", "samples"))]
    assert "final/auroc" not in metrics


def test_curves_that_are_zero_or_told_already_are_left_out():
    line = {"test_accuracy": 0.5, "rate": 3.0, "penalty": 3.0, "branch": 0.0, "seconds": 2.0}
    line |= {"codebook": 0.25, "commitment": 0.25, "dead_anchors": 0}
    names = {point.name for point in _curves([line | {"epoch": 1}, line | {"epoch": 2}])}
    by_epoch = {"by_epoch/accuracy_test", "by_epoch/rate_train"}
    assert names == by_epoch | {"training/codebook", "training/dead_anchors"}


def test_charts_begin_with_what_matters(imported):
    """In alphabetical order, as MLflow has them: see docs/mlflow.md."""
    metrics = sorted(runs_of(imported[0])["vgg-aib-qt seed 0"].data.metrics)
    sections = list(dict.fromkeys(name.rpartition("/")[0].split("/")[0] for name in metrics))
    expected = ["by_epoch", "final", "found", "resources", "samples", "selection", "training"]
    assert sections == expected
    first = [name for name in metrics if name.startswith("by_epoch/")]
    order = dict.fromkeys(name.split("/")[1].rsplit("_", 1)[0] for name in first)
    assert list(order) == ["accuracy", "cross_entropy", "loss", "rate"]


def test_the_table_of_runs_shows_what_matters(imported):
    tags = client_of(imported[0]).get_experiment_by_name("quick").tags
    assert "viewStateShareKey=results" in tags["mlflow.note.content"].splitlines()[0]
    view = json.loads(tags["mlflow.sharedViewState.results"])
    # MLflow takes it for a view that anybody saved: a name, a time, and the state as a text.
    assert (type(view["name"]), type(view["createdAt"]), type(view["state"])) == (str, int, str)
    assert json.loads(view["state"])["selectedColumns"] == [
        *("params.`arm`", "params.`seed`"),
        *("metrics.`final/error_test`", "metrics.`final/rate_test`", "metrics.`final/auroc`"),
    ]
    run = runs_of(imported[0])["vgg-aib seed 0"].data
    assert {"arm", "seed"} < set(run.params)
    assert {"final/error_test", "final/rate_test", "final/auroc"} < set(run.metrics)


def test_times_are_those_of_the_training(imported):
    info = runs_of(imported[0])["vgg seed 0"].info
    end = time.mktime(time.strptime("2026-03-01 12:00:20", "%Y-%m-%d %H:%M:%S"))
    assert (info.start_time, info.end_time) == (round(1000 * (end - 20)), round(1000 * end))


def test_a_record_without_a_log_has_the_time_of_its_result(quick, tmp_path):
    folder = write_run(tmp_path, quick.runs[0])
    (folder / files.LOG).unlink()
    os.utime(folder / files.RESULT, (1_700_000_000, 1_700_000_000))
    assert times(record.read(folder)) == (1_699_999_980_000, 1_700_000_000_000)


def test_a_diverged_run_failed_and_says_why(imported):
    runs = runs_of(imported[0])
    failed = [name for name, run in runs.items() if run.info.status == "FAILED"]
    assert failed == ["vgg-aib-qt [anchors=2] seed 2"]
    assert {run.info.status for run in runs.values()} == {"FINISHED", "FAILED"}
    assert "not finite in epoch 2" in runs[failed[0]].data.tags["mlflow.note.content"]
    assert runs[failed[0]].data.metrics["by_epoch/accuracy_test"] > 0
    assert "final/error_test" not in runs[failed[0]].data.metrics


def test_the_dataset_is_an_input_with_the_digest_of_its_manifest(imported):
    (used,) = runs_of(imported[0])["vgg seed 0"].inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("cluttered-digits", "d1" * 6)
    assert json.loads(used.dataset.source) == {"uri": "results/data/cluttered-digits"}
    with closing(sqlite3.connect(imported[0])) as connection:
        assert connection.execute("SELECT count(*) FROM datasets").fetchone() == (1,)


def test_files_lie_beside_the_database(imported):
    assert {path.name for path in imported[0].parent.iterdir()} == {"mlflow.db", "mlartifacts"}
    run = runs_of(imported[0])["vgg-aib seed 0"]
    (picture,) = client_of(imported[0]).list_artifacts(run.info.run_id)
    assert picture.path == "attention.png"
    image = Image.open(Path(run.info.artifact_uri) / picture.path)
    assert image.size == (12 * 64, 2 * 64)
    assert run.data.tags["aib.has_model"] == "no: the run has no weights"


# ---------------------------------------------------------------- importing again


def test_importing_again_writes_nothing(database, quick, tree):
    before = database.read_bytes()
    assert "(0 new, 0 replaced, 0 removed, 48 unchanged)" in import_study(quick, tree, REPORTS)
    assert database.read_bytes() == before


def test_what_changed_is_replaced(database, quick, copied):
    changed = copied / "runs" / quick.runs[0].folder
    change_result(changed, code_hash="07e500000000")
    scored = copied / "runs" / quick.cell("cluttered-digits", "vgg-aib").runs[0].folder
    (scored / record.EVALUATION).unlink()  # no part of result.json
    before = runs_of(database)
    said = import_study(quick, copied, REPORTS)
    assert "48 runs (0 new, 2 replaced, 0 removed, 46 unchanged)" in said
    after = runs_of(database)
    assert len(after) == 48
    assert after["vgg seed 0"].info.run_id != before["vgg seed 0"].info.run_id
    assert after["vgg seed 0"].data.tags["aib.code_hash"] == "07e500000000"
    assert "final/auroc" not in after["vgg-aib seed 0"].data.metrics
    gone = client_of(database).get_run(before["vgg-aib seed 0"].info.run_id)
    assert gone.info.lifecycle_stage == "deleted"
    assert not Path(gone.info.artifact_uri).exists()
    assert Path(after["vgg-aib seed 0"].info.artifact_uri, "attention.png").exists()


def test_half_an_import_is_done_again(database, quick, tree):
    client, run = client_of(database), runs_of(database)["vgg seed 0"]
    client.delete_tag(run.info.run_id, CONTENT)
    said = import_study(quick, tree, REPORTS)
    assert "48 runs (0 new, 1 replaced, 0 removed, 47 unchanged)" in said


def test_what_the_plan_no_longer_asks_for_is_removed(database, quick, tree):
    fewer = replace(quick, cells=tuple(cell for cell in quick.cells if cell.ablation is None))
    said = import_study(fewer, tree, REPORTS)
    # The arms that an ablation shared have one name fewer.
    assert "24 runs (0 new, 12 replaced, 24 removed, 12 unchanged)" in said
    assert not [name for name in runs_of(database) if "[" in name]
    assert "48 runs (24 new, 12 replaced, 0 removed, 12 unchanged)" in import_study(
        quick, tree, REPORTS
    )


def test_a_planned_run_stays_though_its_record_is_elsewhere(database, quick, copied):
    shutil.rmtree(copied / "runs" / quick.runs[0].folder)
    said = import_study(quick, copied, REPORTS)
    assert "48 runs (0 new, 0 replaced, 0 removed, 48 unchanged)" in said
    assert "vgg seed 0" in runs_of(database)


def test_foreign_runs_stay_and_a_deleted_experiment_comes_back(database, quick, tree):
    client = client_of(database)
    experiment = client.get_experiment_by_name("quick").experiment_id
    client.create_run(experiment, run_name="by hand")
    client.delete_experiment(experiment)
    assert "48 runs" in import_study(quick, tree, REPORTS)
    assert len(runs_of(database)) == 49


def test_the_command_restores_a_deleted_database(tmp_path):
    """As a person does it: in the project's folder, without any setting."""
    write_tree(tmp_path / "results", plan(load(ROOT), "cifar10-smoke"))
    (tmp_path / "params").symlink_to(ROOT / "params")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    command = [sys.executable, "-m", "aib.cli", "track", "cifar10-smoke"]

    def track_into(name: str) -> dict:
        """Import into mlflow.db and rename it; MLflow would remember the first one under a name."""
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.stderr == ""
        assert done.stdout == (
            "mlflow.db: experiment cifar10-smoke, 4 runs "
            "(4 new, 0 replaced, 0 removed, 0 unchanged)\n"
        )
        path = (tmp_path / "mlflow.db").rename(tmp_path / name)
        runs = runs_of(path, "cifar10-smoke")
        return {name: (run.data.params, run.data.metrics) for name, run in runs.items()}

    assert track_into("first.db") == track_into("second.db")


# ---------------------------------------------------------------- what can go wrong


def test_a_server_that_is_away_is_one_line(quick, tree, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{port}")
    with pytest.raises(AibError, match=r"refused.*unset it to use mlflow.db") as error:
        import_study(quick, tree, REPORTS)
    assert str(error.value).startswith(f"http://127.0.0.1:{port}: ")
    assert "\n" not in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("content", ["broken", "foreign", "folder"])
def test_what_is_no_database_of_mlflow_is_left_alone(quick, tree, tmp_path, monkeypatch, content):
    path = tmp_path / "mlflow.db"
    if content == "broken":
        path.write_text("no database " * 100)
    elif content == "foreign":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE recipes (name TEXT)")
    else:
        path.mkdir()
    before = path.read_bytes() if path.is_file() else None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}")
    with pytest.raises(AibError, match=r"mlflow\.db: MLflow cannot .* move it away") as error:
        import_study(quick, tree, REPORTS)
    assert "\n" not in str(error.value)
    assert (path.read_bytes() if path.is_file() else None) == before


def test_no_record_at_all_is_refused_before_any_database_is_made(quick, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with pytest.raises(AibError, match="48 of the 48 runs"):
        import_study(quick, tmp_path, REPORTS)
    assert not (tmp_path / "mlflow.db").exists()


def test_only_the_command_line_reaches_mlflow():
    files = (ROOT / "aib").rglob("*.py")
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    others = {name for name in modules if not name.startswith(("aib.cli", "aib.tracking"))}
    for module in others:
        assert "aib.tracking" not in import_closure(module.removesuffix(".__init__"))
