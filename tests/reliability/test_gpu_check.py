"""What a GPU's owner runs first, on a CPU at small sizes: it passes, and notices what is wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import PARTS, ROOT, edit, environment

CHECKS = ("device", "repeat", "resume", "precisions", "matrices", "families", "side-by-side")

CPU = ("--device", "cpu", "--minutes", "60")


@pytest.fixture
def project(tmp_path) -> Path:
    """All that gpu-check runs, to be broken."""
    for part in (*PARTS, "benchmarks/gpu_check", "tests/tiny.py"):
        (tmp_path / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tmp_path / part)
    return tmp_path


def gpu_check(project: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "benchmarks/gpu_check", *options]
    return subprocess.run(
        command, cwd=project, env=environment(project), capture_output=True, text=True
    )


def outcomes(project: Path) -> dict[str, tuple[str, str]]:
    report = json.loads((project / "results/gpu-check/report.json").read_text())
    return {name: (each["state"], each["words"]) for name, each in report["checks"].items()}


def test_all_but_compiling_and_a_study_on_a_cpu(project):
    """Those two take a minute of compiling, and what other tests do: the study by Snakemake."""
    done = gpu_check(project, *CPU, "--only", *CHECKS)
    assert done.returncode == 0, done.stdout + done.stderr
    found = outcomes(project)
    assert [(name, state) for name, (state, _) in found.items()] == [(n, "passed") for n in CHECKS]
    assert found["resume"][1] == "the same bits after 3 kills"
    text = (project / "results/gpu-check/report.md").read_text()
    assert "at small sizes, which say nothing about speed" in text
    assert "| wrn-aib-qt | bf16 | 4 |" in text


def test_a_step_that_is_never_the_same_and_a_precision_that_is_another_are_noticed(project):
    where = project / "aib/training/loop.py"
    edit(where, "prediction = forward(images)", "prediction = forward(images + _noise(images))")
    edit(where, "AUTOCAST = {", 'AUTOCAST = {"fp32": torch.bfloat16, ')
    noise = "torch.Generator().manual_seed(time.time_ns())"
    noise = f"1e-4 * torch.randn(images.shape, generator={noise})"
    where.write_text(f"{where.read_text()}\n\ndef _noise(images):\n    return {noise}\n")
    done = gpu_check(project, *CPU, "--only", "repeat", "precisions")
    assert done.returncode == 1
    found = outcomes(project)
    assert [state for state, _ in found.values()] == ["failed", "failed"]
    assert "weights.safetensors differs" in found["repeat"][1]
    assert found["precisions"][1].startswith("fp32: the loss is off by")


def test_a_missing_gpu_and_a_check_without_an_end_are_failures(project):
    done = gpu_check(project)
    assert done.returncode == 1
    assert "device cuda was asked for, and this machine has none" in done.stdout
    assert list(outcomes(project)) == ["device"]  # nothing else is tried
    done = gpu_check(project, "--device", "cpu", "--minutes", "0.001", "--only", "resume")
    assert done.returncode == 1
    assert outcomes(project)["resume"][1].startswith("not done after 0 s; see")
