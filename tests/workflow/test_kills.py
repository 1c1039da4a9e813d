"""Real kills of Snakemake and of DVC: one command goes on, and nothing finished is made again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tiny import contents, edit, environment, make_project, run

from aib import files
from aib.params import load
from aib.studies.plan import plan

RUNS = ("snakemake", "--cores", "2", "--rerun-incomplete", "runs", "--config", "study=tiny")
# A training that stops itself with its folder held, until it is told to go on.
STOPPING = """
import os, signal, sys
from aib import cli, launch
train = launch.train
def stop_then_train(*arguments):
    os.kill(os.getpid(), signal.SIGSTOP)
    return train(*arguments)
launch.train = stop_then_train
sys.argv = ["aib", "train", sys.argv[1]]
cli.main()
"""


@contextmanager
def started(project: Path, *command: str) -> Iterator[subprocess.Popen]:
    """A process at the head of a group, none of which is left afterwards."""
    process = subprocess.Popen(
        command,
        cwd=project,
        env=environment(project),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    """Wait until something is so, as long as the process lives."""
    while not condition():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)


def locks(project: Path) -> list[Path]:
    return list((project / ".snakemake/locks").iterdir())


def test_snakemake_killed_while_a_training_lives_on(tmp_path):
    project = make_project(tmp_path)
    run(project, "aib", "data", "prepare", "tiny-digits")
    stopped, *others = plan(load(project), "tiny").runs
    results = project / "results/runs"
    log = project / "logs/train" / f"{stopped.folder}.log"

    def waits() -> bool:
        return log.exists() and f"being trained by process {orphan.pid} on" in log.read_text()

    with started(project, sys.executable, "-c", STOPPING, str(stopped.folder)) as orphan:
        os.waitpid(orphan.pid, os.WUNTRACED)
        with started(project, *RUNS) as snakemake:
            until(waits, snakemake)
            made = [results / other.folder / files.RESULT for other in others]
            until(lambda: all(path.exists() for path in made), snakemake)
            refused = run(project, "snakemake", "--unlock", check=False)
            assert "a Snakemake is alive in this folder" in refused.stderr
            with started(project, "aib", "unlock") as unlocking:
                assert "waiting" in unlocking.stderr.readline()
                assert locks(project)
                snakemake.kill()
                assert unlocking.wait() == 0
            assert not locks(project)
            before = [path.read_bytes() for path in made]
            log.unlink()
            with started(project, *RUNS) as again:
                until(waits, again)
                orphan.send_signal(signal.SIGCONT)
                assert again.wait() == 0
            assert orphan.wait() == 0
    assert "epoch" not in log.read_text()  # the result is the orphan's
    assert [path.read_bytes() for path in made] == before
    for spec in (stopped, *others):
        assert (results / spec.folder / files.LOG).read_text().count("epoch 1/") == 1


def test_dvc_killed_with_all_its_children(finished, tmp_path):
    project = shutil.copytree(finished, tmp_path / "project")
    before = contents(project / "results/runs")
    edit(project / "params/studies/quick.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]")
    new = [spec for spec in plan(load(project), "quick").runs if spec.seed == 2]
    held = [project / "results/runs" / spec.folder / files.HOLDER for spec in new]
    with started(project, "dvc", "repro") as dvc:
        until(lambda: any(path.exists() for path in held), dvc)
        os.killpg(dvc.pid, signal.SIGKILL)
    assert locks(project)
    run(project, "dvc", "repro")
    after = contents(project / "results/runs")
    assert before.items() <= after.items()
    kept = list((project / "results/kept/quick/runs").rglob(files.RESULT))
    assert len(kept) == len(list((project / "results/runs").rglob(files.RESULT))) == 6
