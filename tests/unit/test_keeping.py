"""What is kept for DVC, and what comes back from there: real files, made-up runs."""

import subprocess
import sys
from pathlib import Path

import pytest
from records import quick_plan, write_run
from tiny import ROOT, contents, environment

from aib import files, keeping
from aib.params import load
from aib.record import EVALUATION, PARTS

PARAMETERS = load(ROOT)
PLAN = quick_plan(PARAMETERS)
RUNS = PLAN.runs[:2]
CODE = "c0ffee123456"


@pytest.fixture
def results(tmp_path, monkeypatch) -> Path:
    """A results folder with two runs of a study and its data, all of them kept."""
    monkeypatch.setattr(keeping, "code_hash", lambda _: CODE)
    results = tmp_path / "results"
    for run in RUNS:
        write_run(results, run)
    write_data(results, RUNS[0].dataset.identity, b"images")
    for part in ("data", "runs"):
        keeping.keep(PLAN, results, part)
    return results


def write_data(results: Path, parameters: dict, images: bytes) -> None:
    folder = results / "data" / RUNS[0].names.dataset
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train_images.npy").write_bytes(images)
    files.write_json(folder / "manifest.json", {"parameters": parameters})


def restore(results: Path) -> str:
    return keeping.restore(PLAN, {}, results)


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_what_is_lost_comes_back_to_the_byte(results):
    before = {part: contents(results / part) for part in ("data", "runs")}
    for part in before:
        remove(results / part)
    assert "1 datasets and 2 runs put back" in restore(results)
    assert contents(results / "data") == before["data"]
    after = contents(results / "runs")
    for run in RUNS:  # as the trainer leaves it
        folder = run.folder
        assert after[f"{folder}/{files.FINISHED}"] == after[f"{folder}/{files.RESULT}"]
    made = (files.FINISHED, files.LOCK, EVALUATION)
    kept = {name: content for name, content in before["runs"].items() if EVALUATION not in name}
    assert {k: v for k, v in after.items() if Path(k).name not in made} == kept
    assert "0 datasets and 0 runs" in restore(results)


def test_what_is_changed_here_changes_nothing_there(results):
    kept = contents(results / "kept")
    for path in [p for part in ("data", "runs") for p in (results / part).rglob("*")]:
        if path.is_file():
            with path.open("ab") as stream:
                stream.write(b"more")
    assert contents(results / "kept") == kept


def test_what_stands_is_not_touched(results):
    folder = results / "runs" / RUNS[0].folder
    (folder / files.LOG).write_text("another training of the same bits\n")
    before = contents(folder)
    restore(results)
    assert contents(folder) == before


def test_other_code_and_other_parameters_give_way_only_to_what_stands(results, monkeypatch):
    first, second = (results / "runs" / run.folder for run in RUNS)
    for folder, code in ((first, "07e500000000"), (second, "07e500000001")):
        result = files.read_json(folder / files.RESULT)
        files.write_json(folder / files.RESULT, result | {"code_hash": code})
    write_data(results, {"another": "size"}, b"others")
    assert "1 datasets and 2 runs put back" in restore(results)
    assert files.read_json(first / files.RESULT)["code_hash"] == CODE
    assert (results / "data/cluttered-digits/train_images.npy").read_bytes() == b"images"
    monkeypatch.setattr(keeping, "code_hash", lambda _: "newer code")
    (second / files.RESULT).unlink()
    assert "0 runs" in restore(results)
    assert not (second / files.RESULT).exists()


def test_what_the_study_has_no_longer_is_kept_no_longer(results):
    assert len(list((results / "kept").rglob(files.RESULT))) == 2
    moved = results / "kept/quick/runs" / RUNS[1].folder
    moved.rename(moved.with_name("seed-99"))
    (results / "runs" / RUNS[0].folder / files.RESULT).unlink()  # lost here, so kept there
    part = results / "runs" / RUNS[1].folder / PARTS / "old.json"
    part.parent.mkdir(exist_ok=True)
    part.write_text("{}")
    keeping.keep(PLAN, results, "runs")
    found = {path.parent.name for path in (results / "kept").rglob(files.RESULT)}
    assert found == {RUNS[0].folder.name, RUNS[1].folder.name}
    assert (moved / PARTS / "old.json").exists()
    part.unlink()
    keeping.keep(PLAN, results, "runs")
    assert not (moved / PARTS / "old.json").exists()


def test_a_run_that_is_being_trained_is_waited_for(results):
    """Its files would else be of two trainings, whose seconds differ."""
    folder = results / "runs" / RUNS[0].folder
    kept = files.read_json(folder / files.RESULT)
    holding = (
        "import sys, pathlib; from aib import files; from aib.holding import exclusive\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "with exclusive(folder):\n"
        "    result = files.read_json(folder / files.RESULT)\n"
        "    (folder / files.RESULT).unlink()\n"
        "    print('held', flush=True)\n"
        "    input()\n"
        "    files.write_json(folder / files.RESULT, result | {'parameters': 7})\n"
    )
    command = [sys.executable, "-c", holding, str(folder)]
    restoring = (
        "import sys; from pathlib import Path; from test_keeping import *\n"
        "keeping.code_hash = lambda _: CODE\n"
        "restore(Path(sys.argv[1]))"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    tools = environment(ROOT)
    tools["PYTHONPATH"] = f"{ROOT}:{ROOT / 'tests'}:{ROOT / 'tests/unit'}"
    with subprocess.Popen(command, env=tools, text=True, **pipes) as trainer:
        assert trainer.stdout.readline() == "held\n"
        command = [sys.executable, "-c", restoring, str(results)]
        with subprocess.Popen(command, env=tools, text=True, **pipes) as other:
            assert f"by process {trainer.pid} on" in other.stderr.readline()
            trainer.communicate("\n")
            other.communicate()
            assert other.returncode == 0
    assert files.read_json(folder / files.RESULT) == kept | {"parameters": 7}
