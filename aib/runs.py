"""What a run is: one frozen object, its key, and the runs a study asks for."""

import hashlib
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aib.params import (
    FAMILIES,
    RELEASED_NORMALISATIONS,
    AnyModel,
    Augmentation,
    Dataset,
    Evaluation,
    Initialisation,
    Network,
    Normalisation,
    Objective,
    Optimiser,
    ParameterError,
    Parameters,
    Positive,
    Precision,
    Schedule,
    Strict,
    Study,
    WeightAverage,
    check,
    nearest,
    set_dotted,
)

SCHEMA = 1  # of the run record; raise it when a reader of old records would go wrong


class Names(Strict):
    """Under which names params/ knows the parts of a run; not part of the key."""

    dataset: str
    model: str
    protocol: str
    scale: str


class Training(Strict):
    """Sizes and numerics of the optimisation."""

    epochs: Positive
    batch_size: Positive
    drop_last: bool
    train_subset: Positive | None
    precision: Precision
    compile: bool
    weight_average: WeightAverage | None
    second_forward: Positive | None


# What of it comes from the protocol.
TRAINING = (
    *("batch_size", "drop_last", "precision", "compile"),
    *("weight_average", "second_forward"),
)


class RunSpec(Strict):
    """dataset x model x protocol x scale x overrides x seed, all resolved to values.

    Two specs of the same values have the same key, whatever names led to them.
    """

    names: Names
    dataset: Dataset
    model: AnyModel
    network: Network
    objective: Objective
    optimiser: Optimiser
    schedule: Schedule
    training: Training
    augmentation: Augmentation
    normalisation: Normalisation | None  # None: the dataset's own statistics
    initialisation: Initialisation
    evaluation: Evaluation
    map_sample: int
    seed: int

    @property
    def key(self) -> str:
        """First 12 hex digits of SHA-256 of the canonical JSON, without what changes no result."""
        content = self.model_dump(mode="json", exclude={"seed", "names", "dataset"})
        content["dataset"] = self.dataset.identity()
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def image_size(self) -> int:
        """Side of the images that the network sees, in pixels."""
        return self.augmentation.crop_size or self.dataset.image_size

    @property
    def folder(self) -> Path:
        """Where the record lies, below results/runs."""
        return Path(self.names.dataset, self.names.model, self.key, f"seed-{self.seed}")


@dataclass(frozen=True)
class Cell:
    """One arm (or one value of an ablation) on one dataset, with its runs in order of seed."""

    dataset: str
    arm: str
    runs: tuple[RunSpec, ...]
    ablation: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Question:
    """One comparison of two cells; `family` is the set that Holm's correction runs over."""

    dataset: str
    treatment: str
    control: str
    family: str


@dataclass(frozen=True)
class Plan:
    """All the runs and all the questions of one study."""

    name: str
    study: Study
    cells: tuple[Cell, ...]
    questions: tuple[Question, ...]

    @property
    def runs(self) -> list[RunSpec]:
        """Every run once, though several cells may share it."""
        return list({run.folder: run for cell in self.cells for run in cell.runs}.values())

    def cell(self, dataset: str, arm: str) -> Cell:
        """The cell of that arm on that dataset."""
        return next(c for c in self.cells if (c.dataset, c.arm) == (dataset, arm))


def resolve(
    parameters: Parameters, names: Names, overrides: dict[str, Any], seed: int, where: str
) -> RunSpec:
    """Put the parts together and apply `overrides` (dotted keys of the spec) last."""
    protocol = parameters.protocols[names.protocol]
    scale = parameters.scales[names.scale]
    model = parameters.models[names.model]
    sizes = FAMILIES[model.family].sizes
    network = getattr(scale.networks, sizes)
    if network is None:
        raise ParameterError(
            f"params/scales.yaml: {names.scale}.networks: no sizes for '{sizes}', which model "
            f"'{names.model}' needs"
        )
    content = {
        "names": names,
        "dataset": parameters.datasets[names.dataset],
        "model": model,
        "network": network,
        "training": {
            "epochs": scale.epochs,
            "train_subset": scale.train_subset,
            **{key: getattr(protocol, key) for key in TRAINING},
        },
        "normalisation": (
            None if "normalisation" in overrides else _normalisation(parameters, names, where)
        ),
        "map_sample": scale.map_sample,
        "seed": seed,
    }
    shared = ("objective", "optimiser", "schedule", "augmentation", "initialisation", "evaluation")
    tree = json.loads(
        json.dumps(content | {k: getattr(protocol, k) for k in shared}, default=_dump)
    )
    for table, name in (("per_family", model.family), ("per_attention", model.attention_kind)):
        for key, value in getattr(protocol, table).get(name, {}).items():
            here = f"params/protocols.yaml: {names.protocol}.{table}.{name}"
            set_dotted(tree, key, value, here)
    for key, value in overrides.items():
        part = "model" if key in ("model", "model.family") else key.split(".")[0]
        if part in ("names", "dataset", "seed") or key in ("model", "model.family"):
            raise ParameterError(
                f"{where}: {key}: '{part}' cannot be overridden; declare another {part} instead"
            )
        set_dotted(tree, key, value, where)
    check(type(network), tree["network"], f"{where}: network")  # says more than a union can
    spec = check(RunSpec, tree, where)
    try:
        spec.model.check_sizes(spec.network, spec.image_size)
    except ValueError as error:
        raise ParameterError(f"{where}: {error}") from None
    pixels = spec.dataset.image_size
    for key, most in (("crop_padding", pixels - 1), ("crop_size", pixels)):
        value = getattr(spec.augmentation, key)
        if value is not None and value > most:
            raise ParameterError(
                f"{where}: augmentation.{key} is {value}, the images have {pixels} pixels"
            )
    return spec


