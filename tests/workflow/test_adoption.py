"""After a refactoring, finished runs stand for the new code only if it gives the same bits."""

import json

import pytest
from tiny import edit, jobs, make_project, run

from aib import files, record
from aib.params import load
from aib.studies.plan import plan

SNAKEMAKE = ("snakemake", "--cores", "2", "--config", "study=tiny")
LOOP = "aib/training/loop.py"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = make_project(tmp_path_factory.mktemp("project"))
    run(project, *SNAKEMAKE)
    return project


def folders(project):
    return [project / "results/runs" / each.folder for each in plan(load(project), "tiny").runs]


def test_equal_bits_are_adopted_and_nothing_runs_again(project):
    before = [(folder / files.RESULT).read_bytes() for folder in folders(project)]
    text = (project / LOOP).read_text()
    edit(project / LOOP, "    device, size = ", "    unused = 0\n    device, size = ")
    assert jobs(project, *SNAKEMAKE)["train"] == 4
    said = run(project, "aib", "adopt", "tiny", "--retrain", "2", "--device", "cpu").stdout
    assert "2 of 4 runs trained again (draw seed" in said
    assert "train" not in jobs(project, *SNAKEMAKE)
    assert [(folder / files.RESULT).read_bytes() for folder in folders(project)] == before
    proof = json.loads((folders(project)[0] / files.ADOPTED).read_text())
    assert len(proof) == 1
    assert len(proof[0]["retrained"]) == 2
    assert proof[0]["of"] == 4
    hashes = {record.read(folder).code_hashes for folder in folders(project)}
    assert len(hashes) == 1
    assert proof[0]["code_hash"] in hashes.pop()
    assert "nothing to adopt" in run(project, "aib", "adopt", "tiny").stdout
    assert not list(project.glob("results/.again-*"))
    run(project, *SNAKEMAKE)  # the report takes them too
    # A run of the new code alone goes together with the adopted ones.
    (folders(project)[0] / files.RESULT).unlink()
    (folders(project)[0] / files.FINISHED).unlink()
    assert jobs(project, *SNAKEMAKE)["train"] == 1
    run(project, *SNAKEMAKE)
    (project / LOOP).write_text(text)


def test_other_bits_are_refused_and_nothing_is_entered(project):
    for folder in folders(project):
        (folder / files.ADOPTED).unlink(missing_ok=True)
    edit(project / LOOP, "state.optimiser.zero_grad()", "state.optimiser.zero_grad(); beta = 0.1")
    edit(
        project / LOOP,
        "result = losses(prediction, labels, spec.objective, beta)",
        "result = losses(prediction, labels, spec.objective, beta)._replace(\n"
        "        total=losses(prediction, labels, spec.objective, beta).total * 1.001)",
    )
    refused = run(project, "aib", "adopt", "tiny", "--retrain", "1", check=False)
    assert refused.returncode == 1
    assert "trained again, weights.safetensors differs" in refused.stderr
    assert "nothing was adopted" in refused.stderr
    assert not [folder for folder in folders(project) if (folder / files.ADOPTED).exists()]
