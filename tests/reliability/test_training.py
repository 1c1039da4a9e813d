"""Training survives what happens to it: kills, second trainers, bad numbers, damaged files."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from tiny import edit, environment, make_project, run

from aib import files, record
from aib.errors import AibError
from aib.params import load
from aib.studies.plan import plan
from aib.training import checkpoint

EPOCHS = 20


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("project"), epochs=EPOCHS)
    run(project, "aib", "data", "prepare", "tiny-digits")
    return project


def find_run(project: Path, arm: str, seed: int = 0) -> str:
    cell = plan(load(project), "tiny").cell("tiny-digits", arm)
    return str(next(spec for spec in cell.runs if spec.seed == seed).folder)


def command(name: str, *options: str) -> list[str]:
    return ["aib", "train", name, "--device", "cpu", *options]


def folder(project: Path, name: str) -> Path:
    return project / "results/runs" / name


def forget(project: Path, name: str) -> None:
    for path in folder(project, name).glob("*"):
        path.unlink()


def outcome(project: Path, name: str) -> tuple:
    """What two runs of the same seed must share to the bit."""
    result = record.read(folder(project, name)).result
    return result["weights_sha256"], result["evaluation"], result["figures"], result["anchors"]


def history(project: Path, name: str) -> list[dict]:
    lines = record.read(folder(project, name)).history
    return [{k: v for k, v in line.items() if "second" not in k} for line in lines]


@pytest.mark.parametrize("arm", ["vgg", "vgg-aib-qt"])
def test_killed_again_and_again_ends_in_the_same_bits(project, arm):
    name = find_run(project, arm)
    run(project, *command(name))
    uninterrupted = outcome(project, name), history(project, name)
    forget(project, name)
    kills, moments = 0, random.Random(0)
    while not (folder(project, name) / files.RESULT).exists():
        process = subprocess.Popen(
            command(name, "--checkpoint-seconds", "0"),
            cwd=project,
            env=environment(project),
            stderr=subprocess.DEVNULL,
        )
        for _ in range(moments.randint(1, 8)):  # checkpoints, one a step
            wait_for_newer_checkpoint(process, folder(project, name))
        if kills < 4 and process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills == 4
    assert (outcome(project, name), history(project, name)) == uninterrupted
    assert not (folder(project, name) / files.CHECKPOINT).exists()


def wait_for_newer_checkpoint(process: subprocess.Popen, where: Path) -> None:
    path = where / files.CHECKPOINT
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None:
        try:
            if path.stat().st_mtime_ns > before:
                return
        except FileNotFoundError:
            pass
        time.sleep(0.01)


def test_sigterm_saves_a_checkpoint_and_says_so(project):
    name = find_run(project, "vgg", seed=1)
    process = subprocess.Popen(
        command(name, "--checkpoint-seconds", "0"),
        cwd=project,
        env=environment(project),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_newer_checkpoint(process, folder(project, name))
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "stopped by SIGTERM; run again to go on from here" in errors
    assert (folder(project, name) / files.CHECKPOINT).exists()
    status = run(project, "aib", "status", "tiny").stdout
    assert "stopped" in status
    assert "resumed at" in run(project, *command(name)).stderr


def test_a_second_trainer_waits_and_is_told_for_whom(project):
    name = find_run(project, "vgg-aib-qt", seed=1)
    where = folder(project, name)
    where.mkdir(parents=True)
    holding = (
        "import sys, time, pathlib; from aib.holding import exclusive\n"
        "with exclusive(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(600)"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    pipes |= {"cwd": project, "env": environment(project)}
    with subprocess.Popen(["python", "-c", holding, str(where)], **pipes) as holder:
        assert holder.stdout.readline() == "held\n"
        with subprocess.Popen(command(name), **pipes) as second:
            said = second.stderr.readline()
            assert f"being trained by process {holder.pid} on" in said
            assert "running" in run(project, "aib", "status", "tiny").stdout
            holder.kill()  # the lock goes with its holder
            second.communicate()
            assert second.returncode == 0
    assert (where / files.RESULT).exists()


def test_a_copy_brings_back_only_what_is_whole(project):
    """Deleting result.json is the remedy for a damaged file, and must train the run again."""
    name = find_run(project, "vgg")
    run(project, *command(name))
    expected = outcome(project, name)
    where = folder(project, name)
    result = (where / files.RESULT).read_bytes()
    (where / files.RESULT).unlink()
    run(project, *command(name))
    assert (where / files.RESULT).read_bytes() == result
    (where / files.WEIGHTS).write_bytes(b"half")
    (where / files.RESULT).unlink()
    run(project, *command(name))
    assert (where / files.RESULT).read_bytes() != result  # its seconds are others
    assert outcome(project, name) == expected


def test_a_checkpoint_of_another_run_is_discarded_and_a_damaged_one_named(project):
    name = find_run(project, "vgg")
    expected = outcome(project, name)
    forget(project, name)
    path = folder(project, name) / files.CHECKPOINT
    checkpoint.save(path.parent, {"identity": "another/0/code/data", "state": {}})
    run(project, *command(name))
    assert outcome(project, name) == expected
    forget(project, name)
    path.write_bytes(b"half a checkpoint")
    damaged = run(project, *command(name), check=False)
    assert damaged.returncode == 1
    assert damaged.stderr.startswith("error: ")
    assert "damaged" in damaged.stderr
    assert "delete it" in damaged.stderr
    assert "Traceback" not in damaged.stderr
    assert "failed" in run(project, "aib", "status", "tiny").stdout
    path.unlink()
    run(project, *command(name))
    assert outcome(project, name) == expected


@pytest.mark.parametrize("place", [5, -1000])  # in the checksum, in the weights
def test_a_checkpoint_with_one_flipped_bit_is_refused(project, place):
    name = find_run(project, "vgg", seed=1)
    stop_early(project, name)
    path = folder(project, name) / files.CHECKPOINT
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    refused = run(project, *command(name), check=False)
    assert refused.returncode == 1
    assert f"{files.CHECKPOINT}: damaged (its checksum is another); delete it" in refused.stderr
    forget(project, name)


def stop_early(project: Path, name: str) -> None:
    forget(project, name)
    process = subprocess.Popen(
        command(name, "--checkpoint-seconds", "0"),
        cwd=project,
        env=environment(project),
        stderr=subprocess.DEVNULL,
    )
    wait_for_newer_checkpoint(process, folder(project, name))
    process.kill()
    process.wait()


def test_flipped_bytes_of_the_arrays_are_not_trained_on(tmp_path):
    project = make_project(tmp_path)
    run(project, "aib", "data", "prepare", "tiny-digits")
    path = project / "results/data/tiny-digits/train_images.npy"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    refused = run(project, *command(find_run(project, "vgg")), check=False)
    assert refused.returncode == 1
    assert "prepare it again" in refused.stderr
    assert not list(project.glob("results/runs/**/metrics.jsonl"))


def test_a_temporary_file_of_a_killed_process_is_removed_and_all_have_one_mode(project):
    name = find_run(project, "vgg")
    forget(project, name)
    leftover = folder(project, name) / ".weights.safetensors.4711"
    leftover.write_bytes(b"half")
    run(project, *command(name))
    left = {path.name for path in folder(project, name).iterdir()}
    assert leftover.name not in left
    modes = {(folder(project, name) / each).stat().st_mode & 0o777 for each in left - {files.LOCK}}
    assert len(modes) == 1


def test_the_result_seals_the_files_of_the_run(project):
    name = find_run(project, "vgg")
    kept = record.read(folder(project, name))
    assert set(kept.result["files"]) == {
        *(files.SPEC, files.METRICS, files.PREDICTIONS, files.WEIGHTS, files.LOG)
    }
    kept.check_seal()
    path = kept.folder / files.METRICS
    text = path.read_text()
    path.write_text(text + "\n")
    with pytest.raises(AibError, match=r"metrics\.jsonl: not what training wrote; delete result"):
        kept.check_seal()
    path.unlink()
    with pytest.raises(AibError, match=r"metrics\.jsonl: missing"):
        kept.check_seal()
    path.write_text(text)


def test_a_run_that_learns_nothing_is_recorded_as_collapsed(tmp_path):
    project = make_project(tmp_path)
    overrides = "{model: vgg, overrides: {optimiser.learning_rate: 1.0e-9}}"
    edit(project / "params/studies/tiny.yaml", "  vgg:\n    model: vgg\n", f"  vgg: {overrides}\n")
    run(project, "aib", "data", "prepare", "tiny-digits")
    name = find_run(project, "vgg")
    assert "collapsed: train accuracy" in run(project, *command(name)).stderr
    kept = record.read(folder(project, name))
    assert kept.status == "collapsed"
    assert kept.has_figures
    assert "no better than" in kept.result["reason"]
    assert "collapsed" in run(project, "aib", "status", "tiny").stdout


def test_without_a_validation_split_all_of_train_is_trained_on(tmp_path):
    project = make_project(tmp_path)
    overrides = "{model: vgg, overrides: {training.validation: none}}"
    edit(project / "params/studies/tiny.yaml", "  vgg:\n    model: vgg\n", f"  vgg: {overrides}\n")
    run(project, "aib", "data", "prepare", "tiny-digits")
    name = find_run(project, "vgg")
    run(project, *command(name))
    kept = record.read(folder(project, name))
    assert kept.result["figures"]["best_validation"] is None
    assert set(kept.result["evaluation"]["mean"]) == {"test"}
    line = kept.history[0]
    assert not [key for key in line if key.startswith("validation")]
    seen = line["images_per_second"] * line["seconds"]
    assert round(seen) == 200 + 60


def test_a_run_scored_on_validation_never_looks_at_test(tmp_path):
    project = make_project(tmp_path)
    overrides = "{model: vgg, overrides: {evaluation.split: validation}}"
    edit(project / "params/studies/tiny.yaml", "  vgg:\n    model: vgg\n", f"  vgg: {overrides}\n")
    run(project, "aib", "data", "prepare", "tiny-digits")
    name = find_run(project, "vgg")
    run(project, *command(name))
    kept = record.read(folder(project, name))
    assert kept.result["scored"] == "validation"
    assert kept.result["figures"]["best_test"] is None
    assert len(kept.predictions["labels"]) == 60
    assert "test" not in json.dumps(kept.history)


def test_a_finished_run_is_left_alone(project):
    name = find_run(project, "vgg")
    path = folder(project, name) / files.RESULT
    before = path.stat().st_mtime_ns
    run(project, *command(name))
    assert path.stat().st_mtime_ns == before


def test_an_infinite_loss_ends_in_a_record_that_says_so(tmp_path):
    project = make_project(tmp_path)
    study = project / "params/studies/tiny.yaml"
    overrides = "{model: vgg, overrides: {optimiser.learning_rate: 1.0e+18}}"
    edit(study, "  vgg:\n    model: vgg\n", f"  vgg: {overrides}\n")
    run(project, "aib", "data", "prepare", "tiny-digits")
    name = find_run(project, "vgg")
    run(project, *command(name))  # exit status 0: the study goes on
    result = json.loads((folder(project, name) / files.RESULT).read_text())
    assert result["status"] == "diverged"
    assert result["epoch"] == 1
    assert 1 < result["step"] <= 4
    assert "diverged" in run(project, "aib", "status", "tiny").stdout


def test_cuda_asked_for_and_absent_is_one_line(project):
    name = find_run(project, "vgg", seed=1)
    forget(project, name)
    result = run(project, "aib", "train", name, "--device", "cuda", check=False)
    assert result.returncode == 1
    assert "device cuda was asked for, and this machine has none" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_one_line_and_keeps_what_is_finished(project):
    name = find_run(project, "vgg-aib-qt", seed=1)
    finished = outcome(project, find_run(project, "vgg"))
    forget(project, name)
    where = folder(project, name)
    code = "import resource, sys; from aib.cli import main; sys.argv[0] = 'aib'; main()"
    if Path("/dev/full").exists():  # a device that is always full, in the log's place
        (where / files.LOG).symlink_to("/dev/full")
        options = command(name)[1:]
        result = run(project, "python", "-c", code, *options, check=False)
        assert result.returncode == 1
        assert "the disk is full" in result.stderr
        assert "Traceback" not in result.stderr
        (where / files.LOG).unlink()
    assert outcome(project, find_run(project, "vgg")) == finished
    assert not (where / files.RESULT).exists()
    run(project, *command(name))


def test_bf16_trains_and_is_recorded(tmp_path):
    """The GPU's usual precision, by the same lines on a CPU."""
    project = make_project(tmp_path)
    study = project / "params/studies/tiny.yaml"
    content = yaml.safe_load(study.read_text())
    content["arms"]["vgg-aib-qt"]["overrides"] = {"training.precision": "bf16"}
    study.write_text(yaml.safe_dump(content))
    run(project, "aib", "data", "prepare", "tiny-digits")
    name = find_run(project, "vgg-aib-qt")
    run(project, *command(name))
    result = record.read(folder(project, name)).result
    assert result["status"] != "diverged"
    assert result["cost"]["precision"] == "bf16"


