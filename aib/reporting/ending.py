"""Were the arms of a study trained to their end? Another study, of more epochs, says."""

from pathlib import Path

from aib.params import Study
from aib.reading import as_written, read_json


def was_checked(study: Study, reports: Path) -> bool:
    """Whether the study that it names as its check is reported, with all of its runs."""
    if study.checked_in is None:
        return False
    path = reports / study.checked_in / "summary.json"
    if not path.exists():
        return False
    with as_written(path, "run the pipeline again"):
        cells = [cell for arms in read_json(path)["cells"].values() for cell in arms.values()]
        return not any(cell["missing"] for cell in cells)
