"""docs/adding-a-model.md, followed to the letter."""

import re
from pathlib import Path

import pytest
import yaml
from tiny import make_project, run

GUIDE = Path(__file__).parents[2] / "docs" / "adding-a-model.md"
FAMILIES = "FAMILIES = {\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the project with every block of the guide where its first line says."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    blocks = re.findall(r"```\w+\n# (\S+?)(: FAMILIES)?\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert len(blocks) == 4
    for name, registry, content in blocks:
        path = folder / name
        before = path.read_text() if path.exists() else ""
        if registry:
            assert before.count(FAMILIES) == 1
            assert len(content.splitlines()) == 1
            path.write_text(before.replace(FAMILIES, FAMILIES + content))
        else:
            path.write_text(f"{before}\n{content}")
    path = folder / "params/scales.yaml"
    scales = yaml.safe_load(path.read_text())
    scales["tiny"]["networks"]["imagenet"] = {"latent": 4}
    path.write_text(yaml.safe_dump(scales))
    study = yaml.safe_load((folder / "params/studies/tiny.yaml").read_text())
    study |= {"seeds": [0], "contrasts": []}
    study["arms"] = {name: {"model": name} for name in ("vgg-aib-qt5", "patches", "patches-aib")}
    (folder / "params/studies/tiny.yaml").write_text(yaml.safe_dump(study))
    return folder


def test_the_new_models_are_listed(project):
    listed = run(project, "aib", "models", "--scale", "tiny").stdout
    for name in ("vgg-aib-qt5", "patches", "patches-aib"):
        assert re.search(rf"^\s*{name}\s", listed, re.MULTILINE), name


def test_the_new_models_train_and_are_reported(project):
    run(project, "snakemake", "--cores", "2", "--quiet", "--config", "study=tiny")
    page = (project / "reports/tiny/index.html").read_text()
    assert "patches-aib" in page
    results = list((project / "results/runs/tiny-digits").glob("*/*/seed-0/result.json"))
    assert {path.parts[-4] for path in results} == {"vgg-aib-qt5", "patches", "patches-aib"}


def test_an_edit_of_the_new_class_is_new_code(project):
    path = project / "aib/models/patches.py"
    before = path.read_text()
    path.write_text(before.replace("nn.ReLU()", "nn.GELU()"))
    waiting = run(
        project, "snakemake", "--cores", "2", "--dry-run", "--config", "study=tiny"
    ).stdout
    path.write_text(before)
    assert re.search(r"^train +3$", waiting, re.MULTILINE)
