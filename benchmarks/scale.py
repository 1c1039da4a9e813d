"""What the commands cost on a study of 100, 1,000 and 10,000 runs: seconds and memory.

    python benchmarks/scale.py                              # the three sizes
    python benchmarks/scale.py --runs 1000 --keep FOLDER    # one, whose records are used again

Of each of ten arms three runs of a tiny network are trained and evaluated. The others are their
copies under other seeds, with one weight and one prediction changed a little and sealed again, so
that all commands take them for what they are not, runs of their own. A row a command: seconds of
all its processes on a core, seconds by the clock, and the memory of the largest process.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))

from tiny import make_project, run  # noqa: E402

from aib import files  # noqa: E402
from aib.evaluation.command import evaluate_folder  # noqa: E402
from aib.launch import launch  # noqa: E402
from aib.params import load  # noqa: E402
from aib.provenance import TRAINING, code_hash  # noqa: E402
from aib.record import EVALUATION, PARTS, evaluation_digest  # noqa: E402
from aib.studies.plan import Cell, plan  # noqa: E402

SIZES = (100, 1_000, 10_000)
MODELS = ("vgg", "vgg-att", "vgg-dvib", "vgg-aib", "vgg-aib-qt")
RATES = (0.03, 0.05)
TRAINED = 3  # runs an arm that are no copies
STUDY = {
    **{"title": "Many runs", "hypothesis": "None.", "datasets": ["tiny-digits"]},
    **{"scale": "tiny", "protocol": "stated-short", "margin": 1.0, "stopping_rule": "none"},
    "arms": {
        f"{model}-{rate}": {"model": model, "overrides": {"optimiser.learning_rate": rate}}
        for model in MODELS
        for rate in RATES
    },
    "contrasts": [{"treatment": f"{m}-0.03", "control": "vgg-0.03"} for m in MODELS[1:]],
}
RESULTS = Path("results")
PLAN, PARSE, IDLE = "plan, nothing made", "Snakefile read by a job", "no-op"
COMMANDS = {
    PLAN: "snakemake -n --quiet all --config study=many",
    PARSE: "snakemake --list-rules --mode remote --config study=many",
    "status": "aib status many",
    "import into MLflow": "aib track many",
    "report": "aib report many",
    "evidence": "aib evidence many",
    "verify": "aib verify many",
    IDLE: "snakemake --cores 2 --quiet all --config study=many",
}


def declare(folder: Path, runs: int) -> Path:
    """A project with such a study and this checkout's code; what it has made stays."""
    for part in ("aib", "workflow", "params"):
        shutil.rmtree(folder / part, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    make_project(folder, epochs_without_pilot=10**9)
    study = STUDY | {"seeds": list(range(runs // len(STUDY["arms"])))}
    (folder / "params/studies/many.yaml").write_text(yaml.safe_dump(study))
    return folder


def make(folder: Path) -> None:
    """Its data and its records; those that are there stay."""
    run(folder, "aib", "data", "prepare", "tiny-digits")
    with inside(folder):
        for cell in plan(load(folder), "many").cells:
            make_cell(cell)


def make_cell(cell: Cell) -> None:
    """Train a few runs of an arm, and copy them for the other seeds."""
    folders = [RESULTS / "runs" / spec.folder for spec in cell.runs]
    for spec, folder in zip(cell.runs[:TRAINED], folders, strict=False):
        launch(spec, RESULTS, folder, code_hash(TRAINING), "cpu")
        if not (folder / EVALUATION).exists():
            evaluate_folder(folder, RESULTS, None, "cpu")
    for at, folder in enumerate(folders):
        if not (folder / files.RESULT).exists():
            copy(folders[at % TRAINED], folder, cell.runs[at].seed)


def copy(source: Path, target: Path, seed: int) -> None:
    """A finished run under another seed, unlike its source in one weight and one prediction."""
    shutil.rmtree(target, ignore_errors=True)  # half of a copy
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("lock"))
    result = json.loads((target / files.RESULT).read_text()) | {"seed": seed}
    spec = json.loads((target / files.SPEC).read_text()) | {"seed": seed}
    spec["spec"]["seed"] = seed
    files.write_json(target / files.SPEC, spec)
    nudge_weights(target / files.WEIGHTS, seed)
    nudge_predictions(target / files.PREDICTIONS, seed)
    result["files"] = files.seal(target)
    result["weights_sha256"] = result["files"][files.WEIGHTS]
    evaluations = json.loads((target / EVALUATION).read_text())
    for name, found in evaluations.items():
        found["identity"]["weights"] = result["weights_sha256"]
        found["digest"] = evaluation_digest(found)
        files.write_json(target / PARTS / f"{name}.json", found)
    files.write_json(target / EVALUATION, evaluations)
    for name in (files.RESULT, files.FINISHED):
        files.write_json(target / name, result)


def nudge_weights(path: Path, seed: int) -> None:
    """Another value for the first weight of the first layer."""
    from safetensors.numpy import load_file, save_file

    tensors = load_file(path)
    first = next(name for name in tensors if name.endswith("weight"))
    tensors[first] = tensors[first].copy()
    tensors[first].flat[0] += (1 + seed) * 1e-4
    save_file(tensors, path)


def nudge_predictions(path: Path, seed: int) -> None:
    """Another log-probability for the least likely class of some images, as the seed says."""
    with np.load(path) as kept:
        arrays = dict(kept)
    logits, steps = arrays["logits"], 1 + seed
    for image in np.flatnonzero(logits.argmin(axis=1) != arrays["labels"]):
        steps, change = divmod(steps, 4)
        logits[image, logits[image].argmin()] *= 1 + change * 2.0**-9
    files.write_arrays(path, **arrays)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Be there for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def settle(folder: Path) -> None:
    """Let Snakemake take what is there for made by itself, so that it has nothing to do."""
    done = folder / "results/tracking/many.done"
    done.parent.mkdir(exist_ok=True)
    done.touch()
    touch = ("--touch", "--cores", "1", "--quiet", "all", "--config", "study=many")
    run(folder, "snakemake", *touch, timeout=3600)


# In a small process of its own: Linux begins a child's count of memory with that of its parent.
MEASURE = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
used, took = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begin
if done.returncode:
    sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
print(json.dumps([used.ru_utime + used.ru_stime, took, used.ru_maxrss / 1000]))
"""


def measure(folder: Path, command: str) -> tuple[float, float, float]:
    """Seconds on a core, seconds by the clock, and MB of the largest process."""
    said = run(folder, sys.executable, "-c", MEASURE, *command.split(), timeout=3600).stdout
    return tuple(json.loads(said))


def main() -> None:
    """Measure every command on every size asked for, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, nargs="*", default=SIZES)
    parser.add_argument("--keep", type=Path, help="a folder for the projects, made once")
    parser.add_argument("--only", choices=COMMANDS, nargs="*", default=list(COMMANDS))
    arguments = parser.parse_args()
    table = Table("runs", "command", "s of a core", "s", "MB")
    with tempfile.TemporaryDirectory() as temporary:
        for runs in arguments.runs:
            root = (arguments.keep or Path(temporary)).resolve()
            empty, full = (declare(root / f"{kind}-{runs}", runs) for kind in ("empty", "full"))
            make(full)
            for name in arguments.only:
                if name == IDLE:
                    settle(full)
                cpu, took, memory = measure(empty if name == PLAN else full, COMMANDS[name])
                print(f"{runs} {name}: {cpu:.1f} s, {took:.1f} s, {memory:.0f} MB", file=sys.stderr)
                table.add_row(f"{runs:,}", name, f"{cpu:.1f}", f"{took:.1f}", f"{memory:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
