"""A real MLflow server on loopback: PostgreSQL as its store, artifacts through the server."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

USER = "nobody"  # PostgreSQL refuses to run as root


def postgres_folder() -> Path | None:
    """Where PostgreSQL's programs are: in PATH, or where Debian puts them."""
    found = shutil.which("initdb") or next(Path("/usr/lib/postgresql").glob("*/bin/initdb"), None)
    return Path(found).parent if found else None


@contextmanager
def mlflow_server(workers: int = 1) -> Iterator[str]:
    """The address of a server that is empty, and is gone with all its files afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="mlflow-server-"))
    try:
        with _postgres(folder) as database, _mlflow(folder, database, workers) as address:
            yield address
    finally:
        shutil.rmtree(folder)


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    data, port, programs = folder / "data", _free_port(), postgres_folder()
    data.mkdir()
    before = []
    if os.geteuid() == 0:
        before = ["runuser", "-u", USER, "--"]
        for path in (folder, data):
            shutil.chown(path, USER)
    # What a power cut would lose is lost with the folder anyway.
    settings = f"-p {port} -k {data} -c listen_addresses=127.0.0.1 -c fsync=off"
    init = [programs / "initdb", "-U", "mlflow", "-A", "trust", "-N", "-D", data]
    control = [*before, programs / "pg_ctl", "-D", data, "-l", data / "log"]
    quiet = {"check": True, "cwd": "/", "stdout": subprocess.DEVNULL}
    subprocess.run([*before, *init], **quiet)
    subprocess.run([*control, "-w", "-o", settings, "start"], **quiet)
    try:
        yield f"postgresql://mlflow@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **quiet)


@contextmanager
def _mlflow(folder: Path, database: str, workers: int) -> Iterator[str]:
    port, log = _free_port(), folder / "mlflow.log"
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database]
    command += ["--serve-artifacts", "--artifacts-destination", folder / "artifacts"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", str(workers)]
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # ten processes of no use here
    with log.open("w") as stream:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(process, f"{address}/health", log)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(process: subprocess.Popen, address: str, log: Path) -> None:
    while process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
