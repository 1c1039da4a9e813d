"""Real DVC over real Snakemake: stages, metrics, push, pull, experiments."""

import json
import shutil

import pytest
import yaml
from tiny import STUDY, edit, make_project, run


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A Git repository whose study `quick` is the tiny one."""
    project = make_project(tmp_path_factory.mktemp("project") / "origin")
    study = yaml.safe_dump(STUDY | {"datasets": ["cluttered-digits"]}, sort_keys=False)
    study = study.replace("seeds:\n- 0\n- 1\n", "seeds: [0, 1]\n")
    (project / "params/studies/quick.yaml").write_text(study)
    (project / "params/studies/tiny.yaml").unlink()
    datasets = yaml.safe_load((project / "params/datasets.yaml").read_text())
    datasets["cluttered-digits"] = datasets.pop("tiny-digits")
    (project / "params/datasets.yaml").write_text(yaml.safe_dump(datasets))
    for path in (".dvc/config", ".dvc/.gitignore", ".dvcignore", "Makefile", "requirements.lock"):
        (project / path).parent.mkdir(exist_ok=True)
        shutil.copy(__file__.rsplit("/tests/", 1)[0] + "/" + path, project / path)
    git(project, "init", "-q", "-b", "main")
    commit(project, "start")
    return project


def git(project, *arguments):
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return run(project, "git", *identity, *arguments)


def commit(project, message):
    git(project, "add", "-A")
    git(project, "commit", "-qm", message)


def trained(output: str) -> int:
    return output.count(": training vgg")


def test_repro_makes_everything_and_then_nothing(project):
    first = run(project, "dvc", "repro")
    assert trained(first.stdout + first.stderr) == 4
    summary = json.loads((project / "reports/quick/summary.json").read_text())
    assert summary["verdicts"]
    again = run(project, "dvc", "repro")
    assert "didn't change, skipping" in again.stdout
    assert trained(again.stdout + again.stderr) == 0
    assert "up to date" in run(project, "dvc", "status").stdout
    commit(project, "results")


def test_metrics_and_plots_are_shown(project):
    shown = json.loads(run(project, "dvc", "metrics", "show", "--json").stdout)
    metrics = shown[""]["data"]["reports/quick/summary.json"]["data"]
    assert metrics["cells"]["cluttered-digits"]["vgg"]["n"] == 2
    run(project, "dvc", "plots", "show", "-o", "plots")
    page = (project / "plots/index.html").read_text()
    assert "test_accuracy" in page
    shutil.rmtree(project / "plots")


def test_push_then_pull_into_a_fresh_clone_trains_nothing(project, tmp_path):
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    run(project, "dvc", "remote", "add", "--force", "-d", "store", str(remote))
    commit(project, "remote")
    run(project, "dvc", "push")
    git(tmp_path, "clone", "-q", str(project), str(clone))
    # The recipe of `make pull`, without its environment.
    recipe = run(clone, "make", "-n", "pull", "-o", ".venv/ready", "CORES=2").stdout
    steps = [line.split("&& ", 1)[1] for line in recipe.splitlines() if "&& " in line]
    assert len(steps) == 3
    output = ""
    for step in steps:
        result = run(clone, *step.split())
        output += result.stdout + result.stderr
    assert trained(output) == 0
    for name in ("summary.json", "index.html"):
        ours, theirs = ((root / "reports/quick" / name).read_bytes() for root in (project, clone))
        assert ours == theirs
    assert "up to date" in run(clone, "dvc", "status").stdout


def test_an_experiment_with_another_seed_trains_only_that(project):
    result = run(project, "dvc", "exp", "run", "-S", "params/studies/quick.yaml:seeds=[0,1,2]")
    assert trained(result.stdout + result.stderr) == 2
    study = yaml.safe_load((project / "params/studies/quick.yaml").read_text())
    assert study["seeds"] == [0, 1, 2]


def test_a_changed_margin_changes_the_report(project):
    study = project / "params/studies/quick.yaml"
    study.write_text(study.read_text().replace("margin: 1.0", "margin: 99.0"))
    result = run(project, "dvc", "repro")
    assert trained(result.stdout + result.stderr) == 0
    assert json.loads((project / "reports/quick/summary.json").read_text())["margin"] == 99.0


def test_a_changed_constant_changes_the_numbers(project):
    """Without the code hash DVC would record the new code and keep the old results."""
    before = json.loads((project / "reports/quick/summary.json").read_text())["runs"]
    edit(project / "aib/training/schedule.py", "peak * 0.5", "peak * 0.25")
    run(project, "dvc", "repro")
    after = json.loads((project / "reports/quick/summary.json").read_text())["runs"]
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert old["weights_sha256"] != new["weights_sha256"]
