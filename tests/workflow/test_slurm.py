"""A whole tiny study through a real Slurm: one job cancelled, one past its time limit, no bit lost.

The cluster is this machine with two files for GPUs, private to this test: configuration, state,
socket and ports are its own, so that it neither meets a Slurm that is there nor leaves one behind.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from tiny import STUDY, environment, make_project, run

from aib import files
from aib.params import load
from aib.spec.run import RunSpec
from aib.studies.plan import plan

DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthInfo=socket={folder}/munge.socket
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SlurmdParameters=config_overrides
GresTypes=gpu
MinJobAge=3600
NodeName={host} NodeAddr=127.0.0.1 CPUs=8 RealMemory=64000 Gres=gpu:2
PartitionName=main Nodes=ALL Default=YES
PartitionName=cores Nodes=ALL
"""
SNAKEMAKE = (
    *("snakemake", "--workflow-profile", "workflow/profiles/slurm"),
    *("--slurm-init-seconds-before-status-checks", "1"),
    # There is no accounting.
    *("--slurm-status-command", "squeue", "--slurm-no-account"),
)
# In a partition of its own, for a job that waits holds up those behind it.
CORES = ("--set-resources", "train:slurm_partition=cores", "evaluate:slurm_partition=cores")
OTHER = ("runs", *CORES, "--config", "study=other", "device=cpu")
# A training waits after its first epoch until it is told to stop, as long as hold/SEED is there,
# and leaves its job's number there.
HOLDING = """

import os
import time

from aib.training import run as training

train_epoch = training.train_epoch


def hold_then_train(state, spec, loader, forward, save_if_due):
    hold = Path("hold", str(spec.seed))
    if state.epoch == 1 and hold.exists():
        hold.write_text(os.environ["SLURM_JOB_ID"])
        try:
            while True:
                save_if_due()
                time.sleep(0.05)
        finally:
            hold.unlink()
    return train_epoch(state, spec, loader, forward, save_if_due)


training.train_epoch = hold_then_train
"""


@contextmanager
def beside(folder: Path, log: Path, *command: str) -> Iterator[subprocess.Popen]:
    """A process at the head of a group, which ends with the block."""
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment(folder),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(condition: Callable[[], bool], process: subprocess.Popen, log: Path) -> None:
    """Wait until something is so, as long as the process lives."""
    while not condition():
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)


