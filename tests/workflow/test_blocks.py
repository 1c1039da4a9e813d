"""Seeds in blocks, by real Snakemake: two looks, one contrast decided at the first of them."""

import json

import yaml
from tiny import STUDY, edit, jobs, make_project, run

from aib import files

SNAKEMAKE = ("snakemake", "--cores", "2")
CONFIG = ("--config", "study=tiny")
BLOCK, ALL = (*SNAKEMAKE, "block", *CONFIG), (*SNAKEMAKE, *CONFIG)
# A run that diverges is in no mean, so its contrast is never decided. The margin is so wide that
# the other contrast is decided at once.
DIVERGES = {"model": "vgg-att", "overrides": {"optimiser.learning_rate": 1.0e18}}
CHANGES = {
    "seeds": [0, 1, 2],
    "looks": {"after": [2, 3], "spending": "obrien-fleming"},
    "alpha": 0.45,
    "margin": 60.0,
    "arms": STUDY["arms"] | {"broken": DIVERGES},
    "contrasts": [*STUDY["contrasts"], {"treatment": "broken", "control": "vgg"}],
}


def words(project) -> list[dict[str, str]]:
    """By look, each question's treatment and verdict."""
    looks = json.loads((project / "reports/tiny/looks.json").read_text())["looks"]
    return [{q["treatment"]: q["verdict"] for q in look["questions"]} for look in looks]


def test_two_looks_and_what_else_a_user_would_try(tmp_path):
    project = make_project(tmp_path)
    study = project / "params/studies/tiny.yaml"
    study.write_text(yaml.safe_dump(STUDY | CHANGES, sort_keys=False))
    looks = project / "reports/tiny/looks.json"

    # Nothing but the first block, and nothing before it.
    early = run(project, *ALL, check=False)
    assert early.returncode != 0
    assert (
        "look 1 of 2, after 2 seeds an arm, is due; run: snakemake --cores all block"
        in (early.stderr.strip().splitlines()[-1])
    )
    for command in (("aib", "report", "tiny"), ("aib", "look", "tiny")):
        refused = run(project, *command, check=False)
        assert refused.stderr.startswith("error: ")
        assert refused.stderr.count("\n") == 1
    assert jobs(project, *BLOCK) == {"prepare": 1, "train": 6, "block": 1}
    first = run(project, *BLOCK)
    assert "look 2 of 2, after 3 seeds an arm, is due" in first.stdout + first.stderr
    assert words(project) == [{"vgg-aib-qt": "equivalent", "broken": "undecided"}]
    assert "waiting" in run(project, "aib", "status", "tiny").stdout

    # A study that is edited after a look, and one whose look was lost.
    edit(study, "alpha: 0.45", "alpha: 0.4")
    edited = run(project, *BLOCK, check=False)
    assert "looks.json: was taken before" in edited.stderr.strip().splitlines()[-1]
    edit(study, "alpha: 0.4", "alpha: 0.45")
    kept = looks.read_bytes()
    looks.unlink()
    assert jobs(project, *BLOCK) == {"block": 1}  # its runs are there
    run(project, *BLOCK)
    assert looks.read_bytes() == kept

    # The second block trains no run of the arm whose contrast is decided.
    assert "look 2 of 2" in run(project, *ALL, check=False).stderr
    assert jobs(project, *BLOCK) == {"train": 2, "block": 1}
    run(project, *BLOCK)
    assert words(project)[1:] == [{"broken": "undecided"}]
    trained = {
        path.parents[2].name: len(list(path.parents[1].glob(f"*/{files.RESULT}")))
        for path in project.glob(f"results/runs/*/*/*/*/{files.RESULT}")
    }
    assert trained == {"vgg": 3, "vgg-att": 3, "vgg-aib-qt": 2}
    kept = looks.read_bytes()
    again = run(project, *BLOCK)
    assert "no further block is due" in again.stdout + again.stderr
    assert looks.read_bytes() == kept

    # Then it is a study like any other.
    run(project, *ALL)
    summary = json.loads((project / "reports/tiny/summary.json").read_text())
    rows = {row["treatment"]: row for row in summary["verdicts"]}
    assert (rows["vgg-aib-qt"]["verdict"], rows["vgg-aib-qt"]["n_control"]) == ("equivalent", 2)
    assert len(summary["runs"]) == 8
    assert {arm: cell["missing"] for arm, cell in summary["cells"]["tiny-digits"].items()} == {
        "vgg": 0,
        "vgg-aib-qt": 0,
        "broken": 0,
    }
    assert "Incomplete" not in (project / "reports/tiny/index.html").read_text()
    assert "Nothing to be done" in run(project, *ALL).stderr
    assert "waiting" not in run(project, "aib", "status", "tiny").stdout


def test_a_study_without_looks_has_no_blocks(tmp_path):
    project = make_project(tmp_path)
    refused = run(project, *BLOCK, check=False)
    assert refused.returncode != 0
    assert "study 'tiny' declares no 'looks'" in refused.stderr
    assert not (project / "results/runs").exists()
