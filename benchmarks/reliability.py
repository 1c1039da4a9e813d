"""What finished work survives: `python benchmarks/reliability.py [kills] [faults] [input]`.

Real processes of a tiny study, killed at random moments in every phase and started again (15
minutes), and made to fail at their writes (15 minutes); what they end with must be, to the bit,
what an undisturbed process gives. Then the tests of hostile input, counted (10 minutes). The table
of each part replaces that in docs/reliability.md, with machine and commit; exit 1 if anything was
lost.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from error_rates import replace_table

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from tiny import environment, make_project, run  # noqa: E402

from aib.provenance import environment as versions  # noqa: E402
from aib.provenance import git_state  # noqa: E402

# What no repetition shares: times, and the digest of an evaluation, which is over its seconds too.
TIMES = {"cost", "files", "seconds", "images_per_second", "step_seconds", "digest"}
FAULTS = Path(__file__).parent / "faults"  # a sitecustomize.py that makes the k-th write fail
MOST = 10  # faults of a kind in a phase
TESTED = {  # of which every test is one attack, or a few
    "hostile archives and files": ("tests/unit/test_data_hostile.py",),
    "hostile servers": ("tests/unit/test_data_sources.py",),
    "damaged and fuzzed input": ("tests/unit/test_damage.py", "tests/unit/test_fuzz.py"),
    "tamperings with a study": ("tests/workflow/test_verify.py",),
    "kills of dvc and Snakemake": ("tests/workflow/test_kills.py",),
}


@dataclass(frozen=True)
class Phase:
    """A command, what it makes, and what must be forgotten before it is run anew."""

    name: str
    command: tuple[str, ...]
    made: tuple[str, ...]  # paths below the project
    kills: float  # share of all
    again: tuple[tuple[str, ...], ...] = ()  # what a user types before the command, after a kill


@dataclass
class Row:
    """One line of the table."""

    what: str
    tried: int
    survived: int
    meaning: str

    @property
    def lost(self) -> int:
        return self.tried - self.survived


def phases(project: Path) -> list[Phase]:
    """Every phase of the tiny study, in the order of the pipeline."""
    names = sorted(json.loads(run(project, "python", "-c", RUNS).stdout))
    first, other = names[0], names[-1]
    study = ("--config", "study=tiny")
    return [
        Phase("prepare", ("aib", "data", "prepare", "tiny-digits"), ("results/data",), 0.1),
        *(
            Phase(
                f"train {name.split('/')[1]}",
                ("aib", "train", name, "--device", "cpu", "--checkpoint-seconds", "0"),
                (f"results/runs/{name}",),
                0.25,
            )
            for name in (first, other)
        ),
        Phase(
            "evaluate",
            ("aib", "evaluate", f"results/runs/{other}", "--device", "cpu"),
            (f"results/runs/{other}/evaluation.json", f"results/runs/{other}/evaluation"),
            0.1,
        ),
        Phase(
            "the whole study by Snakemake",
            ("snakemake", "--cores", "2", "--rerun-incomplete", *study),
            ("results/runs", "reports/tiny", ".snakemake"),
            0.2,
            (("aib", "unlock"),),
        ),
        Phase("report", ("aib", "report", "tiny"), ("reports/tiny",), 0.05),
        Phase("evidence", ("aib", "evidence", "tiny"), ("reports/tiny/evidence",), 0.05),
    ]


RUNS = """
import json
from pathlib import Path
from aib.params import load
from aib.studies.plan import plan
print(json.dumps([str(run.folder) for run in plan(load(Path.cwd()), "tiny").runs]))
"""


def digest(project: Path, made: tuple[str, ...]) -> dict[str, str]:
    """What is there of a phase, without what no repetition shares."""
    found = {}
    for name in made:
        root = project / name
        for path in [root] if root.is_file() else sorted(root.rglob("*")):
            if path.is_file() and ".snakemake" not in path.parts:
                found[str(path.relative_to(project))] = _content(path)
    return {name: content for name, content in found.items() if content}


def _content(path: Path) -> str:
    """A digest; none for locks, logs and what holds nothing but times."""
    match path.suffix:
        case ".json":
            return str(_timeless(json.loads(path.read_text())))
        case ".jsonl":
            return str([_timeless(json.loads(line)) for line in path.read_text().splitlines()])
        case ".npy" | ".npz" | ".safetensors" | ".svg":
            return sha256(path.read_bytes()).hexdigest()
    return ""


def _timeless(content):
    if isinstance(content, dict):
        return {k: _timeless(v) for k, v in sorted(content.items()) if k not in TIMES}
    return [_timeless(item) for item in content] if isinstance(content, list) else content


def forget(project: Path, phase: Phase) -> None:
    for name in phase.made:
        path = project / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)


def killed(project: Path, phase: Phase, kills: int, moments: random.Random) -> Row:
    """Kill the process group at random moments, up to four times before each completion."""
    forget(project, phase)
    begin = time.perf_counter()
    run(project, *phase.command)
    took, right = time.perf_counter() - begin, digest(project, phase.made)
    tried = survived = 0
    while tried < kills:
        forget(project, phase)
        count = 0
        for _ in range(min(4, kills - tried)):
            process = subprocess.Popen(
                phase.command,
                cwd=project,
                env=environment(project),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            time.sleep(moments.uniform(0, took))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                count += 1
            process.wait()
            for command in phase.again:
                run(project, *command)
        last = run(project, *phase.command, check=False)
        right_again = last.returncode == 0 and digest(project, phase.made) == right
        if not right_again:
            print(f"LOST in {phase.name}: {last.stdout[-500:]}{last.stderr[-500:]}")
        tried += count
        survived += count * right_again
    return Row(f"kill −9, {phase.name}", tried, survived, "ended in the same bits")


def failing(project: Path, phase: Phase, fault: str) -> Row:
    """Make one opening for writing, or flush to disk, fail in each process: all, or `MOST`."""
    forget(project, phase)
    counted = faulty(project, phase, "COUNT", -1).stderr
    writes = int(re.search(r"AIB_FAULT counted (\d+)", counted)[1])
    right, survived = digest(project, phase.made), 0
    chosen = sorted({round(1 + i * (writes - 1) / (MOST - 1)) for i in range(MOST)})
    for write in chosen:
        forget(project, phase)
        first = faulty(project, phase, fault, write)
        said = [line for line in first.stderr.splitlines() if line.startswith("error: ")]
        last = run(project, *phase.command, check=False)
        good = len(said) == 1 and "Traceback" not in first.stderr
        good = good and last.returncode == 0 and digest(project, phase.made) == right
        if not good:
            told = f"{first.stderr[-800:]}{last.stderr[-300:]}"
            print(f"LOST in {phase.name}, write {write}: {told}")
        survived += good
    what = f"{fault} at {len(chosen)} of {writes} writes, {phase.name}"
    return Row(what, len(chosen), survived, "one line; then the same bits")


def faulty(project: Path, phase: Phase, fault: str, write: int) -> subprocess.CompletedProcess[str]:
    """The command with that write failing."""
    around = environment(project) | {"AIB_FAULT": f"{fault}:{write}"}
    around["PYTHONPATH"] = f"{FAULTS}{os.pathsep}{around['PYTHONPATH']}"
    return subprocess.run(
        phase.command, cwd=project, env=around, capture_output=True, text=True, check=False
    )


def jumped(project: Path, phase: Phase, tries: int, moments: random.Random) -> Row:
    """Clocks that jump and locks that are lost: files of any age, none of the locks left."""
    right, survived = digest(project, phase.made), 0
    logs = {path: path.read_bytes() for path in project.glob("results/runs/**/log.txt")}
    for _ in range(tries):
        for path in [*project.glob("results/**/*"), *project.glob("reports/tiny/**/*")]:
            when = time.time() + moments.uniform(-86400, 86400)
            os.utime(path, (when, when))
        for lock in [*project.glob("results/runs/**/lock"), project / ".snakemake/alive"]:
            lock.unlink(missing_ok=True)
        last = run(project, *phase.command, check=False)
        good = last.returncode == 0 and digest(project, phase.made) == right
        survived += good and all(path.read_bytes() == log for path, log in logs.items())
    return Row("files a day older or younger, locks gone", tries, survived, "nothing trained again")


def tested(what: str, paths: tuple[str, ...]) -> Row:
    """Tests of hostile input, counted."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "junit.xml"
        command = ("pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={path}", *paths)
        subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.DEVNULL, check=False
        )
        suite = xml.parse(path).getroot()[0]
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    tried = counts["tests"] - counts["skipped"]
    return Row(what, tried, tried - counts["failures"] - counts["errors"], "tests passed")