def _normalisation(parameters: Parameters, names: Names, where: str) -> Normalisation | None:
    """The constants that a protocol means for a dataset; None for the dataset's own."""
    name = parameters.protocols[names.protocol].normalisation
    if name in RELEASED_NORMALISATIONS:
        released = parameters.datasets[names.dataset].released_normalisation
        backbone = RELEASED_NORMALISATIONS[name]
        if backbone not in released:
            raise ParameterError(
                f"{where}: protocol '{names.protocol}' normalises as the released {backbone} code, "
                f"which has no constants for dataset '{names.dataset}'; override 'normalisation' "
                "(null for the dataset's own), or take another protocol"
            )
        name = released[backbone]
    return parameters.normalisations.get(name)


def _dump(model: Strict) -> dict:
    return model.model_dump(mode="json")


def plan(parameters: Parameters, study_name: str) -> Plan:
    """The grid of a study: arms x datasets x seeds, then the ablations."""
    if study_name not in parameters.studies:
        raise ParameterError(
            f"params/studies: no study '{study_name}'; "
            + nearest(study_name, set(parameters.studies))
        )
    study = parameters.studies[study_name]
    file = f"params/studies/{study_name}.yaml"

    def cell(dataset: str, arm_name: str, **ablation: Any) -> Cell:
        arm = study.arms[arm_name]
        protocol = arm.protocol or study.protocol
        names = Names(dataset=dataset, model=arm.model, protocol=protocol, scale=study.scale)
        overrides, seeds, label, where = arm.overrides, study.seeds, arm_name, f"arms.{arm_name}"
        if ablation:
            parameter = study.ablations[ablation["ablation"]].parameter
            overrides = overrides | {parameter: ablation["value"]}
            seeds = study.ablations[ablation["ablation"]].seeds or seeds
            label = f"{arm_name} [{parameter.rsplit('.', 1)[-1]}={ablation['value']}]"
            where = f"ablations.{ablation['ablation']}"
        runs = tuple(
            resolve(parameters, names, overrides, seed, f"{file}: {where}") for seed in seeds
        )
        return Cell(dataset, label, runs, **ablation)

    cells, questions = [], []
    for dataset in study.datasets:
        cells += [cell(dataset, arm) for arm in study.arms]
        questions += [Question(dataset, c.treatment, c.control, c.family) for c in study.contrasts]
    for dataset, (name, ablation) in itertools.product(study.datasets, study.ablations.items()):
        default = next(c for c in cells if (c.dataset, c.arm) == (dataset, ablation.arm))
        for value in ablation.values:
            varied = cell(dataset, ablation.arm, ablation=name, value=value)
            cells.append(varied)
            if varied.runs[0].key != default.runs[0].key:
                questions.append(Question(dataset, varied.arm, ablation.arm, "ablation"))
    return Plan(study_name, study, tuple(cells), tuple(questions))


def plan_all(parameters: Parameters) -> dict[str, Plan]:
    """Every study resolved, so that a mistake in any of them is found at once."""
    _check_protocols(parameters)
    return {name: plan(parameters, name) for name in parameters.studies}


def _check_protocols(parameters: Parameters) -> None:
    """Resolve what protocols say of families and kinds of attention, used by a study or not."""
    plain = {"normalisation": None, "augmentation.crop_size": None}
    largest = max(parameters.datasets, key=lambda name: parameters.datasets[name].image_size)
    for (protocol, content), (name, model), (scale, sizes) in itertools.product(
        parameters.protocols.items(), parameters.models.items(), parameters.scales.items()
    ):
        told = model.family in content.per_family or model.attention_kind in content.per_attention
        if told and getattr(sizes.networks, FAMILIES[model.family].sizes) is not None:
            names = Names(dataset=largest, model=name, protocol=protocol, scale=scale)
            resolve(parameters, names, plain, 0, f"params/protocols.yaml: {protocol}")


def find(parameters: Parameters, folder: str) -> RunSpec:
    """The run of any study whose record lies in `folder` below results/runs."""
    plans = plan_all(parameters).values()
    runs = {str(run.folder): run for each in plans for run in each.runs}
    if folder not in runs:
        raise ParameterError(
            f"params/studies: no study has run '{folder}'; {nearest(folder, set(runs))}"
        )
    return runs[folder]
