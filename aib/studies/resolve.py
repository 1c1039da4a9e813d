"""From names in params/ to one run, all of its values resolved and checked."""

import json
from typing import Any

from aib.params import (
    RELEASED_NORMALISATIONS,
    Dataset,
    ParameterError,
    Parameters,
    check,
    set_dotted,
)
from aib.spec.base import Strict
from aib.spec.models import FAMILIES, Model
from aib.spec.parts import Normalisation
from aib.spec.run import DataSpec, Names, RunSpec, Training

# What of a protocol is a run's `training`, and what it has under its own name.
TRAINING = tuple(k for k in Training.model_fields if k not in ("epochs", "train_subset"))
SHARED = ("objective", "optimiser", "schedule", "augmentation", "initialisation", "evaluation")


def resolve(
    parameters: Parameters, names: Names, overrides: dict[str, Any], seed: int, where: str
) -> RunSpec:
    """Put the parts together and apply `overrides` (dotted keys of the spec) last.

    What a model has no use for (a beta without a bottleneck) is set to a neutral value, so that
    runs which cannot differ have one key; overriding it is an error.
    """
    protocol = parameters.protocols[names.protocol]
    model = parameters.models[names.model]
    tree = _tree(parameters, names, overrides, seed, where)
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
    model = check(type(model), tree["model"], f"{where}: model")  # says more than a union can
    for key, neutral in without_use(model).items():
        if key in overrides:
            raise ParameterError(f"{where}: {key}: model '{names.model}' has no use for it")
        set_dotted(tree, key, neutral, where)
    network = _network(parameters, names)
    check(type(network), tree["network"], f"{where}: network")
    spec = check(RunSpec, tree, where)
    _check_sizes(spec, parameters.datasets[names.dataset], where)
    return spec


def without_use(model: Model) -> dict[str, Any]:
    """Dotted keys that change nothing for such a model, with their neutral values."""
    neutral: dict[str, Any] = {}
    if not model.has_rate:
        neutral |= {"objective.kl_scale": "stated", "objective.kl_factor": 1.0}
        neutral |= {"objective.beta": 0.0, "objective.beta_warmup_epochs": 0}
    if model.anchor_count is None:
        neutral |= {"objective.codebook_weight": 0.0, "objective.commitment_weight": 0.0}
        neutral |= {"optimiser.anchor_lr_ratio": 1.0, "optimiser.anchor_weight_decay": False}
    return neutral


def _tree(
    parameters: Parameters, names: Names, overrides: dict[str, Any], seed: int, where: str
) -> dict[str, Any]:
    """The values that the names stand for, as plain JSON."""
    protocol, scale = parameters.protocols[names.protocol], parameters.scales[names.scale]
    dataset = parameters.datasets[names.dataset]
    content = {
        "names": names,
        "dataset": DataSpec(
            identity=dataset.identity(),
            classes=dataset.classes,
            image_size=dataset.image_size,
            has_masks=dataset.has_masks,
            horizontal_flip=dataset.horizontal_flip,
        ),
        "model": parameters.models[names.model],
        "network": _network(parameters, names),
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
    return json.loads(
        json.dumps(content | {k: getattr(protocol, k) for k in SHARED}, default=_dump)
    )


def _dump(model: Strict) -> dict:
    return model.model_dump(mode="json")


def _network(parameters: Parameters, names: Names) -> Strict:
    sizes = FAMILIES[parameters.models[names.model].family].sizes
    network = getattr(parameters.scales[names.scale].networks, sizes)
    if network is None:
        raise ParameterError(
            f"params/scales.yaml: {names.scale}.networks: no sizes for '{sizes}', which model "
            f"'{names.model}' needs"
        )
    return network


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


# ---------------------------------------------------------------- sizes


def _check_sizes(spec: RunSpec, dataset: Dataset, where: str) -> None:
    """Refuse what is too large or too small for the images, as far as their number is declared."""
    try:
        spec.model.check_sizes(spec.network, spec.image_size)
    except ValueError as error:
        raise ParameterError(f"{where}: {error}") from None
    pixels, images = spec.dataset.image_size, _train_images(dataset, spec.training.validation)
    limits = [
        ("augmentation.crop_padding", spec.augmentation.crop_padding, pixels - 1, "pixels", pixels),
        ("augmentation.crop_size", spec.augmentation.crop_size, pixels, "pixels", pixels),
    ]
    if images is not None:
        subset = spec.training.train_subset
        fewer = images if subset is None else min(subset, images)
        what = "images to train on"
        limits += [
            ("training.train_subset", subset, images, what, images),
            ("training.batch_size", spec.training.batch_size, fewer, what, fewer),
        ]
    for key, value, most, unit, there in limits:
        if value is not None and value > most:
            raise ParameterError(
                f"{where}: {key} is {value:,}; '{spec.names.dataset}' has {there:,} {unit}"
            )


def _train_images(dataset: Dataset, validation: str) -> int | None:
    """How many images there are to train on; None where nobody has declared it."""
    if dataset.kind == "clutter":
        return dataset.train + (dataset.validation if validation == "none" else 0)
    if dataset.counts is None:
        return None
    if validation == "none":
        return dataset.counts.train
    # The share is taken class by class, each rounded: at most half an image off in each.
    kept = dataset.counts.train * (1 - dataset.validation_share)
    return int(kept + len(dataset.classes) / 2)
