"""What is wrong with the runs of a study taken together: completeness, copies, code, data."""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path

from aib.data.prepared import MANIFEST, PreparedData, load
from aib.data.verifying import verify
from aib.errors import AibError
from aib.files import RESULT
from aib.studies.plan import Plan
from aib.verification.given import Given


def declared(
    plan: Plan, found: Collection[str], known: Callable[[], Collection[str]], root: Path
) -> Iterator[str]:
    """Seeds that the study declares and that are not there, and others that nobody declared.

    Args:
        plan: of the study.
        found: places of the runs that are there, here or in evidence.
        known: gives the places of the runs that any study declares, in a second or two.
        root: the folder of runs, in which others are looked for.
    """
    for cell in plan.cells:
        seeds = zip(cell.folders, cell.runs, strict=True)
        lost = [run.seed for folder, run in seeds if str(folder) not in found]
        if lost:
            yield (
                f"arm {cell.arm} on {cell.dataset}: no run of seed{'s' * (len(lost) > 1)} "
                f"{', '.join(map(str, lost))}, of {len(cell.runs)} declared"
            )
    own = {str(folder) for folder in plan.by_folder}
    folders = sorted({folder.parent for folder in plan.by_folder})
    there = [str(f / path.parent.name) for f in folders for path in (root / f).glob(f"*/{RESULT}")]
    others = sorted(set(there) - own)
    for place in sorted(set(others) - set(known())) if others else ():
        yield f"{place}: is there, and no study of params/ declares it"


def specs(plan: Plan, runs: dict[str, Given]) -> Iterator[str]:
    """Runs whose spec says other than is declared, in what the key does not cover too."""
    for folder, run in plan.by_folder.items():
        given = runs.get(str(folder))
        if given is not None and given.spec != run:
            yield f"{folder}: its spec is not what params/ declares for it"


def marks(run: Given) -> Iterator[tuple[str, str]]:
    """What training cannot give twice: digests of the weights and of all predictions."""
    if run.record.has_figures:
        yield "weights", run.result["weights_sha256"]
        kept = run.record.predictions
        own = kept["log_probability"] if run.packed else kept["logits"]
        yield "predictions", sha256(own.tobytes()).hexdigest()


def copies(places: dict[tuple[str, str], list[str]]) -> Iterator[str]:
    """Runs that share a mark; `places` has those of each."""
    said = set()
    for (what, _), alike in places.items():
        if len(alike) > 1 and tuple(alike) not in said:
            said.add(tuple(alike))
            yield f"{alike[0]} and {', '.join(alike[1:])} have the same {what}: one is a copy"


def code(runs: Sequence[Given], expected: str, where: str) -> Iterator[str]:
    """Whether one version of the training code stands for all runs, and is the one expected."""
    for run in runs:
        if expected not in run.record.code_hashes:
            yield (
                f"{run.place}: trained by code {run.result['code_hash']}, {where} has {expected}; "
                "name the commit that trained it with --commit"
            )
    common = set.intersection(*(set(run.record.code_hashes) for run in runs))
    if not common:
        counts = Counter(run.result["code_hash"] for run in runs)
        said = ", ".join(f"{code}: {count} runs" for code, count in counts.items())
        yield f"no one code stands for all runs ({said})"


def code_of_commit(commit: str) -> str:
    """The hash of the training code at a commit of this repository."""
    if not re.fullmatch(r"[\w./~^@{}-]+", commit) or commit.startswith("-"):
        raise AibError(f"--commit {commit!r}: no name of a commit")
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, "aib"], capture_output=True, check=False
        )
        if archive.returncode:
            said = archive.stderr.decode(errors="replace").strip().splitlines()
            raise AibError(f"--commit {commit}: {said[-1] if said else 'not found'}")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        asked = "from aib.provenance import TRAINING, code_hash; print(code_hash(TRAINING))"
        found = subprocess.run(
            [sys.executable, "-c", asked],
            cwd=folder,
            env={"PYTHONPATH": folder},
            capture_output=True,
            text=True,
            check=False,
        )
    if found.returncode:
        raise AibError(f"--commit {commit}: its code gives no hash ({found.stderr.strip()[-200:]})")
    return found.stdout.strip()


def data(folder: Path) -> tuple[PreparedData | None, str | None]:
    """A prepared dataset, hashed; what is wrong with it, else. Both None where it is not here."""
    if not (folder / MANIFEST).exists():
        return None, None
    try:
        verify(folder)
        return load(folder), None
    except AibError as error:
        return None, str(error)


def digests(runs: Sequence[Given], prepared: dict[str, PreparedData]) -> Iterator[str]:
    """Runs of other data than is here, or than the other runs saw."""
    by_dataset = sorted(runs, key=lambda run: run.result["names"]["dataset"])
    for name, group in groupby(by_dataset, key=lambda run: run.result["names"]["dataset"]):
        members = list(group)
        counts = Counter(run.result["data_digest"] for run in members)
        right = prepared[name].digest if name in prepared else counts.most_common(1)[0][0]
        for run in members:
            if run.result["data_digest"] != right:
                other = "that is here" if name in prepared else "of the other runs"
                yield f"{run.place}: saw other arrays than those {other}"
            if (
                name in prepared
                and prepared[name].manifest["parameters"] != run.spec.dataset.identity
            ):
                yield f"{run.place}: its spec names another preparation than that of the data here"
