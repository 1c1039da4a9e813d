"""The checks over all runs of a target: a study, a folder of results, or a file of evidence."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aib.data.prepared import PreparedData
from aib.errors import AibError
from aib.evidence import default_path, study_of, unpack
from aib.files import RESULT
from aib.params import Parameters
from aib.record import Record, read
from aib.reporting.gathering import gathered
from aib.studies.blocks import due, taken
from aib.studies.plan import Plan, plan, plan_all
from aib.verification import runs as of_run
from aib.verification import together
from aib.verification.evaluations import evaluations
from aib.verification.evidence import against_runs
from aib.verification.findings import Findings
from aib.verification.given import Given
from aib.verification.reports import report


@dataclass(frozen=True)
class Target:
    """What is verified: where its runs lie, which study they are of, what was said of them."""

    results: Path  # has runs/ and data/
    evidence: Path | None  # unpacked, in place of runs that are not in results
    study: Plan | None
    report: Path | None  # the folder of the study's report

    def place_of(self, run: str) -> tuple[Path, bool] | None:
        """Where a run lies and whether it comes from evidence; None where it is not there."""
        if (self.results / "runs" / run / RESULT).exists():
            return self.results / "runs" / run, False
        if self.evidence and (self.evidence / "runs" / run / RESULT).exists():
            return self.evidence / "runs" / run, True
        return None

    def places(self) -> list[str]:
        """The runs to look at: those that the study declares, else all that are there."""
        if self.study is not None:
            return [str(folder) for folder in self.study.by_folder]
        roots = [root / "runs" for root in (self.results, self.evidence) if root]
        found = {path.parent.relative_to(r) for r in roots for path in r.glob(f"*/*/*/*/{RESULT}")}
        return sorted(map(str, found))


@contextmanager
def target(
    parameters: Parameters, name: str, study: str | None, results: Path, reports: Path
) -> Iterator[Target]:
    """What a name stands for: a file of evidence, a folder of results, or a study."""
    path = Path(name)
    with tempfile.TemporaryDirectory() as temporary:
        unpacked = Path(temporary)
        if path.is_file():
            study = study or study_of(path)
            unpack(path, study, unpacked)
            yield Target(unpacked / "none", unpacked, plan(parameters, study), None)
            return
        if path.is_dir():
            root = path.parent if path.name == "runs" else path
            if not (root / "runs").is_dir():
                raise AibError(f"{path}: no folder of results; it would have runs/ in it")
            yield Target(root, None, plan(parameters, study) if study else None, None)
            return
        if study is not None:
            raise AibError(f"{name}: no file and no folder; --study says of what study one is")
        try:
            whole, folder = plan(parameters, name), reports / name
        except AibError as error:
            raise AibError(f"{name}: no file and no folder; as a study: {error}") from None
        made = due(whole, taken(whole, folder))
        packed = default_path(reports, name)
        if packed.exists():
            unpack(packed, name, unpacked)
        yield Target(results, unpacked if packed.exists() else None, made, folder)


def verify(
    parameters: Parameters, given: Target, code: str, where: str, current: bool
) -> tuple[Findings, list[Given]]:
    """Every check but training again; the findings, and the runs that could be read.

    Args:
        parameters: what is declared.
        given: what is verified.
        code: hash of the training code that is expected, and `where` that is.
        current: whether it is this checkout's, so that evaluations must be of its code, too.
    """
    findings, prepared, runs = Findings(), {}, {}
    places = {place: found for place in given.places() if (found := given.place_of(place))}
    if not places:
        raise AibError("no finished run is there to be verified")
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for place, (folder, packed) in places.items():
        record = _readable(findings, place, folder, packed)
        if record is None:
            continue
        run = Given(record, place, _data(findings, given, record, prepared))
        _check_run(findings, run, parameters, current, alike)
        # Without the arrays that the checks have read: those of ten thousand runs would not fit.
        runs[place] = replace(run, record=Record(folder, record.result, packed))
    found = list(runs.values())
    findings.look("weights", "all runs", together.copies(alike))
    if found:
        findings.look("code", "all runs", together.code(found, code, where))
    sound = {name: data for name, data in prepared.items() if data}
    findings.look("data", "all runs", together.digests(found, sound))
    _check_study(findings, given, parameters, runs, set(places))
    return findings, found


def _readable(findings: Findings, place: str, folder: Path, packed: bool) -> Record | None:
    """The record, if result.json has the form of one."""
    try:
        record, problems = read(folder, packed), []
    except AibError as error:
        record, problems = None, [str(error)]
    findings.look("record", place, problems)
    return record


def _data(
    findings: Findings, given: Target, record: Record, known: dict[str, PreparedData | None]
) -> PreparedData | None:
    """The run's dataset, hashed once; None where it is not here, or is not sound."""
    name = record.result["names"]["dataset"]
    if name not in known:
        known[name], problem = together.data(given.results / "data" / name)
        if problem:
            findings.look("data", name, [problem])
        elif known[name] is None:
            findings.notes.append(f"data: {name} is not here; labels and masks were not compared")
    data = known[name]
    return data if data and data.digest == record.result["data_digest"] else None


