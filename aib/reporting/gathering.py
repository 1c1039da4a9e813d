"""The results of a study from wherever they lie: the results folder, evidence, or both."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aib.evidence import unpack
from aib.reporting.collect import StudyResults, collect
from aib.reporting.looks import check_looks
from aib.studies.blocks import check_over, due, taken
from aib.studies.plan import Plan


@contextmanager
def gathered(
    plan: Plan,
    results_root: Path | None,
    looks_in: Path,
    evidence: Path | None = None,
    **allowed: bool,
) -> Iterator[StudyResults]:
    """The collected runs of a study, for as long as the block lasts.

    Args:
        plan: the whole study.
        results_root: the results folder; None to take evidence alone, with its own looks.
        looks_in: the folder of looks.json, reports/STUDY.
        evidence: a file with the runs that are not in the results folder.
        allowed: `allow_mixed_code` and `allow_missing`, as in `collect`.
    """
    with TemporaryDirectory() as unpacked:
        if evidence:
            unpack(evidence, plan.name, Path(unpacked))
        if results_root is None:
            results_root, looks_in = Path(unpacked) / "no other results", Path(unpacked)
        looks = taken(plan, looks_in)
        check_over(plan, looks)
        results = collect(due(plan, looks), results_root, elsewhere=Path(unpacked), **allowed)
        if looks:
            check_looks(results, looks, looks_in)
        yield results
