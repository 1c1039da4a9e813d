"""Real Snakemake on datasets of several files and on local folders."""

import json
import re

import pytest
import yaml
from archives import CLASSES, class_folder_files, encoded, entry, put, random_images, svhn_files
from tiny import append, make_project, run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with the dataset `numbers` of two files, which a mirror has, and folder `mine`."""
    project = make_project(tmp_path / "project")
    files = svhn_files()
    monkeypatch.setenv("AIB_MIRROR", str(put(tmp_path / "mirror", files)))
    numbers = entry(files, "svhn").model_dump(mode="json")
    mine = {"kind": "folder", "folder": "mine", "classes": list(CLASSES), "image_size": 8}
    entries = {"numbers": numbers, "mine": mine | {"horizontal_flip": True}}
    append(project / "params/datasets.yaml", yaml.safe_load(json.dumps(entries)))
    for name, content in class_folder_files(6, 1, top="").items():
        put((project / "mine" / name).parent, {name.rsplit("/", 1)[-1]: content})
    return project


def made(project, name: str) -> list[str]:
    """The rules that ran to prepare a dataset."""
    target = f"results/data/{name}/manifest.json"
    output = run(
        project, "snakemake", "--cores", "2", "--config", "study=tiny", "--", target
    ).stderr
    return sorted(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", output, re.MULTILINE))


def test_one_fetch_job_a_file(project):
    assert made(project, "numbers") == ["fetch", "fetch", "prepare"]
    assert made(project, "numbers") == []
    path = project / "params/datasets.yaml"
    path.write_text(path.read_text().replace("licence: free", "licence: paid"))
    assert made(project, "numbers") == []  # what changes no image runs nothing again
    path.write_text(
        path.read_text().replace("  unpacked_limit: 1000000", "  unpacked_limit: 2000000")
    )
    assert made(project, "numbers") == []
    path.write_text(path.read_text().replace("validation_share: 0.1", "validation_share: 0.2"))
    assert made(project, "numbers") == ["prepare"]


def test_a_changed_local_folder_is_prepared_again(project):
    assert made(project, "mine") == ["prepare"]
    assert made(project, "mine") == []
    image = encoded(random_images(1, seed=9)[0])
    put(project / "mine/train/cat", {"new.jpg": image})
    assert made(project, "mine") == ["prepare"]
    counts = json.loads((project / "results/data/mine/manifest.json").read_text())["counts"]
    assert counts["train"]["cat"] == 6  # of seven, one is set aside
    (project / "mine/train/cat/new.jpg").unlink()
    assert made(project, "mine") == ["prepare"]


def test_names_with_braces_in_a_local_folder(project):
    image = encoded(random_images(1, seed=9)[0])
    put(project / "mine/train/cat", {"a{b}.jpg": image, "{dataset}.jpg": image})
    assert made(project, "mine") == ["prepare"]
    assert made(project, "mine") == []
    (project / "mine/train/cat/a{b}.jpg").unlink()
    assert made(project, "mine") == ["prepare"]
