"""Information-bottleneck spatial attention, reproduced with intervals, verdicts and provenance.

`aib.load_run` gives a finished run with its network, `aib.runs` a table of runs
(docs/using-a-run.md). Both are imported when they are asked for, so that `import aib` stays cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aib.reporting.frame import runs
    from aib.use.trained import load_run

__all__ = ["load_run", "runs"]

_HOMES = {"load_run": "aib.use.trained", "runs": "aib.reporting.frame"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'aib' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
