"""The two sides of a comparison, from a study's runs, a results folder, evidence or a reference."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aib.errors import AibError
from aib.evidence import study_of
from aib.reporting.gathering import gathered
from aib.reporting.reference import Content, make_reference, read_reference
from aib.studies.plan import Plan


@dataclass(frozen=True)
class Sides:
    """How a side is read: a path, or a study's name for its runs in the results folder."""

    plan: Callable[[str], Plan]
    results_root: Path
    reports: Path

    def study(self, named: str | None, *sides: str | None) -> str:
        """The study that they are of; `AibError` where none says so, or where they disagree."""
        told = {side: study for side in sides if side for study in [_study(side)] if study}
        names = {*told.values(), *filter(None, [named])}
        if not names:
            raise AibError(f"{sides[0]}: does not say of which study; name it with --study")
        if len(names) > 1:
            which = [f"{side} is of study '{study}'" for side, study in told.items()]
            which += [f"--study is '{named}'"] if named else []
            raise AibError(f"one study is compared with itself, and {', '.join(which)}")
        return names.pop()

    def read(self, side: str, study: str) -> Content:
        """What is compared of a side; its records are checked against their seals."""
        path = Path(side)
        if path.suffix == ".json":
            return read_reference(path)
        evidence = path if path.is_file() else None
        root = None if evidence else path if _holds_runs(path) else self.results_root
        with gathered(self.plan(study), root, self.reports / study, evidence) as results:
            return make_reference(results)


def _study(side: str) -> str | None:
    """The study that a side names; None for a results folder, which may hold several."""
    path = Path(side)
    if _holds_runs(path):
        return None
    if path.suffix == ".json":
        return read_reference(path)["study"]
    if path.is_file():
        return study_of(path)
    if path.suffix or len(path.parts) > 1:
        raise AibError(
            f"{side}: neither a results folder, which has runs/ in it, nor evidence (reports/STUDY/"
            "evidence/runs.tar.xz), nor a reference (reports/STUDY/reference.json)"
        )
    return side


def _holds_runs(path: Path) -> bool:
    return (path / "runs").is_dir()
