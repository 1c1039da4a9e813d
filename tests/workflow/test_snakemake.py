"""Real Snakemake on a tiny study: what runs, what does not run again, what survives."""

import json
import os
import re
import shutil
import subprocess
from itertools import accumulate
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from tiny import ROOT, append, contents, edit, environment, jobs, make_project, run

from aib import files, record
from aib.params import load
from aib.studies.plan import plan

SNAKEMAKE = ("snakemake", "--cores", "2", "--config", "study=tiny")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose report is committed and whose runs are not made yet."""
    project = make_project(tmp_path_factory.mktemp("project"))
    report = project / "reports/tiny"
    report.mkdir(parents=True)
    for name in ("index.html", "summary.json"):
        (report / name).write_text("{}")
    return project


def results(project: Path, study: str = "tiny") -> dict[str, record.Record]:
    folder = project / "results/runs"
    specs = plan(load(project), study).runs
    return {str(spec.folder): record.read(folder / spec.folder) for spec in specs}


def test_the_whole_chain(project):
    everything = {"prepare": 1, "train": 4, "evaluate": 4, "report": 1, "track": 1}
    by_profile = ("snakemake", "--workflow-profile", "workflow/profiles/cpu", *SNAKEMAKE[3:])
    assert jobs(project, *by_profile) == everything  # though the report exists
    run(project, *by_profile)
    assert all(result.has_figures for result in results(project).values())
    page = (project / "reports/tiny/index.html").read_text()
    assert "A tiny study" in page
    assert (project / "mlflow.db").exists()
    assert "Nothing to be done" in run(project, *SNAKEMAKE).stderr
    status = run(project, "aib", "status", "tiny").stdout
    assert not re.search("waiting|running|stopped|failed", status)


def test_a_new_seed_trains_exactly_the_new_runs(project):
    edit(project / "params/studies/tiny.yaml", "seeds:\n- 0\n- 1\n", "seeds:\n- 0\n- 1\n- 2\n")
    assert jobs(project, *SNAKEMAKE) == {"train": 2, "evaluate": 2, "report": 1, "track": 1}
    edit(project / "params/studies/tiny.yaml", "- 2\n", "")
    run(project, *SNAKEMAKE)  # the study file changed, so the report is written again


def test_only_code_that_a_phase_reaches_runs_it_again(project):
    schedule, page = project / "aib/training/schedule.py", project / "aib/reporting/page.py"
    edit(schedule, '"""Learning', '# a comment\n"""Learning')
    assert jobs(project, *SNAKEMAKE) == {}
    edit(page, '"worse": "▼"', '"worse": "-"')
    assert jobs(project, *SNAKEMAKE) == {"report": 1}
    edit(page, '"worse": "-"', '"worse": "▼"')
    teller = project / "aib/reporting/evaluations/localisation.py"
    edit(teller, 'TITLE = "Do the maps', 'TITLE = "Do all maps')
    assert jobs(project, *SNAKEMAKE) == {"report": 1, "track": 1}
    edit(teller, 'TITLE = "Do all maps', 'TITLE = "Do the maps')
    edit(project / "aib/reporting/templates/page.css", "{", " {")
    assert jobs(project, *SNAKEMAKE) == {"report": 1}
    run(project, *SNAKEMAKE)
    before = {name: result.result["weights_sha256"] for name, result in results(project).items()}
    edit(schedule, "return 0.5 * (1", "return 0.25 * (1")
    assert jobs(project, *SNAKEMAKE)["train"] == 4
    run(project, *SNAKEMAKE)
    after = {name: result.result["weights_sha256"] for name, result in results(project).items()}
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)
    assert jobs(project, *SNAKEMAKE) == {}


