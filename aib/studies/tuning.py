"""Tuning studies: every arm over one grid with one number of runs, scored on validation.

The report of such a study names each arm's winner, in reports/NAME/winners.json. A study that names
it as `tuned_in` must have just these values.
"""

import itertools
from typing import Any

from aib.params import ParameterError, Parameters, Study
from aib.spec.run import RunSpec
from aib.studies.plan import Cell, Plan, arm_cell, file_of
from aib.studies.resolve import without_use


def tuning_cells(parameters: Parameters, name: str, study: Study) -> tuple[Cell, ...]:
    """One cell for each arm and setting on each dataset.

    Keys of the grid that an arm has no use for are left out of its settings, and the seeds of a
    setting are so many that each arm has the same number of runs.
    """
    cells = []
    for dataset, arm in itertools.product(study.datasets, study.arms):
        model = parameters.models[study.arms[arm].model]
        keys = [key for key in study.tuning.grid if key not in without_use(model)]
        settings = list(itertools.product(*(study.tuning.grid[key] for key in keys)))
        seeds, left = divmod(study.tuning.runs_per_arm, len(settings))
        if left or seeds > len(study.seeds):
            raise ParameterError(
                f"{file_of(name)}: tuning.runs_per_arm is {study.tuning.runs_per_arm}; arm '{arm}' "
                f"has {len(settings)} settings, each for up to {len(study.seeds)} seeds"
            )
        for values in settings:
            setting = dict(zip(keys, values, strict=True))
            varied = {k: v for k, v in setting.items() if len(study.tuning.grid[k]) > 1}
            cells.append(
                arm_cell(
                    parameters,
                    name,
                    dataset,
                    arm,
                    study.seeds[:seeds],
                    setting | {"evaluation.split": "validation"},
                    label=f"{arm} [{words(varied)}]",
                    tuned=arm,
                    value=setting,
                )
            )
    return tuple(cells)


def words(setting: dict[str, Any]) -> str:
    """A setting as "learning_rate=0.1, beta=0.01"."""
    return ", ".join(f"{key.rsplit('.', 1)[-1]}={value}" for key, value in setting.items())


def check_winners(parameters: Parameters, made: Plan) -> None:
    """Refuse a study whose arms have other values than its tuning study found.

    Winners that are not there yet are no mistake in params/: `aib.studies.gates` asks for them.
    """
    name = made.study.tuned_in
    if name in parameters.studies and parameters.studies[name].tuning is None:
        raise ParameterError(f"{file_of(made.name)}: tuned_in: '{name}' declares no 'tuning'")
    winners = parameters.winners.get(name, {})
    for cell in made.cells:
        best = winners.get(cell.dataset, {}).get(cell.arm)
        for key, wanted in (best["values"] if best else {}).items():
            found = value_of(cell.runs[0], key)
            if found != wanted:
                raise ParameterError(
                    f"{file_of(made.name)}: arms.{cell.arm}: {key} is {found}; "
                    f"'{name}' found {wanted} to be best on {cell.dataset}"
                )


def value_of(spec: RunSpec, key: str) -> Any:
    """The value of a dotted key."""
    node = spec
    for part in key.split("."):
        node = getattr(node, part)
    return node
