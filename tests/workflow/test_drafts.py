"""A study with a mistake stops what is asked of it, and nothing else."""

import json

import pytest
import yaml
from records import write_tree
from tiny import edit, jobs, make_project, run

from aib.params import load
from aib.studies.plan import plan
from aib.studies.specs import find_spec

# Of each broken study: what its one line says.
BROKEN = {
    "paper-cub": "params/studies/paper-cub.yaml:3: not YAML",
    "paper-cifar10": "params/studies/paper-cifar10.yaml: margn: unknown key 'margn'; nearest: 'mar",
    "quick": "params/studies/quick.yaml: scale: no scale 'quik'; nearest: 'quick'",
    "quick-ablations": "'anchor'; nearest: 'anchors'",  # seen only when it is resolved
    "latin": "params/studies/latin.yaml: not text in UTF-8",
    "dated": "params/studies/dated.yaml: not plain YAML",
}
STUDY = ("snakemake", "--cores", "1", "--config")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with broken studies beside a sound one, whose runs are made up."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    studies = folder / "params/studies"
    (studies / "paper-cub.yaml").write_text("title: [\nseeds\n: - [0\n")
    edit(studies / "paper-cifar10.yaml", "margin:", "margn:")
    edit(studies / "quick.yaml", "scale: quick", "scale: quik")
    edit(studies / "quick-ablations.yaml", "model.anchors", "model.anchor")
    (studies / "latin.yaml").write_bytes("title: Größe".encode("latin-1"))
    (studies / "dated.yaml").write_text("2026-01-01: title\n")
    tests = [
        {"study": study, "dataset": dataset, "treatment": "vgg-aib-qt", "control": "vgg"}
        for study, dataset in [
            *(("tiny", "tiny-digits"), ("quick", "cluttered-digits")),
            *(("paper-cub", "cub"), ("quick-ablations", "cluttered-digits")),
        ]
    ]
    claim = {"claim": "It works", "source": "Table 9", "tests": tests}
    claims = {"works": {"title": "Works", "claims": {"it": claim}}}
    (folder / "params/claims.yaml").write_text(yaml.safe_dump(claims))
    write_tree(folder / "results", plan(load(folder), "tiny"))
    return folder


def refused(project, *command) -> str:
    """The one line that a command ends with."""
    done = run(project, *command, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    return line


def test_all_mistakes_are_listed_one_line_each(project):
    done = run(project, "aib", "params", "check", check=False)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == len(BROKEN)
    for said in BROKEN.values():
        assert len([line for line in lines if line.startswith("error: ") and said in line]) == 1


@pytest.mark.parametrize("study", BROKEN)
def test_what_is_asked_of_a_broken_study_is_refused(project, study):
    assert BROKEN[study] in refused(project, "aib", "status", study)


def test_the_workflow_refuses_a_broken_study_and_runs_another(project):
    assert BROKEN["quick"] in refused(project, *STUDY, "study=quick")
    assert BROKEN["quick-ablations"] in refused(project, *STUDY, "study=quick-ablations")
    assert jobs(project, *STUDY, "study=tiny")["report"] == 1


def test_a_run_of_another_study_is_found(project):
    wanted = plan(load(project), "tiny").runs[0]
    without_specs = project / "nothing"
    assert find_spec(project, without_specs, str(wanted.folder)) == wanted


def test_a_run_of_none_is_said_to_be_perhaps_of_a_broken_one(project):
    line = refused(project, "aib", "train", "cub/vgg16/0123456789ab/seed-0")
    assert "no study has a run 'cub/vgg16/0123456789ab/seed-0'" in line
    assert all(said in line for said in BROKEN.values())


def test_another_study_is_shown_and_reported(project):
    assert "4 done" in run(project, "aib", "status", "tiny").stdout
    run(project, "aib", "report", "tiny")
    assert "A tiny study" in (project / "reports/tiny/index.html").read_text()


def test_the_ledger_says_which_study_has_a_mistake(project):
    findings = json.loads(run(project, "aib", "claims", "--json").stdout)["findings"]
    for finding in findings:
        broken = finding["study"] in BROKEN
        assert broken == ("the study has a mistake: params/" in finding["wanted"])
        if broken:
            assert finding["word"] == "not tested here"
            assert BROKEN[finding["study"]] in finding["wanted"]
    assert [finding["study"] in BROKEN for finding in findings] == [False, True, True, True]
    index = (project / "reports/index.html").read_text()
    assert "has a mistake: params/studies/latin.yaml" in index


def test_a_mistake_in_what_studies_share_stops_all(project):
    models = project / "params/models.yaml"
    before = models.read_text()
    edit(models, "quantised", "quantized")
    assert "params/models.yaml" in refused(project, "aib", "status", "tiny")
    assert "params/models.yaml" in refused(project, *STUDY, "study=tiny")
    models.write_text(before)
