"""What the owner of a GPU should run first: `make gpu-check`, under ten minutes.

Does the device compute the same bits twice and after kills, is every precision what it should be,
how fast is it, how many trainings should share it, does a whole study run on it? Each check is a
process of its own with a time limit, and ends as passed, failed, or not here with the reason. The
report is written to results/gpu-check; exit status 1 if a check failed. With --device cpu the same
lines run on a CPU, with small networks.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from report import write
from setting import ROOT, SMALL, Found, NotHere, Setting

from aib.errors import AibError

CHECKS = {  # what is called, as module:function
    "device": "machine:found_device",
    "repeat": "same_bits:repeat",
    "resume": "same_bits:resume",
    "precisions": "numerics:precisions",
    "matrices": "speed:matrices",
    "families": "speed:families",
    "compiled": "numerics:compiled",
    "side-by-side": "together:side_by_side",
    "study": "study:end_to_end",
}
SHARE = 0.25  # of the time, that one check has at most


def main() -> None:
    """Run the checks, or in a process of its own one of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list(CHECKS), metavar="CHECK")
    parser.add_argument("--minutes", type=float, default=10, help="in all, at most")
    parser.add_argument("--to", type=Path, default=ROOT / "results/gpu-check")
    parser.add_argument("--in-project", type=Path, help=argparse.SUPPRESS)  # is the one process
    options = parser.parse_args()
    if options.in_project:
        small = options.device == "cpu"
        setting = Setting(options.in_project, options.device, small)
        print(json.dumps(outcome(options.only[0], setting)))
        return
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), options.device)
        content = check_all(options, Path(folder))
    failed = [name for name, each in content["checks"].items() if each["state"] == "failed"]
    print(
        f"{options.to / 'report.md'}: {'failed: ' + ', '.join(failed) if failed else 'no failure'}"
    )
    sys.exit(bool(failed))


def prepare(project: Path, device: str) -> None:
    """A project with a tiny study and its data; and one GPU, for all checks."""
    from tiny import NETWORK, make_project

    from aib.data.library import Library
    from aib.gpus import visible_gpus
    from aib.params import load

    make_project(project, networks={"vgg": NETWORK, **SMALL})
    Library(load(project).datasets, project / "results").prepare("tiny-digits")
    gpus = visible_gpus() if device == "cuda" else []
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[0]


def check_all(options: argparse.Namespace, project: Path) -> dict[str, Any]:
    """Run the checks one after the other; write the report after each; return its content."""
    begun = time.monotonic()
    content = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "device": options.device}
    content |= {"seconds": 0.0, "checks": {}}
    for name in options.only:
        print(f"{name:14} …", end="\r", flush=True)
        whole = 60 * options.minutes
        left = whole - (time.monotonic() - begun)
        found = in_a_process(name, options, project, min(SHARE * whole, left))
        content["checks"][name] = found
        content["seconds"] = time.monotonic() - begun
        write(options.to, content)
        spent = f"{found['seconds']:5.0f} s"
        print(f"{name:14} {found['state']:8} {spent}  {found['words']}", flush=True)
        if name == "device" and found["state"] == "failed":
            break  # and so would all else
    return content


def in_a_process(
    name: str, options: argparse.Namespace, project: Path, limit: float
) -> dict[str, Any]:
    """One check, ended with all that it started when its time is over."""
    if limit <= 0:
        return {"state": "not here", "words": "no time left", "figures": {}, "seconds": 0.0}
    command = [sys.executable, str(Path(__file__).parent), "--only", name]
    command += ["--device", options.device, "--in-project", str(project)]
    log, begun = options.to / f"{name}.log", time.monotonic()
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w+") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(limit)
            words = f"ended with status {process.returncode}; see {log}"
        except subprocess.TimeoutExpired:
            words = f"not done after {limit:.0f} s; see {log}"
        finally:
            end(process)
    lines = log.read_text(errors="replace").splitlines()
    found = {"state": "failed", "words": words, "figures": {}}
    if process.returncode == 0 and lines:
        found = json.loads(lines[-1])
    return found | {"seconds": time.monotonic() - begun}


def end(process: subprocess.Popen) -> None:
    """Kill what is left of a process and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def outcome(name: str, setting: Setting) -> dict[str, Any]:
    """Make one check; whatever it raises is its outcome."""
    module, function = CHECKS[name].split(":")
    try:
        check: Callable[[Setting], Found] = getattr(import_module(module), function)
        found = check(setting)
    except NotHere as error:
        return {"state": "not here", "words": str(error), "figures": {}}
    except AibError as error:
        return {"state": "failed", "words": str(error), "figures": {}}
    return {"state": "passed", "words": found.words, "figures": found.figures}


if __name__ == "__main__":
    main()