def test_a_result_that_snakemake_deleted_comes_back(project):
    name = find_run(project, "vgg")
    run(project, *command(name))
    path = folder(project, name) / files.RESULT
    before = path.read_bytes()
    path.unlink()
    assert "epoch 1/" not in run(project, *command(name)).stderr
    assert path.read_bytes() == before


def test_data_prepared_otherwise_is_refused(tmp_path):
    project = make_project(tmp_path)
    run(project, "aib", "data", "prepare", "tiny-digits")
    datasets = project / "params/datasets.yaml"
    datasets.write_text(datasets.read_text().replace("train: 200", "train: 220"))
    refused = run(project, *command(find_run(project, "vgg")), check=False)
    assert refused.returncode == 1
    assert "prepared with other parameters; run: aib data prepare tiny-digits" in refused.stderr


def test_other_code_than_the_workflow_saw_is_refused(project):
    name = find_run(project, "vgg", seed=1)
    refused = run(project, *command(name, "--code", "000000000000"), check=False)
    assert refused.returncode == 1
    assert "the code changed while the study ran" in refused.stderr


@pytest.mark.parametrize("select", ["best_validation", "best_test"])
def test_the_weights_that_the_protocol_selects_are_kept(tmp_path, select):
    project = make_project(tmp_path, epochs=6)
    study = project / "params/studies/tiny.yaml"
    overrides = f"{{evaluation.select: {select}, evaluation.every: 4}}"
    edit(study, "  vgg:\n    model: vgg\n", f"  vgg: {{model: vgg, overrides: {overrides}}}\n")
    run(project, "aib", "data", "prepare", "tiny-digits")
    name = find_run(project, "vgg")
    run(project, *command(name))
    found = record.read(folder(project, name))
    chosen, kept = found.result["figures"][select], found.result["evaluation"]["mean"]["test"]
    assert found.result["selected"] == select
    assert kept["accuracy"] == chosen["test_accuracy"]
    assert kept["cross_entropy"] == pytest.approx(chosen["test_cross_entropy"])
    which = select.removeprefix("best_")
    evaluated = [line for line in found.history if f"{which}_accuracy" in line]
    assert [line["epoch"] for line in evaluated] == [4, 6]  # every 4th, and the last
    best = max(line[f"{which}_accuracy"] for line in evaluated)
    assert found.history[chosen["epoch"] - 1][f"{which}_accuracy"] == best
