"""A copy of the project in a folder, with a study that trains in seconds."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PARTS = (
    "aib",
    "snakemake_logger_plugin_aib",
    "workflow",
    "params",
    "Snakefile",
    "dvc.yaml",
    "pyproject.toml",
    ".gitignore",
)

DATASET = {"train": 200, "validation": 60, "test": 100}
NETWORK = {
    "blocks": [
        {"channels": 4, "layers": 1, "kernel": 4, "stride": 2},
        {"channels": 4, "layers": 1, "pool": "after"},
        {"channels": 8, "layers": 1, "pool": "after"},
    ],
    "attention_after": 2,
    "dense": 8,
    "latent": 4,
}
SCALE = {"description": "seconds", "networks": {"vgg": NETWORK}, "epochs": 2, "map_sample": 50}
SCALE |= {"epochs_without_pilot": 1000, "job": {"minutes": 10, "memory_gb": 2}}
EVALUATIONS = {kind: {"kind": kind} for kind in ("interventions", "localisation", "calibration")}
STUDY = {
    "title": "A tiny study",
    "hypothesis": "None; it exercises the pipeline.",
    "datasets": ["tiny-digits"],
    "scale": "tiny",
    "protocol": "stated-short",
    "seeds": [0, 1],
    "margin": 1.0,
    "stopping_rule": "none",
    "arms": {"vgg": {"model": "vgg"}, "vgg-aib-qt": {"model": "vgg-aib-qt"}},
    "contrasts": [{"treatment": "vgg-aib-qt", "control": "vgg"}],
}


def make_project(folder: Path, **scale) -> Path:
    """Copy the project into `folder` and add study, scale and dataset "tiny"."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / part, ignore=ignore)
        elif source.exists():
            shutil.copy(source, folder / part)
    datasets = yaml.safe_load((folder / "params/datasets.yaml").read_text())
    entry = datasets["cluttered-digits"] | DATASET
    append(folder / "params/datasets.yaml", {"tiny-digits": entry})
    (folder / "params/evaluations.yaml").write_text(yaml.safe_dump(EVALUATIONS))
    # What asks of studies and evaluations by name is left out.
    (folder / "params/claims.yaml").write_text("{}\n")
    for path in (folder / "params/studies").glob("*.yaml"):
        study = yaml.safe_load(path.read_text())
        if study.pop("measures", None):
            path.write_text(yaml.safe_dump(study, sort_keys=False))
    append(folder / "params/scales.yaml", {"tiny": SCALE | scale})
    (folder / "params/studies/tiny.yaml").write_text(yaml.safe_dump(STUDY))
    return folder


def make_repository(folder: Path) -> Path:
    """Copy the project into `folder`, a Git repository whose study `quick` is the tiny one."""
    make_project(folder)
    study = yaml.safe_dump(STUDY | {"datasets": ["cluttered-digits"]}, sort_keys=False)
    study = study.replace("seeds:\n- 0\n- 1\n", "seeds: [0, 1]\n")
    (folder / "params/studies/quick.yaml").write_text(study)
    (folder / "params/studies/tiny.yaml").unlink()
    datasets = yaml.safe_load((folder / "params/datasets.yaml").read_text())
    datasets["cluttered-digits"] = datasets.pop("tiny-digits")
    (folder / "params/datasets.yaml").write_text(yaml.safe_dump(datasets))
    for path in (".dvc/config", ".dvc/.gitignore", ".dvcignore", "Makefile", "requirements.lock"):
        (folder / path).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / path, folder / path)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, "start")
    return folder


def append(path: Path, content: dict) -> None:
    """Add entries to a YAML file of names."""
    path.write_text(path.read_text() + "\n" + yaml.safe_dump(content))


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that must be there."""
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new, 1))


def environment(project: Path) -> dict[str, str]:
    """Run the copy's package with this interpreter's tools, on the CPU."""
    tools = Path(sys.executable).parent
    return os.environ | {
        "PYTHONPATH": str(project),
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "CUDA_VISIBLE_DEVICES": "",
        "GIT_CEILING_DIRECTORIES": str(project.parent),
    }


def run(
    project: Path, *command: str, check: bool = True, timeout: float = 600
) -> subprocess.CompletedProcess:
    """Run a command in the project; its output is part of the failure. `timeout` in seconds."""
    result = subprocess.run(
        command,
        cwd=project,
        env=environment(project),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout,
    )
    if check:
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
    return result


def git(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run Git as somebody."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    return run(project, "git", *identity, *arguments)


def commit(project: Path, message: str) -> None:
    """Commit all that Git does not ignore."""
    git(project, "add", "-A")
    git(project, "commit", "-qm", message)


def jobs(project: Path, *snakemake: str) -> dict[str, int]:
    """What a dry run of a Snakemake command would do: number of jobs by rule."""
    output = run(project, *snakemake, "-n").stdout
    table = re.findall(r"^(\w+) +(\d+)$", output, re.MULTILINE)
    return {rule: int(count) for rule, count in table if rule not in ("all", "total")}


def trained(output: str) -> int:
    """Number of trainings that Snakemake announced."""
    return output.count(": training vgg")


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder and below, by its path there."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}
