"""Do evidence and the runs that are here hold the same?"""

from collections.abc import Iterator
from pathlib import Path

from aib.files import RESULT, read_json
from aib.record import OF_THE_MOMENT


def against_runs(unpacked: Path, results: Path, places: list[str]) -> Iterator[str]:
    """Runs of which evidence tells other things than the folder of results, of the same weights.

    A run that was made again has its own times, and on another processor its own weights: what is
    said of those is compared by `aib compare`.
    """
    for place in places:
        paths = [root / "runs" / place / RESULT for root in (unpacked, results)]
        if not all(path.exists() for path in paths):
            continue
        packed, own = (
            {k: v for k, v in read_json(path).items() if k not in OF_THE_MOMENT} for path in paths
        )
        if packed.get("weights_sha256") == own.get("weights_sha256") and packed != own:
            differing = sorted(k for k in packed.keys() | own.keys() if packed.get(k) != own.get(k))
            yield f"{place}: of the same weights it has another {', '.join(differing)}"
