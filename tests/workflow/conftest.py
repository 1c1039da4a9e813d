"""A finished project under Git and DVC, for the tests that begin with one."""

import fcntl
import os
import shutil
from pathlib import Path

import pytest
from tiny import commit, make_repository, run


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """A repository after `dvc repro`, whose output is in `../repro.txt`; not to be changed.

    It is made once, by the first of the workers that asks.
    """
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # of all workers
    project, output = root / "finished", root / "repro.txt"
    with (root / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not output.exists():
            shutil.rmtree(project, ignore_errors=True)
            first = run(make_repository(project), "dvc", "repro")
            commit(project, "results")
            output.write_text(first.stdout + first.stderr)
    return project


@pytest.fixture(scope="module")
def project(finished, tmp_path_factory) -> Path:
    """A copy for one file of tests, with the same times."""
    return shutil.copytree(finished, tmp_path_factory.mktemp("project") / "origin", symlinks=True)
