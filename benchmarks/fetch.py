"""MB/s of our fetch and of curl from loopback, in one run: `python benchmarks/fetch.py`.

A file of random bytes is served by `python -m http.server`, another process. Ours ends with the
verified file safe on the disk. curl ends with the file, or with the file and its checksum, by
`sha256sum` (slow where it is built without the processor's own instructions for SHA) and by
openssl, and does not wait for the disk. They take turns; each figure is the median of the turns.
Aim: not slower than curl with a checksum.
"""

import hashlib
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from aib.data.sources import fetch
from aib.params import Download

SIZE, TURNS = 300_000_000, 9
FILE = "archive.bin"


def ours(address: str, checksum: str, folder: Path) -> None:
    """Fetch and verify."""
    download = Download(file=FILE, addresses=(address,), checksum=checksum, bytes=SIZE)
    fetch(download, folder, progress=False)


def curl(address: str, checksum: str, folder: Path) -> None:
    """Download only."""
    subprocess.run(["curl", "--silent", "--fail", "-o", folder / FILE, address], check=True)


def curl_and(tool: str) -> Callable:
    """Return a function that downloads into a file and, through a pipe, into a checksum tool."""

    def curl_and_checksum(address: str, checksum: str, folder: Path) -> None:
        command = f"curl --silent --fail '{address}' | tee '{folder / FILE}' | {tool}"
        found = subprocess.run(["sh", "-c", command], check=True, capture_output=True, text=True)
        assert checksum.removeprefix("sha256:") in found.stdout

    return curl_and_checksum


def seconds(way: Callable, address: str, checksum: str, kept: Path) -> float:
    """Time one download into a new folder."""
    with tempfile.TemporaryDirectory(dir=kept) as folder:
        os.sync()  # no turn pays for the bytes of the one before
        started = time.perf_counter()
        way(address, checksum, Path(folder))
        return time.perf_counter() - started


def main() -> None:
    """Print the rates, and ours as a share of each of curl's."""
    tools = ("sha256sum", "openssl dgst -sha256")
    ways = (ours, curl, *map(curl_and, tools))
    with tempfile.TemporaryDirectory() as kept:
        content = os.urandom(SIZE)
        (Path(kept) / FILE).write_bytes(content)
        checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
        server = subprocess.Popen(
            [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
            cwd=kept,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            port = re.search(r"port (\d+)", server.stdout.readline())[1]
            address = f"http://127.0.0.1:{port}/{FILE}"
            turns = [
                [seconds(way, address, checksum, Path(kept)) for way in ways] for _ in range(TURNS)
            ]
        finally:
            server.kill()
    medians = [statistics.median(times) for times in zip(*turns, strict=True)]
    mine, *theirs = (SIZE / 1e6 / median for median in medians)
    print(f"{SIZE / 1e6:,.0f} MB, {TURNS} turns, {os.cpu_count()} cores {platform.machine()}")
    print(f"ours, verified and safe on the disk: {mine:,.0f} MB/s")
    names = ("curl", *(f"curl | tee FILE | {tool}" for tool in tools))
    for name, rate in zip(names, theirs, strict=True):
        print(f"{name}: {rate:,.0f} MB/s, ratio {mine / rate:.2f}")


if __name__ == "__main__":
    main()
