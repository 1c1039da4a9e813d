"""Real DVC, as docs/versioning.md says: changes, remotes, links, two versions of the data."""

import re
import shutil

import pytest
from tiny import commit, contents, edit, git, jobs, run

DATA = "results/kept/quick/data/cluttered-digits"
SNAKEMAKE = ("snakemake", "--cores", "2")


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


@pytest.fixture(params=["folder", "s3", "ssh"])
def remote(request, tmp_path) -> dict[str, str]:
    """Where to push to, as docs/versioning.md sets each kind: the settings of a DVC remote."""
    if request.param == "folder":
        return {"url": str(tmp_path / "store")}
    address = request.getfixturevalue(request.param)
    if request.param == "s3":
        return {"url": "s3://bucket/aib", "endpointurl": address}
    return {"url": f"{address}{tmp_path}/store", "keyfile": str(tmp_path / "key")}


def connect(repository, url: str, **settings: str) -> None:
    """Make that the repository's remote, for this clone alone."""
    run(repository, "dvc", "remote", "add", "--local", "--force", "--default", "store", url)
    for name, value in settings.items():
        run(repository, "dvc", "remote", "modify", "--local", "store", name, value)


def test_push_then_pull_into_a_fresh_clone_trains_nothing(project, tmp_path, remote):
    connect(project, **remote)
    run(project, "dvc", "push")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(project), str(clone))
    connect(clone, **remote)
    # The recipe of `make pull`, without its environment.
    recipe = run(clone, "make", "-n", "pull", "-o", ".venv/ready", "CORES=2").stdout
    *others, snakemake = re.findall(r"^\S+ \S+ && ([^|>\n]+)", recipe, re.MULTILINE)
    for command in others:
        run(clone, *command.split())
    assert jobs(clone, *snakemake.split()) == {"track": 1}
    for path in ("results/data", "results/runs", "results/kept", "reports/quick"):
        assert contents(clone / path) == contents(project / path) != {}
    assert "up to date" in run(clone, "dvc", "status").stdout


@pytest.mark.parametrize("url", [None, "/nowhere", "ssh://127.0.0.1:9/nowhere"])
def test_a_pull_from_nowhere_says_what_to_do_and_takes_nothing(finished, tmp_path, url):
    project = shutil.copytree(finished, tmp_path / "project")
    shutil.rmtree(project / ".dvc/cache")
    (project / ".venv/bin").mkdir(parents=True)
    (project / ".venv/bin/activate").touch()
    if url:
        connect(project, url)
    before = contents(project / "results")
    result = run(project, "make", "pull", "-o", ".venv/ready", check=False)
    assert result.returncode
    assert "Traceback" not in result.stdout + result.stderr
    said = re.findall(r"^error: .+$", result.stdout, re.MULTILINE)
    assert len(said) == 1
    assert ("docs/versioning.md" if url is None else "dvc remote list") in said[0]
    assert contents(project / "results") == before


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
