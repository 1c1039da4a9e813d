"""The code hash sees every statement that a phase can reach, and nothing else."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from aib.provenance import import_closure

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package(tmp_path):
    shutil.copytree(ROOT / "aib", tmp_path / "aib", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def hashes(folder: Path) -> tuple[str, str]:
    """Code hashes of training and of the report, of the package copy in `folder`."""
    code = (
        "from aib.provenance import code_hash as h;"
        "print(h('aib.training.run'), h('aib.reporting.page'))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return tuple(run.stdout.split())


def test_a_statement_counts_and_a_comment_does_not(package):
    training, report = hashes(package)
    path = package / "aib/training/schedule.py"
    text = path.read_text()
    path.write_text("# a comment\n" + text.replace('"""Learning rates', '"""Other words, rates'))
    assert hashes(package) == (training, report)
    path.write_text(text.replace("0.5", "0.6"))
    changed = hashes(package)
    assert changed[0] != training
    assert changed[1] == report


def test_report_code_does_not_reach_training(package):
    training, report = hashes(package)
    path = package / "aib/reporting/page.py"
    path.write_text(path.read_text() + "\nANOTHER = 1\n")
    changed = hashes(package)
    assert changed[0] == training
    assert changed[1] != report


def test_phases_do_not_import_what_they_must_not():
    training, report = import_closure("aib.training.run"), import_closure("aib.reporting.page")
    assert "aib.models.attention" in training
    assert not {name for name in training if name.startswith(("aib.reporting", "aib.statistics"))}
    assert not {name for name in report if name.startswith(("aib.models", "aib.training"))}
    # What prepared data are it must know, to show none but what the runs saw; not how they come.
    assert {name for name in report if name.startswith("aib.data.")} == {
        *("aib.data.checksums", "aib.data.prepared", "aib.data.statistics", "aib.data.verifying")
    }


@pytest.mark.parametrize(
    "place",
    [
        "params/studies.py",
        "params/datasets.py",
        "params/protocols.py",
        "studies/plan.py",
        "studies/resolve.py",
        "evaluation/parts/localisation.py",
        "statistics/verdicts.py",
        "reporting/drawing.py",
        "cli.py",
        "launch.py",
        "provenance.py",
        "record.py",
        "gpus.py",
        "data/clutter.py",
        "data/verifying.py",
    ],
)
def test_what_cannot_change_a_number_is_not_trainings_code(package, place):
    """A new field of studies, an evaluation, a statistic, a figure, a command retrain nothing."""
    training, _ = hashes(package)
    path = package / "aib" / place
    path.write_text(path.read_text() + "\nANOTHER = 1\n")
    assert hashes(package)[0] == training


@pytest.mark.parametrize(
    "place",
    [
        *("spec/run.py", "spec/parts.py", "spec/models.py", "objective.py", "models/attention.py"),
        *("data/loader.py", "data/augment.py", "evaluation/accuracy.py", "training/run.py"),
    ],
)
def test_what_can_change_a_number_is(package, place):
    training, _ = hashes(package)
    path = package / "aib" / place
    path.write_text(path.read_text() + "\nANOTHER = 1\n")
    assert hashes(package)[0] != training


def test_names_for_users_are_no_code_of_a_phase(package):
    """Which holds as long as nothing in the package imports one of them."""
    before = hashes(package)
    path = package / "aib/__init__.py"
    path.write_text(path.read_text() + "\nANOTHER = 1\n")
    assert hashes(package) == before
    modules = {path.stem for path in (ROOT / "aib").iterdir()}
    for path in (ROOT / "aib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "aib":
                assert {name.name for name in node.names} <= modules, path


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("aib.training.run", ["mlflow", "pandas", "seaborn", "snakemake", "sklearn", "matplotlib"]),
        ("aib.reporting.page", ["torch", "mlflow"]),
        ("aib.verification.command", ["torch", "mlflow"]),
        ("aib.evaluation.identity", ["torch", "mlflow", "sklearn", "scipy"]),
    ],
)
def test_heavy_libraries_stay_out(module, absent):
    code = f"import sys, {module}; print([m for m in {absent!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
