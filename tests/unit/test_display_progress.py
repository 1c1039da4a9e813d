"""How far a study is and what is left of it: made-up jobs, a made-up clock and records on disk."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from records import quick_plan, write_run, write_tree
from tiny import ROOT

from aib.display import progress as module
from aib.display.progress import Job, Progress
from aib.params import load
from aib.studies.plan import Plan, plan


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The time in seconds, as `now`."""
    made = SimpleNamespace(now=0.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    return made


@pytest.fixture(scope="module")
def study() -> Plan:
    return quick_plan(load(ROOT), seeds=2)


def start(progress: Progress, number: int, rule: str, folder: Path) -> None:
    progress.start(number, Job(rule, f"{rule} {folder}", folder))


def test_time_left_comes_from_the_runs_measured(tmp_path, clock, study):
    progress = Progress([study], {"train": 4, "evaluate": 4}, tmp_path)
    one, two, *_ = study.by_folder
    start(progress, 1, "train", one)
    start(progress, 2, "train", two)
    assert progress.left() == ""
    clock.now = 60.0
    write_run(tmp_path, study.by_folder[one])
    progress.finish(1)
    # Two wait, for 60 s each and side by side; the one that runs is as old as the one that ended.
    assert progress.left() == "about 60 s of training left"
    start(progress, 3, "evaluate", one)
    clock.now = 70.0
    progress.finish(3)
    assert progress.left() == "about 75 s left"  # and three evaluations of 10 s
    progress.fail(2, Job("train", "unknown"))  # nor is it evaluated
    assert progress.left() == "about 70 s left"


def test_of_all_runs_those_count_that_stay_as_they_are(tmp_path, study):
    write_tree(tmp_path, study)
    runs, (one, *_) = len(study.by_folder), study.by_folder
    for to_do, done in ((1, runs - 1), (runs, 0)):  # all of them by changed code
        progress = Progress([study], {"train": to_do}, tmp_path)
        start(progress, 1, "train", one)
        assert (progress.done("train"), progress.total("train")) == (done, runs)
        progress.finish(1)
        assert progress.done("train") == done + 1


def test_the_plan_is_the_one_whose_runs_are_made(tmp_path, study):
    other = plan(load(ROOT), "cifar10-smoke")
    progress = Progress([study, other], {"train": 1}, tmp_path)
    start(progress, 1, "train", next(iter(other.by_folder)))
    assert (progress.plan, progress.total("train")) == (other, len(other.runs))


def test_what_is_said_of_a_run_is_what_its_files_say(tmp_path, study):
    progress = Progress([study], {"train": 1}, tmp_path)
    one, *_ = study.by_folder
    start(progress, 1, "train", one)
    assert progress.lines[one].now.state == "waiting"
    write_run(tmp_path, study.by_folder[one])
    progress.finish(1)
    assert progress.lines[one].now.error == pytest.approx(0.084, abs=0.03)
    assert progress.finish(7) is None  # a job that nobody told of