def slurm(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def jobs(*states: str) -> dict[str, list[str]]:
    """Of every job in these states: its state and the GPUs that it asks for."""
    table = slurm("squeue", "-h", "-t", ",".join(states), "--Format=jobid,state,tres-per-job")
    return {number: row for number, *row in map(str.split, table.splitlines())}


def free_ports() -> list[int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in (first, second)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[None]:
    """A cluster of one node; its commands find it by the environment."""
    missing = [name for name in DAEMONS if not shutil.which(name)]
    if missing or os.getuid():
        pytest.skip(f"needs root and Slurm; not installed: {', '.join(missing) or 'nothing'}")
    folder, host = tmp_path_factory.mktemp("slurm"), socket.gethostname().split(".")[0]
    for name in ("state", "spool", "bin"):
        (folder / name).mkdir()
    gpus = [folder / "gpu0", folder / "gpu1"]
    for path in gpus:
        path.touch()
    configuration = CONFIGURATION.format(host=host, folder=folder, ports=free_ports())
    (folder / "slurm.conf").write_text(configuration)
    (folder / "gres.conf").write_text(f"Name=gpu File={folder}/gpu[0-1]\n")
    # The executor takes all variables of Slurm's from a job's steps.
    srun = folder / "bin/srun"
    srun.write_text(f'#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {shutil.which("srun")} "$@"\n')
    srun.chmod(0o755)
    key = folder / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    own = {"key-file": key, "socket": folder / "munge.socket", "seed-file": folder / "munge.seed"}
    own |= {"pid-file": folder / "munge.pid", "log-file": folder / "munge.log"}
    options = [f"--{name}={value}" for name, value in own.items()]
    configured = ["-D", "-f", str(folder / "slurm.conf")]
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.delenv("AIB_DEVICE", raising=False)
        patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
        patch.setenv("PATH", f"{folder}/bin{os.pathsep}{os.environ['PATH']}")

        def start(name: str, *arguments: str) -> None:
            stack.enter_context(beside(folder, folder / f"{name}.out", name, *arguments))

        # It refuses folders that not everybody may enter, as those of a test are.
        start("munged", "--force", "--foreground", *options)
        start("slurmctld", *configured)
        start("slurmd", *configured)
        state = ("sinfo", "-h", "-o", "%T")
        for _ in range(1500):  # five minutes; what never comes would hang all tests
            if "idle" in subprocess.run(state, capture_output=True, text=True).stdout:
                break
            time.sleep(0.2)
        else:
            said = "\n".join(path.read_text()[-1000:] for path in folder.glob("*.out"))
            pytest.fail(f"no node came up\n{said}")
        yield
        slurm("scancel", "--user=root")
        for _ in range(600):
            if not slurm("squeue", "-h"):
                break
            time.sleep(0.2)


@pytest.fixture
def project(tmp_path) -> Path:
    """A project with a study of three runs that can be held, and its data."""
    project = make_project(tmp_path / "project")
    study = STUDY | {"arms": {"vgg-aib-qt": {"model": "vgg-aib-qt"}}, "contrasts": []}
    (project / "params/studies/tiny.yaml").write_text(yaml.safe_dump(study | {"seeds": [0, 1, 2]}))
    (project / "params/studies/other.yaml").write_text(yaml.safe_dump(study | {"seeds": [3]}))
    (project / "params/evaluations.yaml").write_text("calibration: { kind: calibration }\n")
    with (project / "aib/launch.py").open("a") as stream:
        stream.write(HOLDING)
    run(project, "aib", "data", "prepare", "tiny-digits")
    return project


def bits(project: Path, spec: RunSpec) -> tuple:
    """All of a run that does not tell how long it took."""
    folder = project / "results/runs" / spec.folder
    result = json.loads((folder / files.RESULT).read_text())
    del result["cost"], result["files"]
    arrays = (files.WEIGHTS, files.PREDICTIONS, files.ATTENTION)
    return result, [(folder / name).read_bytes() for name in arrays]


def test_a_study_with_kills_ends_in_the_same_bits(cluster, project, tmp_path):
    undisturbed = shutil.copytree(project, tmp_path / "undisturbed")
    runs = plan(load(project), "tiny").runs
    hold = project / "hold"
    hold.mkdir()
    for spec in runs:
        (hold / str(spec.seed)).touch()
    log, other_log = tmp_path / "study.log", tmp_path / "other.log"

    def held() -> dict[str, int]:
        """The seed that each job holds."""
        found = {path.read_text(): int(path.name) for path in hold.iterdir()}
        return {number: seed for number, seed in found.items() if number}

    with (
        beside(project, log, *SNAKEMAKE, "--config", "study=tiny") as study,
        beside(undisturbed, other_log, *SNAKEMAKE, *OTHER) as other,
    ):
        until(lambda: len(held()) == 2, study, log)
        until(lambda: len(jobs("all")) == 4, study, log)
        # Both GPUs are taken: the third run waits, and the study that runs without one does not.
        (without,) = (number for number, (_, gpus) in jobs("all").items() if gpus == "N/A")
        until(lambda: jobs("all")[without][0] != "PENDING", other, other_log)
        states = sorted(state for state, gpus in jobs("all").values() if gpus == "gres:gpu:1")
        assert states == ["PENDING", "RUNNING", "RUNNING"]
        (cancelled, _), (expired, _) = killed = held().items()
        for path in hold.iterdir():
            if not path.read_text():
                path.unlink()
        slurm("scancel", cancelled)
        slurm("scontrol", "update", f"JobId={expired}", "EndTime=now")
        assert other.wait() == 0, other_log.read_text()
        assert study.wait() == 0, log.read_text()
    ended = jobs("all")
    assert (ended[cancelled][0], ended[expired][0]) == ("CANCELLED", "TIMEOUT")
    assert "A tiny study" in (project / "reports/tiny/index.html").read_text()
    assert "Nothing to be done" in run(project, *SNAKEMAKE, "--config", "study=tiny").stderr
    results = [f"results/runs/{spec.folder}/{files.RESULT}" for spec in runs]
    local = ("--workflow-profile", "workflow/profiles/gpu", "--config", "study=tiny")
    run(undisturbed, "snakemake", *results, *local)
    for spec in runs:
        told = (project / "results/runs" / spec.folder / files.LOG).read_text()
        assert ("resumed at epoch 2" in told) == (spec.seed in dict(killed).values())
        assert bits(project, spec) == bits(undisturbed, spec)
