"""The form of reports/STUDY/summary.json, for programs: a JSON Schema and a check against it.

Accuracies, errors and their differences are in per cent and points, rates in bits.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aib.reading import read_json


class Open(BaseModel):
    """Has the fields named and maybe more, which decide nothing."""

    model_config = ConfigDict(extra="allow")


class Question(Open):
    """A declared question on accuracy, with its verdict."""

    dataset: str
    family: str = Field(description="questions that are corrected together")
    treatment: str
    control: str
    verdict: str = Field(pattern="^(better|worse|equivalent|undecided)$")
    reason: str
    margin: float = Field(ge=0, description="points; a smaller difference does not matter")
    difference: float | None = Field(description="treatment minus control, points of accuracy")
    low: float | None = Field(description="lower end of its interval, of level 1 - alpha")
    high: float | None
    p: float | None = Field(description="of a difference from 0, uncorrected")
    p_adjusted: float | None
    tost_p: float | None = Field(description="of equivalence within the margin, uncorrected")
    tost_p_adjusted: float | None
    n_treatment: int = Field(ge=0)
    n_control: int = Field(ge=0)


class Arm(Open):
    """What the counted runs of an arm come to; without figures where there are none."""

    key: str = Field(description="of the spec that all of its runs share")
    seeds: list[int]
    n: int = Field(ge=0, description="runs that are counted")
    collapsed: int
    diverged: int
    missing: int
    test_error_mean: float | None = Field(default=None, ge=0, le=100)
    test_error_low: float | None = None
    test_error_high: float | None = None
    test_error_std: float | None = None
    parameters: int | None = None


class Run(Open):
    """One run."""

    dataset: str
    arms: list[str]
    key: str
    seed: int
    status: str = Field(pattern="^(completed|collapsed|diverged)$")


class Provenance(Open):
    """Where the runs come from."""

    code_hash: list[str] = Field(min_length=1)
    data_digest: dict[str, str]
    git: list[str]
    environments: list[dict[str, Any]]


class Cost(Open):
    """Time and memory of all runs."""

    runs: int
    run_seconds: float
    peak_memory_bytes: float | None


class Summary(Open):
    """All that a report says in numbers."""

    study: str
    title: str
    margin: float
    alpha: float = Field(gt=0, lt=1)
    split: str = Field(description="the split that is scored")
    checkpoint: str = Field(description="whose weights are compared")
    verdicts: list[Question]
    interactions: list[dict[str, Any]]
    cells: dict[str, dict[str, Arm]] = Field(description="by dataset and arm")
    evaluations: dict[str, dict[str, Any]] = {}  # reports of before have none
    runs: list[Run]
    provenance: Provenance
    cost: Cost


def json_schema() -> dict[str, Any]:
    """The schema, in draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Summary.model_json_schema(),
    }


def read_summary(report: Path) -> dict[str, Any]:
    """The summary of a report folder.

    `AibError` where there is none, and for one of another form, with the place.
    """
    return read_json(report / "summary.json", Summary, f"write it with `aib report {report.name}`")
