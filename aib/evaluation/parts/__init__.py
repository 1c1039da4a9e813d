"""What is evaluated of a finished run, one file each; `docs/adding.md` says how to add one.

A file has `Parameters`, which an entry of params/evaluations.yaml of this `kind` fills, and
`evaluate(subject, parameters)`, which returns `Found`. It imports no
torch and nothing that does, since parameters are read without it: a subject does what needs it.
What of scipy it needs it imports in its functions: every start of a training reads parameters.
"""

import pkgutil
from types import ModuleType
from typing import Annotated, Any, NamedTuple, Union

import numpy as np
from pydantic import Discriminator, Field, Tag

from aib.errors import AibError
from aib.spec.base import Strict


class Inapplicable(AibError):
    """This evaluation says nothing of this network or this data; others go on."""


class Found(NamedTuple):
    """Numbers, nested as they are told, and arrays for what is computed over runs."""

    numbers: dict[str, Any]
    arrays: dict[str, np.ndarray] | None = None


class Common(Strict):
    """What every entry of params/evaluations.yaml may say."""

    kind: str
    datasets: tuple[str, ...] | None = Field(default=None, description="of runs; all if not given")

    @property
    def other_datasets(self) -> tuple[str, ...]:
        """Datasets that it needs beside that of the run."""
        return ()

    @property
    def label_map(self) -> str | None:
        """The label map that it reads, if it does."""
        return None


def kinds() -> list[str]:
    """The kinds of evaluation that there are: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def part(kind: str) -> ModuleType:
    """The file of a kind."""
    # By its name, so that what reads parameters has not the code of every evaluation in its hash.
    return pkgutil.resolve_name(f"{__name__}.{kind}")


def kind(entry: object) -> str | None:
    """The kind that an entry, parsed or not, names."""
    name = entry.get("kind") if isinstance(entry, dict) else getattr(entry, "kind", None)
    return name if isinstance(name, str) else None


AnyEvaluation = Annotated[
    Union[tuple(Annotated[part(kind).Parameters, Tag(kind)] for kind in kinds())],  # noqa: UP007
    Discriminator(kind),
]
