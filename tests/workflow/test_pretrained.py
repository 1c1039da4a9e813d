"""A pretrained arm waits for its weights, and without them one line says what to do."""

import re

import pytest
import yaml
from tiny import jobs, make_project, run

SNAKEMAKE = ("snakemake", "--cores", "2", "--config", "study=tiny")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("project"))
    for name, changes in {
        "params/studies/tiny.yaml": {
            "arms": {
                "pretrained": {"model": "vgg16-aib"},
                "scratch": {"model": "vgg16-aib", "overrides": {"model.weights": "none"}},
            },
            "seeds": [0],
            "contrasts": [],
        },
        "params/scales.yaml": {},
    }.items():
        content = yaml.safe_load((folder / name).read_text()) | changes
        if name.endswith("scales.yaml"):
            content["tiny"]["networks"]["imagenet"] = {"latent": 4}
            content["tiny"] |= {"epochs": 1, "train_subset": 64}
        (folder / name).write_text(yaml.safe_dump(content))
    return folder


def test_one_fetch_for_the_arm_that_needs_it(project):
    assert jobs(project, *SNAKEMAKE)["fetch_weights"] == 1


def test_without_the_file_one_line_says_what_to_do_and_the_other_arm_is_trained(
    project, monkeypatch
):
    monkeypatch.setenv("AIB_OFFLINE", "1")
    failed = run(project, *SNAKEMAKE, check=False)
    assert failed.returncode == 1
    log = (project / "logs/fetch/weights/vgg16.log").read_text()
    assert "Traceback" not in log
    assert re.search(r"^error: [^\n]*vgg16-397923af\.pth[^\n]*AIB_MIRROR", log, re.MULTILINE)
    assert len(list(project.glob("results/runs/tiny-digits/vgg16-aib/*/seed-0/result.json"))) == 1


def test_training_without_the_file_is_refused_too(project):
    planned = run(project, *SNAKEMAKE, "--dry-run", "--printshellcmds").stdout
    runs = re.findall(r"aib train (\S+)", planned)
    assert len(runs) == 1
    refused = run(project, "aib", "train", runs[0], check=False)
    assert refused.returncode == 1
    assert "aib models fetch vgg16" in refused.stderr
    assert "Traceback" not in refused.stderr
