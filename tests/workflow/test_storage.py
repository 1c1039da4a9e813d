"""Real disks and a real S3 server, as docs/storage.md says: where data and results may lie."""

import re
import shutil

import boto3
import pytest
import yaml
from archives import entry, put, svhn_files
from tiny import append, commit, contents, git, jobs, make_project, run

FOLDERS = ("data", "runs", "downloads", "weights")


@pytest.fixture
def disk(finished, tmp_path):
    """A finished project whose large folders are links to those of `tmp_path / "disk"`."""
    project = shutil.copytree(finished, tmp_path / "project")
    for name in FOLDERS:
        there, link = tmp_path / "disk" / name, project / "results" / name
        there.mkdir(parents=True)
        if link.exists():
            there.rmdir()
            shutil.move(link, there)
        link.symlink_to(there)
    return tmp_path / "disk"


def test_every_tool_works_on_folders_that_are_links_and_leaves_them(disk, tmp_path):
    project, before = tmp_path / "project", contents(disk)
    assert jobs(project, "snakemake", "--cores", "2", "runs") == {}
    assert "up to date" in run(project, "dvc", "status").stdout
    run(project, "aib", "verify", "quick")
    assert git(project, "status", "--porcelain").stdout == ""
    git(project, "clean", "-fdq")
    cache = shutil.move(project / ".dvc/cache", tmp_path / "cache")
    run(project, "dvc", "checkout", "--force", check=False)  # takes what DVC owns
    assert not any((project / "results/kept").rglob("result.json"))
    assert contents(disk) == before

    shutil.move(cache, project / ".dvc/cache")
    run(project, "dvc", "checkout")
    shutil.rmtree(disk / "runs/cluttered-digits")
    run(project, "aib", "restore", "quick")
    assert {path.name for path in (disk / "runs").rglob("weights.safetensors")}
    assert all((project / "results" / name).is_symlink() for name in FOLDERS)
    # What is kept by name goes into Git, which looks through no link.
    shutil.copytree(project / "results/kept/quick", project / "results/kept/other")
    run(project, "dvc", "add", "results/kept/other")
    commit(project, "another study")
    assert "results/kept/other.dvc" in git(project, "ls-files").stdout


def test_archives_come_from_a_bucket_and_are_checked(tmp_path, monkeypatch, s3):
    project, files = make_project(tmp_path / "project"), svhn_files()
    first, *rest = files
    numbers = entry(files, "svhn").model_dump(mode="json")
    append(project / "params/datasets.yaml", yaml.safe_load(yaml.safe_dump({"numbers": numbers})))
    bucket = boto3.resource("s3", endpoint_url=s3).Bucket("bucket")
    bucket.put_object(Key=f"archives/numbers/{first}", Body=files[first])
    mirror = put(tmp_path / "mirror", {name: files[name] for name in rest})
    monkeypatch.setenv("AIB_MIRROR", str(mirror))
    command = ["snakemake", "results/data/numbers/manifest.json", "--cores", "2"]
    command += ["--storage-s3-endpoint-url", s3]
    command += ["--config", "study=tiny", "archives=s3://bucket/archives"]

    output = run(project, *command).stderr
    rules = sorted(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", output, re.MULTILINE))
    assert rules == ["fetch", "fetch_from_bucket", "prepare"]
    assert contents(project / "results/downloads/numbers") == files
    assert jobs(project, *command) == {}

    (project / "results/downloads/numbers" / first).unlink()
    there = bucket.put_object(Key=f"archives/numbers/{first}", Body=b"other bytes")
    result = run(project, *command, check=False)
    assert result.returncode == 1
    assert f"cannot fetch {first}" in result.stdout + result.stderr
    assert not (project / "results/downloads/numbers" / first).exists()
    assert there.get()["Body"].read() == b"other bytes"
