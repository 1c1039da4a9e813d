"""Real DVC, as docs/versioning.md says: changes, remotes, links, two versions of the data."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from tiny import commit, contents, edit, git, jobs, run

DATA = "results/kept/quick/data/cluttered-digits"
SNAKEMAKE = ("snakemake", "--cores", "2")


@pytest.fixture
def s3(tmp_path, monkeypatch) -> str:
    """The address of an S3 server on loopback with a bucket named `bucket`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    log = tmp_path / "s3.txt"
    with log.open("w") as stream:
        command = (Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", "0")
        server = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        while not (address := re.search(r"http://127.0.0.1:\d+", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        requests.put(f"{address[0]}/bucket").raise_for_status()
        yield address[0]
    finally:
        server.kill()
        server.wait()


def modified(diff: str) -> set[str]:
    """The files that `dvc diff` shows; all of them must be modified ones."""
    assert re.findall(r"^(\w+):$", diff, re.MULTILINE) == ["Modified"]
    return set(re.findall(r"^    (\S+[^/\s])$", diff, re.MULTILINE))


def test_status_notices_one_changed_byte(project):
    images = project / DATA / "train_images.npy"
    before = images.read_bytes()
    images.write_bytes(before[:5000] + bytes([before[5000] ^ 1]) + before[5001:])
    assert re.search(
        r"data:\s+changed outs:\s+modified: +results/kept/quick/data",
        run(project, "dvc", "status").stdout,
    )
    assert modified(run(project, "dvc", "diff").stdout) == {f"{DATA}/train_images.npy"}
    run(project, "dvc", "checkout", "--force")
    assert images.read_bytes() == before
    assert "up to date" in run(project, "dvc", "status").stdout


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_push_then_pull_into_a_fresh_clone_trains_nothing(project, tmp_path, request, kind):
    def connect(repository):
        options = ("--local", "--force", "--default", "store")
        if kind == "folder":
            run(repository, "dvc", "remote", "add", *options, str(tmp_path / "store"))
        else:
            run(repository, "dvc", "remote", "add", *options, "s3://bucket/aib")
            address = request.getfixturevalue("s3")
            run(repository, "dvc", "remote", "modify", "--local", "store", "endpointurl", address)

    connect(project)
    run(project, "dvc", "push")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    connect(clone)
    # The recipe of `make pull`, without its environment.
    recipe = run(clone, "make", "-n", "pull", "-o", ".venv/ready", "CORES=2").stdout
    *others, snakemake = re.findall(r"&& (.+)$", recipe, re.MULTILINE)
    for command in others:
        run(clone, *command.split())
    assert jobs(clone, *snakemake.split()) == {"track": 1}
    for path in ("results/data", "results/runs", "results/kept", "reports/quick"):
        assert contents(clone / path) == contents(project / path) != {}
    assert "up to date" in run(clone, "dvc", "status").stdout


@pytest.mark.parametrize("link", ["symlink", "hardlink", "copy"])
def test_what_dvc_links_is_kept_and_comes_back_as_files(project, link):
    run(project, "dvc", "config", "--local", "cache.type", link)
    run(project, "dvc", "checkout", "--relink")
    images = project / DATA / "train_images.npy"
    found = (
        "symlink" if images.is_symlink() else "copy" if images.stat().st_nlink == 1 else "hardlink"
    )
    assert found == link
    run(project, "aib", "keep", "quick", "data")
    assert "up to date" in run(project, "dvc", "status").stdout
    shutil.rmtree(project / "results/data")
    run(project, "aib", "restore", "quick")
    again = project / "results/data/cluttered-digits/train_images.npy"
    assert again.read_bytes() == images.read_bytes()
    assert again.stat().st_nlink == 1
    assert not again.is_symlink()
    assert again.stat().st_mode & 0o200


def test_two_versions_are_compared_and_the_first_restored(project):
    manifest = project / "results/data/cluttered-digits/manifest.json"
    first = manifest.read_text()
    edit(project / "params/datasets.yaml", "test: 100\n", "test: 90\n")
    run(project, "dvc", "repro", "data")
    changed = {
        f"{DATA}/{part}"
        for part in (
            "manifest.json",
            *(f"test_{what}.npy" for what in ("images", "labels", "masks", "sources")),
            "test_fragment_masks.npy",
        )
    }
    assert modified(run(project, "dvc", "diff").stdout) == changed
    commit(project, "fewer test images")
    assert modified(run(project, "dvc", "diff", "HEAD~1", "HEAD").stdout) == changed

    git(project, "checkout", "-q", "HEAD~1")
    run(project, "dvc", "checkout")
    run(project, "aib", "restore", "quick")
    assert manifest.read_text() == first
    run(project, *SNAKEMAKE, "--touch")
    assert jobs(project, *SNAKEMAKE, "runs", "report") == {}
    assert "up to date" in run(project, "dvc", "status").stdout


def test_data_outside_the_stages_can_be_versioned(project):
    """Study `quick` has stages; what another study makes is added by name."""
    shutil.copytree(project / DATA, project / "results/data/other")
    run(project, "dvc", "add", "results/data/other")
    commit(project, "other data")
    assert "results/data/other.dvc" in git(project, "ls-files").stdout
    shutil.rmtree(project / "results/data/other")
    run(project, "dvc", "checkout", "results/data/other.dvc")
    assert contents(project / "results/data/other") == contents(project / DATA)


def test_no_command_of_dvc_or_git_takes_what_snakemake_made(finished, tmp_path):
    project = shutil.copytree(finished, tmp_path / "project")
    made = ("results/data", "results/runs")
    before = [contents(project / folder) for folder in made]

    def tried(*command: str) -> None:
        run(project, *command, check=False)
        assert [contents(project / folder) for folder in made] == before

    tried("dvc", "gc", "--workspace", "--force")
    shutil.rmtree(project / ".dvc/cache")
    tried("dvc", "checkout", "--force")
    assert not any((project / "results/kept").rglob("result.json"))  # of these DVC takes all
    tried("git", "checkout", ".")
    tried("git", "clean", "-fdq")
    tried("dvc", "remove", "runs", "--outs")
    tried("dvc", "destroy", "--force")
    assert not (project / ".dvc").exists()
