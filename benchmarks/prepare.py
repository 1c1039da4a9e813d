"""Seconds and peak memory of preparing data: `PYTHONPATH=tests python benchmarks/prepare.py`.

Synthetic archives in the true formats: 60,000 images of CIFAR-10's size, and 1,000 and 2,000 JPEG
photographs of CUB-200-2011's (500 x 375), as `cub` (cropped) and as `cub-whole` (with masks). Each
is prepared in a fresh process, whose peak resident memory is given; what importing alone takes is
the first line. The archives are written by other processes, since a process starts with the peak of
the one that made it. Aim: as much memory for 2,000 photographs as for 1,000.
"""

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from aib.data.preparing import prepare
from aib.params import ArchiveDataset, check

LIMIT = 4_000_000_000
CASES = {
    "imports alone": ("none", 0, None),
    "60,000 images of 32 x 32 (cifar10)": ("cifar", 60_000, None),
    "1,000 photographs, cropped (cub)": ("cub", 1000, "crop"),
    "2,000 photographs, cropped (cub)": ("cub", 2000, "crop"),
    "1,000 photographs with masks (cub-whole)": ("cub", 1000, "mask"),
    "2,000 photographs with masks (cub-whole)": ("cub", 2000, "mask"),
}


def write(folder: Path, kind: str, count: int, box: str | None) -> None:
    """Write an archive, and the entry that declares it."""
    # Imported by the process that writes, to keep the one that is measured small.
    from archives import cifar10_files, cub_files, encoded, entry, put, random_images, tar

    fields = {"unpacked_limit": LIMIT}
    if kind == "cifar":
        labels, classes = [n % 10 for n in range(count)], tuple("abcdefghij")
        files = tar(cifar10_files(random_images(count, size=32), labels, classes))
        dataset = entry(files, "cifar-python", classes=classes, image_size=32, **fields)
    else:
        photographs = [encoded(image) for image in smooth_images(count)]
        files = tar(cub_files(photographs, [(100, 80, 250, 200)] * count))
        fields |= {"classes": ("001.cat", "002.dog", "003.owl"), "image_size": 256}
        dataset = entry(files, "cub", box=box, **fields)
    put(folder, files)
    (folder / "entry.json").write_text(dataset.model_dump_json())


def smooth_images(count: int) -> Iterator[np.ndarray]:
    """Yield images of 500 x 375, as smooth as photographs, each another one."""
    random = np.random.RandomState(0)
    ramp = np.linspace(0, 200, 500) + np.linspace(0, 50, 375)[:, None]
    for _ in range(count):
        noise = random.randint(0, 30, (3, 375, 500))
        yield (ramp * random.rand(3, 1, 1) + noise).astype(np.uint8)


def measure(folder: Path) -> None:
    """Prepare what lies in the folder, if anything; print seconds and peak megabytes."""
    started = time.perf_counter()
    if (folder / "entry.json").exists():
        dataset = check(ArchiveDataset, json.loads((folder / "entry.json").read_text()), "entry")
        prepare("benchmark", dataset, folder, folder / "out")
    seconds = time.perf_counter() - started
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{seconds:.1f} s, peak memory {megabytes:,.0f} MB")


def main() -> None:
    """Print a line for each case."""
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {platform.machine()}")
    for name, (kind, *details) in CASES.items():
        with tempfile.TemporaryDirectory() as folder:
            script = [sys.executable, __file__]
            if kind != "none":
                subprocess.run([*script, "write", folder, json.dumps([kind, *details])], check=True)
            command = [*script, "measure", folder]
            found = subprocess.run(command, capture_output=True, text=True, check=True)
        print(f"{name}: {found.stdout.strip()}", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder, details]:
            write(Path(folder), *json.loads(details))
        case ["measure", folder]:
            measure(Path(folder))
        case _:
            main()
