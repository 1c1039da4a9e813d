"""What is held ends with its holder: a GPU, a run's folder, a Snakemake; also without flock."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from aib import files

# Run before a command by its file system: no call of flock succeeds.
WITHOUT_FLOCK = """
import errno, fcntl, os, sys
def flock(stream, how):
    number = getattr(errno, os.environ["FLOCK"])
    raise OSError(number, os.strerror(number))
fcntl.flock = flock
"""
HOLD_GPU = """
import sys
from aib.gpus import claimed_gpu
with claimed_gpu(sys.argv[2:], int(sys.argv[1])) as gpu:
    print(gpu, flush=True)
    sys.stdin.read()
"""
HOLD_FOLDER = """
import sys, pathlib
from aib.holding import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def start(tmp_path):
    """Starts Python with a text and arguments; nothing of it is left afterwards."""
    with ExitStack() as stack:

        def begin(code: str, *arguments: str, flock: str = "", **more: str) -> subprocess.Popen:
            code = (WITHOUT_FLOCK if flock else "") + code
            pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", code, *arguments],
                env=os.environ | {"FLOCK": flock, **more},
                cwd=tmp_path,
                text=True,
                **pipes,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield begin


# ---------------------------------------------------------------- GPUs


@pytest.fixture
def gpus():
    """Names that no other process of this machine claims."""
    return [f"test-{os.getpid()}-{number}" for number in range(2)]


def test_trainings_share_gpus_as_told_and_a_killed_one_frees_its_place(start, gpus):
    holders = [start(HOLD_GPU, "2", *gpus) for _ in range(4)]
    assert sorted(each.stdout.readline().strip() for each in holders) == sorted(gpus * 2)
    waiting = start(HOLD_GPU, "2", *gpus)
    assert waiting.stderr.readline() == f"GPU {', '.join(gpus)}: taken; waiting\n"
    holders[0].send_signal(signal.SIGKILL)
    assert waiting.stdout.readline().strip() in gpus


def test_the_claim_of_a_gpu_needs_no_file_system(start, gpus, tmp_path):
    alone = {"flock": "ENOSYS", "TMPDIR": str(tmp_path)}
    first, second = (start(HOLD_GPU, "1", *gpus, **alone) for _ in range(2))
    assert {first.stdout.readline().strip(), second.stdout.readline().strip()} == set(gpus)
    assert not list(tmp_path.iterdir())


def test_jobs_of_slurm_that_number_their_own_gpus_do_not_wait_for_each_other(start, gpus):
    """With devices confined to jobs, each job's only GPU is number 0."""
    jobs = [start(HOLD_GPU, "1", gpus[0], SLURM_JOB_ID=job) for job in ("41", "42")]
    assert [each.stdout.readline().strip() for each in jobs] == [gpus[0]] * 2
    beside = start(HOLD_GPU, "1", gpus[0], SLURM_JOB_ID="41")
    assert "taken; waiting" in beside.stderr.readline()


# ---------------------------------------------------------------- the folder of a run


@pytest.mark.parametrize("flock", ["", "ENOSYS"])
def test_a_killed_holder_frees_the_folder(start, tmp_path, flock):
    first = start(HOLD_FOLDER, str(tmp_path), flock=flock)
    assert first.stdout.readline() == "held\n"
    second = start(HOLD_FOLDER, str(tmp_path), flock=flock)
    said = second.stderr.readline()
    assert said.endswith(
        f"being trained by process {first.pid} on {socket.gethostname()}; waiting for it\n"
    )
    first.send_signal(signal.SIGKILL)
    first.wait()  # or it is a zombie, which counts as alive
    assert second.stdout.readline() == "held\n"


def test_what_a_dead_node_left_is_named_and_can_be_deleted(start, tmp_path):
    """A marker of another host, where the file system has no locks; its process cannot be asked."""
    (tmp_path / files.LOCK).write_text("4711\nanother-node\n")
    files.write_json(tmp_path / files.HOLDER, {"pid": 4711, "host": "another-node"})
    waiting = start(HOLD_FOLDER, str(tmp_path), flock="ENOSYS")
    said = waiting.stderr.readline()
    assert "being trained by process 4711 on another-node" in said
    assert f"if it has died, as with its node, delete {tmp_path / files.LOCK}" in said
    (tmp_path / files.LOCK).unlink()
    assert waiting.stdout.readline() == "held\n"


def test_locks_that_are_refused_are_one_line(start, tmp_path):
    code = HOLD_FOLDER.replace("with exclusive", "from aib import cli\nwith exclusive")
    refused = start(code, str(tmp_path), flock="ENOLCK")
    _, errors = refused.communicate()
    assert f"AibError: {tmp_path / files.LOCK}: the file system gives no lock" in errors


# ---------------------------------------------------------------- a Snakemake


ANNOUNCE = "from aib.alive import announce; announce(False)"
UNLOCK = "from aib.alive import unlock; unlock()"


def test_without_locks_snakemake_runs_and_nothing_is_unlocked_blindly(start, tmp_path):
    announced = start(ANNOUNCE, flock="ENOSYS")
    assert "has no locks; run one Snakemake here" in announced.communicate()[1]
    assert announced.returncode == 0
    assert start(UNLOCK, flock="ENOSYS").wait() == 0  # nothing is locked
    left = tmp_path / ".snakemake/locks/0.input.lock"
    left.parent.mkdir()
    left.touch()
    _, errors = start(UNLOCK, flock="ENOSYS").communicate()
    assert "when none is, delete what is in .snakemake/locks" in errors
    assert left.exists()