@contextmanager
def tiny_project() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project")
        run(project, "snakemake", "--cores", "2", "--config", "study=tiny")
        yield project


def kills(count: int) -> Iterator[Row]:
    """Kills in every phase, then clocks and locks."""
    moments = random.Random(0)
    with tiny_project() as project:
        every = phases(project)
        for phase in every:
            yield killed(project, phase, round(count * phase.kills), moments)
        whole = next(phase for phase in every if phase.again)
        run(project, *whole.command)
        yield jumped(project, whole, 10, moments)


def faults(_: int) -> Iterator[Row]:
    """Disks that are full or fail, in every phase of one process."""
    with tiny_project() as project:
        for phase in phases(project):
            if not phase.again and phase.name != "train vgg":
                for fault in ("ENOSPC", "EIO"):
                    yield failing(project, phase, fault)


def hostile(_: int) -> Iterator[Row]:
    """Servers, archives, files, tamperings."""
    for what, paths in TESTED.items():
        yield tested(what, paths)


PARTS = {"kills": kills, "faults": faults, "input": hostile}
HEAD = ["| what | tried | survived or caught | lost | what counts |", "|---|---|---|---|---|"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if not given")
    parser.add_argument("--kills", type=int, default=120)
    asked = parser.parse_args()
    state, found, lost = git_state(ROOT), versions(), 0
    for part in asked.parts or PARTS:
        lines = list(HEAD)
        for row in PARTS[part](asked.kills):
            lines.append(
                f"| {row.what} | {row.tried} | {row.survived} | {row.lost} | {row.meaning} |"
            )
            lost += row.lost
            print(lines[-1], flush=True)
        machine = f"{found['processor']}, {found['cores']} cores, Python {found['python']}"
        commit = f"commit {state['commit'][:12]}" + " and changes" * bool(state["dirty"])
        torch = f"torch {found['libraries']['torch']}"
        lines += ["", f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {torch}; {commit}."]
        replace_table(part, lines, ROOT / "docs/reliability.md")
    sys.exit(lost > 0)


if __name__ == "__main__":
    main()
