"""What decides that an evaluation is made again: its code and parameters; needs no torch."""

from typing import Any

from aib.evaluation.parts import Common, part
from aib.provenance import code_hash

SUBJECT = "aib.evaluation.subject"


def applicable(entries: dict[str, Common], dataset: str) -> dict[str, Common]:
    """The entries of params/evaluations.yaml that are made on a dataset."""
    return {
        name: entry
        for name, entry in entries.items()
        if entry.datasets is None or dataset in entry.datasets
    }


def identity(entry: Common) -> dict[str, Any]:
    """The code of the part and of what it looks through, and all parameters."""
    return {
        "code": [code_hash(part(entry.kind).__name__), code_hash(SUBJECT)],
        "parameters": entry.model_dump(mode="json"),
    }
