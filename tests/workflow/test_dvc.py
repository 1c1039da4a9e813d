"""Real DVC over real Snakemake: stages, metrics, experiments."""

import json
import shutil

import yaml
from tiny import contents, edit, run, trained


def test_repro_makes_everything_and_then_nothing(finished, project):
    assert trained((finished.parent / "repro.txt").read_text()) == 4
    summary = json.loads((project / "reports/quick/summary.json").read_text())
    assert summary["verdicts"]
    again = run(project, "dvc", "repro")
    assert "didn't change, skipping" in again.stdout
    assert trained(again.stdout + again.stderr) == 0
    assert "up to date" in run(project, "dvc", "status").stdout


def test_metrics_and_plots_are_shown(project):
    shown = json.loads(run(project, "dvc", "metrics", "show", "--json").stdout)
    metrics = shown[""]["data"]["reports/quick/summary.json"]["data"]
    assert metrics["cells"]["cluttered-digits"]["vgg"]["n"] == 2
    run(project, "dvc", "plots", "show", "-o", "plots")
    page = (project / "plots/index.html").read_text()
    assert "test_accuracy" in page
    shutil.rmtree(project / "plots")


def test_an_experiment_with_another_seed_trains_only_that(project):
    """Also where dvc.lock names what the cache never had: a clean clone after `make reproduce`."""
    before = contents(project / "results/runs")
    shutil.rmtree(project / ".dvc/cache")
    shutil.rmtree(project / "results/kept")
    result = run(project, "dvc", "exp", "run", "-S", "params/studies/quick.yaml:seeds=[0,1,2]")
    assert trained(result.stdout + result.stderr) == 2
    study = yaml.safe_load((project / "params/studies/quick.yaml").read_text())
    assert study["seeds"] == [0, 1, 2]
    assert before.items() <= contents(project / "results/runs").items()


def test_a_changed_margin_changes_the_report(project):
    study = project / "params/studies/quick.yaml"
    study.write_text(study.read_text().replace("margin: 1.0", "margin: 99.0"))
    result = run(project, "dvc", "repro")
    assert trained(result.stdout + result.stderr) == 0
    assert json.loads((project / "reports/quick/summary.json").read_text())["margin"] == 99.0


def test_a_changed_constant_changes_the_numbers(project):
    """Without the code hash DVC would record the new code and keep the old results."""
    before = json.loads((project / "reports/quick/summary.json").read_text())["runs"]
    edit(project / "aib/training/schedule.py", "return 0.5 * (1", "return 0.25 * (1")
    run(project, "dvc", "repro")
    after = json.loads((project / "reports/quick/summary.json").read_text())["runs"]
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert old["weights_sha256"] != new["weights_sha256"]