def test_a_run_that_two_studies_share_is_trained_once(project):
    other = yaml.safe_load((project / "params/studies/tiny.yaml").read_text())
    other["arms"].pop("vgg-aib-qt")
    other["contrasts"] = []
    (project / "params/studies/other.yaml").write_text(yaml.safe_dump(other))
    output = run(project, *SNAKEMAKE[:-1], "study=other", "device=cpu", "-n").stdout
    assert "train" not in re.findall(r"^(\w+) +\d+$", output, re.MULTILINE)


def test_a_new_evaluation_is_made_for_every_run_and_no_other(project):
    """docs/adding.md, followed to the letter."""
    guide = (ROOT / "docs/adding.md").read_text()
    guide = guide[guide.index("**An evaluation**") : guide.index("**A dataset**")]
    blocks = re.findall(r"(?:^    .*\n|^\n(?=(?:\n)*    ))+", guide, re.MULTILINE)
    part, teller = (dedent(block.strip("\n")) + "\n" for block in blocks)
    assert "def evaluate" in part
    assert "def message" in teller
    (project / "aib/evaluation/parts/sureness.py").write_text(part)
    (project / "aib/reporting/evaluations/sureness.py").write_text(teller)
    found = results(project)  # read by this process, which does not know the new kind
    declared = (project / "params/evaluations.yaml").read_text()
    append(project / "params/evaluations.yaml", {"sure": {"kind": "sureness", "limit": 0.5}})
    run(project, "aib", "params", "schema")
    waiting = jobs(project, *SNAKEMAKE)
    assert waiting.keys() == {"evaluate", "report", "track"}
    assert waiting["evaluate"] == len(found)
    parts = [path for run in found.values() for path in (run.folder / record.PARTS).glob("*")]
    before = {path: path.stat().st_mtime_ns for path in parts}
    run(project, *SNAKEMAKE)
    assert {path: path.stat().st_mtime_ns for path in parts} == before
    for each in found.values():
        assert 0 <= record.read(each.folder).numbers("sure")["share"] <= 1
    page = (project / "reports/tiny/index.html").read_text()
    assert "How often is it sure?" in page
    assert "Nothing to be done" in run(project, *SNAKEMAKE).stderr
    (project / "params/evaluations.yaml").write_text(declared)


def test_one_failing_run_does_not_stop_the_others(project):
    study = project / "params/studies/tiny.yaml"
    edit(study, "seeds:\n- 0\n- 1\n", "seeds:\n- 0\n- 1\n- 2\n- 3\n")
    new = [spec for spec in plan(load(project), "tiny").runs if spec.seed > 1]
    # Two on one core: in whatever order they start, one of them starts after the other failed.
    broken = [project / "results/runs" / spec.folder / files.CHECKPOINT for spec in new[:2]]
    for path in broken:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"not a checkpoint")
    one_core = [*SNAKEMAKE[:1], "--cores", "1", *SNAKEMAKE[3:]]
    assert run(project, *one_core, check=False).returncode != 0
    made = [(project / "results/runs" / spec.folder / files.RESULT).exists() for spec in new]
    assert made == [False, False, True, True]
    assert "2 failed" in run(project, "aib", "status", "tiny").stdout
    for path in broken:
        path.unlink()
    assert jobs(project, *SNAKEMAKE)["train"] == 2
    run(project, *SNAKEMAKE)
    edit(study, "- 2\n- 3\n", "")


def test_what_snakemake_deletes_comes_back_untrained(project):
    run(project, *SNAKEMAKE)
    before = contents(project / "results/runs")
    run(project, *SNAKEMAKE, "--delete-all-output")
    made = [project / "results/runs" / each.folder for each in plan(load(project), "tiny").runs]
    assert not any((folder / files.RESULT).exists() for folder in made)
    run(project, *SNAKEMAKE[:3], "runs", *SNAKEMAKE[3:])
    assert contents(project / "results/runs") == before


