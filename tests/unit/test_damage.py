"""A flipped digit or byte is noticed by whatever reads it, and what a user gets is one line."""

import json
import sys

import numpy as np
import pytest
from evaluations import ENTRIES
from records import quick_plan, write_run

from aib import cli, files, params
from aib.data.prepared import MANIFEST
from aib.data.preparing import prepare
from aib.data.verifying import verified
from aib.errors import AibError
from aib.evaluation.evaluate import _Part
from aib.launch import _finished
from aib.record import EVALUATION, PARTS, evaluation_digest, read
from aib.reporting.collect import collect
from aib.status import show, standing

DATASET = "cluttered-digits"


@pytest.fixture(scope="module")
def quick():
    return quick_plan(params.load(cli.Path(__file__).parents[2]))


@pytest.fixture
def folder(quick, tmp_path):
    """The record of a run with maps."""
    run = quick.cell(DATASET, "vgg-aib-qt").runs[0]
    folder = write_run(tmp_path / "results", run)
    (folder / files.FINISHED).write_bytes((folder / files.RESULT).read_bytes())
    return folder


def flip(path, old: bytes = b"", new: bytes = b"") -> None:
    """Replace the first `old`, or change a bit in the middle."""
    content = bytearray(path.read_bytes())
    if old:
        content = content.replace(old, new, 1)
    else:
        content[len(content) // 2] ^= 1
    assert content != path.read_bytes()
    path.write_bytes(content)


def test_a_changed_digit_of_a_result_is_told_by_its_copy(quick, folder, capsys):
    flip(folder / files.RESULT, b'"accuracy": 0.9', b'"accuracy": 0.8')
    with pytest.raises(AibError, match=r"result\.json: differs from its copy finished\.json"):
        read(folder)
    run = quick.cell(DATASET, "vgg-aib-qt").runs[0]
    assert standing(run, folder).state == "damaged"
    show(quick, folder.parents[4])  # and the others are told of
    assert f"{len(quick.runs) - 1} waiting, 1 damaged" in capsys.readouterr().out


def test_a_result_of_another_form_is_one_line(folder):
    for name in (files.RESULT, files.FINISHED):
        flip(folder / name, b'"scored"', b'"sccred"')
    with pytest.raises(AibError, match=r"result\.json: damaged \(.*scored: Field required"):
        read(folder)


@pytest.mark.parametrize(
    ("name", "of"),
    [
        (files.SPEC, "spec"),
        (files.METRICS, "history"),
        (files.PREDICTIONS, "predictions"),
        (files.ATTENTION, "attention"),
    ],
)
def test_a_file_of_a_run_is_held_against_its_hash_whenever_it_is_read(folder, name, of):
    assert getattr(read(folder), of)
    flip(folder / name)
    with pytest.raises(AibError, match=f"{name}: not what training wrote"):
        getattr(read(folder), of)
    (folder / name).unlink()
    with pytest.raises(AibError, match=f"{name}: missing"):
        getattr(read(folder), of)


@pytest.mark.parametrize("name", [EVALUATION, f"{PARTS}/calibration.json"])
def test_evaluations_are_held_against_the_files_of_their_parts(folder, name):
    assert read(folder).numbers("calibration")
    flip(folder / name, b'"brier": 0.1', b'"brier": 0.2')
    with pytest.raises(AibError, match=r"evaluation\.json: is not what .*calibration\.json holds"):
        read(folder).numbers("calibration")


def test_arrays_of_an_evaluation_are_held_against_their_hash(folder):
    files.write_arrays(folder / PARTS / "sanity.npz", untrained=np.zeros(3))
    with pytest.raises(AibError, match=r"sanity\.npz: damaged \(not what was evaluated\)"):
        read(folder).evaluation_arrays("sanity")


def test_a_changed_digit_of_a_part_is_not_taken_over(folder):
    part = _Part(folder / PARTS, "calibration", ENTRIES["calibration"], {})
    content = {"identity": part.identity, "numbers": {"brier": 0.1}}
    files.write_json(part.path, content | {"digest": evaluation_digest(content)})
    assert part.known()["numbers"] == {"brier": 0.1}
    flip(part.path, b"0.1", b"0.2")
    with pytest.raises(AibError, match=r"calibration\.json: damaged"):
        part.known()


def test_deleting_the_result_of_a_damaged_run_trains_it_again(folder):
    origin = {"code_hash": read(folder).result["code_hash"]}
    (folder / files.RESULT).unlink()
    assert _finished(folder, origin)["status"] == "completed"  # its copy brought it back
    flip(folder / files.METRICS)
    (folder / files.RESULT).unlink()
    assert _finished(folder, origin) is None
    assert not (folder / files.FINISHED).exists()


def test_prepared_data_are_hashed_before_a_report_reads_them(quick, folder):
    data = folder.parents[4] / "data" / DATASET
    counts = {"train": 20, "validation": 10, "test": 10}
    entry = params.load(cli.Path(__file__).parents[2]).datasets[DATASET].model_copy(update=counts)
    prepare(DATASET, entry, data, data)
    digest = json.loads((data / MANIFEST).read_text())["digest"]
    for name in (files.RESULT, files.FINISHED):
        content = files.read_json(folder / name)
        files.write_json(folder / name, content | {"data_digest": digest})
    assert "images" in collect(quick, folder.parents[4], allow_missing=True).prepared[DATASET]
    labels = np.load(data / "test_labels.npy")
    labels[0] += 1
    np.save(data / "test_labels.npy", labels)
    verified.cache_clear()
    with pytest.raises(AibError, match=f"{DATASET}: expected content {digest}"):
        collect(quick, folder.parents[4], allow_missing=True)


# ---------------------------------------------------------------- one line


def line_of(monkeypatch, capsys, *command: str) -> str:
    """What a command that must fail says."""
    monkeypatch.setattr(sys, "argv", ["aib", *command])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert isinstance(caught.value.code, str)
    assert "\n" not in caught.value.code
    return caught.value.code


@pytest.mark.parametrize(
    "command", ["accept", "compare", "verify", "keep", "restore", "report", "evidence", "status"]
)
@pytest.mark.parametrize("name", ["../../x", "/etc", "a\x1b[31mb", "a\nb", ""])
def test_what_becomes_a_path_is_a_name(monkeypatch, capsys, tmp_path, command, name):
    monkeypatch.chdir(tmp_path)
    said = line_of(monkeypatch, capsys, command, name, *["data"] * (command == "keep"))
    any_path = command in ("compare", "verify")  # these take other things than studies, too
    assert said.startswith("error: " if any_path else "error: name: String should match")
    assert "\x1b" not in said
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "runs/log.txt"), "runs/log.txt: the disk is full"),
        (OSError(30, "Read-only file system", "runs"), "runs: Read-only file system; "),
        (OSError(21, "Is a directory", "x.yaml"), "x.yaml: Is a directory; something else"),
        (AibError("http://me:s3cret@host/\x1b[31m"), "error: http://host/\\x1b[31m"),
    ],
)
def test_what_a_user_can_act_on_is_one_line(monkeypatch, capsys, error, said):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert said in line_of(monkeypatch, capsys)


def test_the_state_of_a_run_is_no_markup(quick, tmp_path, capsys):
    folder = tmp_path / "runs" / quick.runs[0].folder
    folder.mkdir(parents=True)
    (folder / files.FAILURE).write_bytes(b"[/red] and \x1b[31m and \xff")
    show(quick, tmp_path)
    said = capsys.readouterr().out
    assert "1 failed" in said
    assert "[/red]" in said
    assert "\x1b" not in said
