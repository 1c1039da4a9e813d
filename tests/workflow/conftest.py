"""What several files begin with: a finished project under Git and DVC, servers on loopback."""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
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


@contextlib.contextmanager
def serving(log: Path, *command: str | Path) -> Iterator[str]:
    """Run a server until the end; its first http:// or ssh:// address in what it says."""
    with log.open("w") as stream:
        server = subprocess.Popen(command, stdout=stream, stderr=stream)
    try:
        while not (address := re.search(r"\w+://\S+:\d+", log.read_text())):
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield address[0]
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def s3(tmp_path, monkeypatch) -> Iterator[str]:
    """The address of an S3 server with a bucket named `bucket`."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    moto = Path(sys.executable).with_name("moto_server")
    with serving(tmp_path / "s3.txt", moto, "-H", "127.0.0.1", "-p", "0") as address:
        requests.put(f"{address}/bucket").raise_for_status()
        yield address


SSH_SERVER = """
import asyncio, asyncssh, sys

async def serve():
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(sys.argv[1])
    server = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        authorized_client_keys=asyncssh.import_authorized_keys(key.export_public_key().decode()),
        sftp_factory=True,
    )
    print(f"ssh://127.0.0.1:{server.get_port()}", flush=True)
    await server.wait_closed()

asyncio.run(serve())
"""


@pytest.fixture
def ssh(tmp_path) -> Iterator[str]:
    """The address of an SSH server that lets in whoever has the key `tmp_path / "key"`."""
    command = (sys.executable, "-c", SSH_SERVER, tmp_path / "key")
    with serving(tmp_path / "ssh.txt", *command) as address:
        yield address