def test_a_wrong_parameter_is_one_line_and_starts_nothing(tmp_path):
    project = make_project(tmp_path)
    edit(project / "params/studies/tiny.yaml", "scale: tiny", "scale: tinny")
    wrong = run(project, *SNAKEMAKE, check=False)
    assert wrong.returncode != 0
    lines = (wrong.stdout + wrong.stderr).strip().splitlines()
    assert lines[-1].startswith("error: params/studies/tiny.yaml: scale: no scale 'tinny'")
    assert "nearest: 'tiny'" in lines[-1]
    assert "Traceback" not in wrong.stdout + wrong.stderr
    assert not (project / "results").exists()


@pytest.mark.parametrize(
    ("gpus", "options", "settings", "most"),
    [
        (1, (), (), 1),
        (1, (), ("trainings_per_gpu=2",), 2),
        (2, ("--resources", "gpu=1"), (), 1),
    ],
)
def test_at_most_one_training_a_gpu_unless_told(tmp_path, gpus, options, settings, most):
    """GPUs by name only; the trainings themselves fall back to the CPU."""
    project = make_project(tmp_path)
    command = ("snakemake", "--cores", "8", *options, "--config", "study=tiny", *settings)
    names = ",".join(f"{os.getpid()}-{number}" for number in range(gpus))  # of nobody else
    tools = environment(project) | {"CUDA_VISIBLE_DEVICES": names, "AIB_DEVICE": "auto"}
    output = subprocess.run(
        command, cwd=project, env=tools, capture_output=True, text=True, check=True
    ).stderr
    events = re.findall(r": training vgg|Finished jobid: \d+ \(Rule: train\)", output)
    running = list(accumulate(1 if "training" in event else -1 for event in events))
    assert len(running) == 8
    assert max(running) == most


def test_a_clean_clone_of_quick_lists_all_its_jobs(tmp_path):
    project = make_project(tmp_path)
    refused = run(project, "snakemake", "--cores", "2", "-n", check=False)
    assert "takes its settings from 'quick-tuning', which has no winners yet" in refused.stderr
    winners = Path("reports/quick-tuning/winners.json")
    (project / winners).parent.mkdir(parents=True)
    shutil.copy(ROOT / winners, project / winners)
    output = run(project, "snakemake", "--cores", "2", "-n").stdout
    assert re.search(r"^train +20$", output, re.MULTILINE)
    assert re.search(r"^report +1$", output, re.MULTILINE)


def test_a_pilot_is_asked_for_run_and_remembered(tmp_path):
    project = make_project(tmp_path, epochs_without_pilot=0)
    study = project / "params/studies/tiny.yaml"
    study.write_text(study.read_text() + "pilot: {seed: 9, epochs: 2, rate_band: [0.0, 1000.0]}\n")
    refused = run(project, *SNAKEMAKE, check=False)
    assert refused.returncode != 0
    assert "too large to be run without a pilot" in refused.stderr
    assert not (project / "results/runs").exists()
    edit(
        project / "params/protocols.yaml",
        "optimiser.learning_rate: 0.02",
        "optimiser.learning_rate: 1.0e-9",
    )
    run(project, *SNAKEMAKE[:3], "pilot", *SNAKEMAKE[3:])
    seen = json.loads((project / "reports/tiny/pilot.json").read_text())
    # Nothing is learnt at that rate.
    assert all(row["verdict"].startswith("collapsed") for row in seen["arms"].values())
    assert (
        "did not pass (vgg on tiny-digits: collapsed"
        in run(project, *SNAKEMAKE, check=False).stderr
    )
    for row in seen["arms"].values():
        row["verdict"] = ""
    (project / "reports/tiny/pilot.json").write_text(json.dumps(seen))
    assert jobs(project, *SNAKEMAKE)["train"] == 4
    edit(study, "seed: 9", "seed: 8")
    assert "is the pilot of other" not in run(project, *SNAKEMAKE, "-n").stderr  # same settings
    edit(study, "epochs: 2", "epochs: 1")
    stale = run(project, *SNAKEMAKE, check=False).stderr
    assert "is the pilot of other arms or settings" in stale
