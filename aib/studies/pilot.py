"""The pilot of a study: every arm for a few epochs, on a seed of its own, scored on validation."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from aib.params import ParameterError, Parameters
from aib.reading import read_json
from aib.studies.plan import Cell, Plan, arm_cell, declared, file_of


class _Row(BaseModel):
    key: str
    verdict: str
    seconds_an_epoch: float
    peak_memory_bytes: int
    device: str


class _Judged(BaseModel):
    arms: dict[str, _Row]


def read_pilot(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a pilot.json, by arm and dataset."""
    return read_json(path, _Judged, "delete it and run the pilot again")["arms"]


def pilot_plan(parameters: Parameters, name: str) -> Plan:
    """The short runs; linear warm-ups take the same share of them as in the study."""
    study = declared(parameters, name)
    if study.pilot is None:
        raise ParameterError(f"{file_of(name)}: declares no 'pilot' (seed, epochs, rate_band)")
    cells = [
        _cell(parameters, name, dataset, arm) for dataset in study.datasets for arm in study.arms
    ]
    return Plan(name, study, tuple(cells), ())


def _cell(parameters: Parameters, name: str, dataset: str, arm: str) -> Cell:
    pilot = parameters.studies[name].pilot
    full = arm_cell(parameters, name, dataset, arm, [pilot.seed]).runs[0]
    changes = {
        "training.epochs": pilot.epochs,
        "training.validation": "split",
        "evaluation.split": "validation",
        "evaluation.select": "last",
        "evaluation.every": 1,
    }
    share = pilot.epochs / full.training.epochs
    if full.objective.beta_warmup_epochs:
        changes["objective.beta_warmup_epochs"] = round(share * full.objective.beta_warmup_epochs)
    if full.schedule.name == "cosine":
        changes["schedule.warmup_epochs"] = round(share * full.schedule.warmup_epochs)
    return arm_cell(parameters, name, dataset, arm, [pilot.seed], changes)
