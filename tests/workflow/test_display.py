"""What real Snakemake prints of a tiny study: in a pipe, on a terminal, when a run fails."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tiny import ROOT, edit, environment, make_project, run

from aib import files
from aib.display.handler import WIDTH
from aib.params import load
from aib.status import standing
from aib.studies.plan import plan

SNAKEMAKE = ("snakemake", "--cores", "1", "--config", "study=tiny")
RUNS = ("snakemake", "--cores", "1", "runs", "--config", "study=tiny")
TEST = {"study": "tiny", "dataset": "tiny-digits", "treatment": "vgg-aib-qt", "control": "vgg"}
CLAIM = {"claim": "It helps", "source": "nowhere", "tests": [TEST]}
ENDED = r"study tiny: .*, after \d+ s; trained for \d+ s in all.*"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A study of two runs to be made, with a claim, and with what Snakemake reads by itself."""
    project = make_project(tmp_path_factory.mktemp("project"))
    edit(project / "params/studies/tiny.yaml", "seeds:\n- 0\n- 1\n", "seeds: [0]\n")
    shutil.copytree(ROOT / "profiles", project / "profiles")
    (project / "params/evaluations.yaml").write_text("calibration: {kind: calibration}\n")
    claims = {"all": {"title": "All", "claims": {"only": CLAIM}}}
    (project / "params/claims.yaml").write_text(yaml.safe_dump(claims))
    return project


def made(project: Path) -> dict[str, str]:
    """What is to be said of each arm's run, as its record has it."""
    said = {}
    for spec in plan(load(project), "tiny").runs:
        now = standing(spec, project / "results/runs" / spec.folder)
        said[spec.names.model] = now.detail if now.state == "done" else f"{now.state}, {now.detail}"
    return said


def on_a_terminal(project: Path, *command: str) -> tuple[int, str]:
    """Exit status and all that is written to a terminal of 100 columns and 40 lines."""
    ours, theirs = os.openpty()
    size = {"COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color"}
    tools = {k: v for k, v in environment(project).items() if k != "NO_COLOR"} | size
    started = subprocess.Popen(
        command, cwd=project, env=tools, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 1 << 16):
            written += piece
    except OSError:  # so Linux ends a terminal that nobody writes to any more
        pass
    os.close(ours)
    return started.wait(), written.decode()


def take_away(project: Path, model: str, checkpoint: bytes = b"") -> None:
    """A run is to be made again; from a checkpoint, if one is given."""
    runs = plan(load(project), "tiny").runs
    folder = next(run.folder for run in runs if run.names.model == model)
    shutil.rmtree(project / "results/runs" / folder)
    if checkpoint:
        (project / "results/runs" / folder).mkdir()
        (project / "results/runs" / folder / files.CHECKPOINT).write_bytes(checkpoint)


def test_in_a_pipe_a_run_is_a_line(project):
    lines = run(project, *SNAKEMAKE).stderr.splitlines()
    assert lines[1:3] == ["study tiny: 2 to train, 2 to evaluate", "preparing tiny-digits"]
    one, two = lines[3:5]
    assert re.match(r"\[1 of 2\] .*, \d+ s, about \d+ s of training left$", one)
    assert re.match(r"\[2 of 2\] ", two)
    told = [
        re.match(r"\S+ of 2\] (\S+) on tiny-digits, seed 0: (.*?), \d+ s", x) for x in (one, two)
    ]
    assert dict(each.groups() for each in told) == made(project)
    steps = {"writing reports/tiny/index.html", "importing study tiny into MLflow"}
    assert set(lines[5:7]) == steps
    assert re.match(ENDED, lines[7])
    assert re.match(r"  \w[\w ]+ It helps; \S", lines[8])
    assert lines[9:] == ["page: reports/tiny/index.html"]
    assert max(map(len, lines)) <= WIDTH


def test_what_makes_no_run_is_told_by_snakemake(project):
    assert "Nothing to be done" in run(project, *RUNS).stderr
    again = run(project, *SNAKEMAKE, "--dry-run", "--forcerun", "track").stdout
    assert re.search(r"^track +1$", again, re.MULTILINE)


def test_on_a_terminal_there_are_bars_and_failures_are_told_at_once(project):
    take_away(project, "vgg")
    take_away(project, "vgg-aib-qt", checkpoint=b"damaged")
    status, screen = on_a_terminal(project, *RUNS)
    assert status == 1
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen).replace("\r", "\n")
    for count in (0, 1):
        assert re.search(rf"trained +[━╺╸]+ +{count} of 2", text)
    result = re.search(r"\[1 of 2\] vgg on tiny-digits, seed 0: (.*?), \d+ s", text)[1]
    assert result == made(project)["vgg"]
    assert re.search(r"^  vgg +tiny-digits +1 +1 \w+ +\d+\.\d+% ", text, re.MULTILINE)
    assert re.search(r"^  vgg-aib-qt +tiny-digits +1 +1 failed ", text, re.MULTILINE)
    words = r"failed: training vgg-aib-qt on tiny-digits, seed 0 .*\s+its log: (\S+)\s+\| error: "
    failed = re.search(words, text)
    assert "checkpoint.pt: damaged" in (project / failed[1]).read_text()
    assert failed.end() < text.index("did not complete successfully")
    assert re.search(ENDED, text)
    assert screen.count("\x1b[?25l") == screen.count("\x1b[?25h") == 1  # the cursor is there again


def test_a_failure_in_a_pipe_is_a_few_lines(project):
    """The run of the test before fails again."""
    stopped = run(project, *RUNS, check=False)
    assert stopped.returncode == 1
    lines = stopped.stderr.splitlines()
    assert len(lines) < 15
    assert max(map(len, lines)) <= WIDTH
    assert "Traceback" not in stopped.stderr
    assert lines[-1] == "failed jobs: 1; what is finished is kept"
