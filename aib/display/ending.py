"""What stands at the end: what it came to, what it cost, and where to look."""

from collections.abc import Iterator
from pathlib import Path

from rich.text import Text

from aib.claims import ledger
from aib.claims.tree import STYLES
from aib.display.progress import Progress
from aib.errors import AibError
from aib.params import load
from aib.status import cost, counts, duration, lines_of


def ending(progress: Progress, study: str, root: Path, reported: bool) -> Iterator[Text]:
    """The lines: after a report with the ledger's and the path of the page."""
    plan = progress.plan or progress.plans[0]
    found = list(lines_of(plan, root / "results").values())
    said = f"study {study}: {', '.join(counts(found))}, after {duration(progress.elapsed)}"
    yield Text(f"{said}; {cost(found)}")
    if progress.failed:
        yield Text(f"failed jobs: {len(progress.failed)}; what is finished is kept", style="red")
    if reported:
        yield from _verdicts(study, root)
        yield Text(f"page: reports/{study}/index.html")


def _verdicts(study: str, root: Path) -> Iterator[Text]:
    """What the ledger says of the claims that the study tests."""
    try:
        findings = [each for each in ledger(load(root), root / "reports") if each.study == study]
    except AibError as error:
        yield Text(f"the ledger cannot be read: {error}")
        return
    for each in findings:
        said = "; ".join(filter(None, (each.claim, each.found or each.wanted, each.asked)))
        yield Text(f"  {each.word:<17}", style=STYLES[each.word]).append(f" {said}", "default")