def _check_run(
    findings: Findings,
    run: Given,
    parameters: Parameters,
    current: bool,
    alike: dict[tuple[str, str], list[str]],
) -> None:
    """All checks of one run; its place is added to those `alike` by its marks."""

    def marked() -> Iterator[str]:
        for mark in together.marks(run):
            alike[mark].append(run.place)
        yield from () if run.packed else of_run.weights(run)

    place = run.place
    findings.look("files", place, of_run.sealed_files(run))
    findings.look("spec", place, of_run.spec(run))
    findings.look("history", place, of_run.history(run))
    if not run.record.has_figures:
        return
    findings.look("predictions", place, of_run.predictions(run))
    findings.look("maps", place, of_run.maps(run))
    findings.look("weights", place, marked())
    if run.result["scored"] == "test":
        findings.look("evaluations", place, evaluations(run, parameters.evaluations, current))


def _check_study(
    findings: Findings,
    given: Target,
    parameters: Parameters,
    runs: dict[str, Given],
    places: set[str],
) -> None:
    """What only a declared study has: completeness, evidence beside runs, a report."""
    if given.study is None:
        findings.notes.append(
            "declared: no study was named (--study); completeness was not checked"
        )
        return

    def known() -> set[str]:
        plans, _ = plan_all(parameters)
        return {str(folder) for each in plans.values() for folder in each.by_folder}

    root = given.results if given.results.exists() else given.evidence
    if root is not None:
        problems = together.declared(given.study, places, known, root / "runs")
        findings.look("declared", "study", problems)
    findings.look("declared", "specs", together.specs(given.study, runs))
    if given.report is None:
        return
    if given.evidence is None:
        findings.notes.append("evidence: the study has no file of it")
    else:
        where = str(given.report / "evidence")
        findings.look("evidence", where, against_runs(given.evidence, given.results, [*places]))
    # Either: a report of which one was deleted is no report that was never made.
    if not any((given.report / name).exists() for name in ("index.html", "summary.json")):
        findings.notes.append("report: the study has none")
        return
    findings.look("report", given.report, _report(given, parameters, runs))


def _report(given: Target, parameters: Parameters, runs: dict[str, Given]) -> Iterator[str]:
    name = given.study.name
    packed = default_path(given.report.parent, name) if given.evidence else None
    allowed = {"allow_mixed_code": True, "allow_missing": True}  # these are problems by themselves
    with gathered(
        plan(parameters, name), given.results, given.report, packed, **allowed
    ) as results:
        whole = not any(run.packed for run in runs.values())
        yield from report(results, given.report, parameters.published, whole)


def cell_of(run: Given, runs: Sequence[Given]) -> list[Given]:
    """All runs of a run's spec."""
    return [other for other in runs if other.place.rsplit("/", 1)[0] == run.place.rsplit("/", 1)[0]]
