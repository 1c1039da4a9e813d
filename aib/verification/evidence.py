"""Do evidence and the runs that are here hold the same?"""

from collections.abc import Iterator
from pathlib import Path

from aib.files import METRICS, RESULT, SPEC


def against_runs(unpacked: Path, results: Path, places: list[str]) -> Iterator[str]:
    """Runs of which the unpacked evidence has another record than the folder of results."""
    for place in places:
        packed, own = unpacked / "runs" / place, results / "runs" / place
        for name in (RESULT, SPEC, METRICS):
            both = (packed / name).exists() and (own / name).exists()
            if both and (packed / name).read_bytes() != (own / name).read_bytes():
                yield f"{place}: its {name} is not that of the run that is here"
