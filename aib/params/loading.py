"""All of params/, read and cross-checked; and the JSON schemas generated from the models.

A mistake in a file that studies share stops everything; one in a study stops that study alone.
"""

import copy
import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from aib.evaluation.parts import AnyEvaluation
from aib.params.checking import ParameterError, check, nearest, read_yaml, set_dotted
from aib.params.claims import ClaimGroup, Contrasted, Missing, Placed
from aib.params.datasets import RELEASED_NORMALISATIONS, Dataset
from aib.params.devices import Device
from aib.params.label_maps import LabelMap
from aib.params.protocols import Protocol, Scale
from aib.params.published import Published
from aib.params.studies import Study
from aib.reading import read_json
from aib.spec.base import Name, Strict
from aib.spec.models import FAMILIES, AnyModel
from aib.spec.parts import Normalisation


class Winner(BaseModel):
    """What winners.json must say of an arm."""

    values: dict[str, Any]


Winners = Annotated[
    dict[str, Annotated[dict[str, Winner], Field(min_length=1)]], Field(min_length=1)
]  # of a tuning study: dataset, arm; one without any would let every arm pass as tuned


class Parameters(Strict):
    """Everything under params/, cross-checked."""

    datasets: dict[Name, Dataset]
    normalisations: dict[Name, Normalisation]
    label_maps: dict[Name, LabelMap]
    models: dict[Name, AnyModel]
    protocols: dict[Name, Protocol]
    scales: dict[Name, Scale]
    evaluations: dict[Name, AnyEvaluation]
    devices: dict[Name, Device]
    studies: dict[Name, Study]
    drafts: dict[Name, str]  # the mistake, as one line, of each study that has one
    claims: dict[Name, ClaimGroup]
    published: Published
    winners: dict[Name, dict[str, Any]]  # of tuning studies that were reported: dataset, arm


FILES: dict[str, Any] = {
    "datasets": dict[Name, Dataset],
    "normalisations": dict[Name, Normalisation],
    "label_maps": dict[Name, LabelMap],
    "models": dict[Name, AnyModel],
    "protocols": dict[Name, Protocol],
    "scales": dict[Name, Scale],
    "evaluations": dict[Name, AnyEvaluation],
    "devices": dict[Name, Device],
    "claims": dict[Name, ClaimGroup],
    "published": Published,
    "study": Study,
}


def load(root: Path) -> Parameters:
    """Read and cross-check the folder `root`/params; a study with a mistake is among `drafts`."""
    folder = root / "params"
    content = {
        kind: _read(shape, folder / f"{kind}.yaml", f"params/{kind}.yaml")
        for kind, shape in FILES.items()
        if kind not in ("study", "protocols")
    }
    content["protocols"] = _load_protocols(folder / "protocols.yaml")
    # What an editor keeps beside a file begins with a dot.
    paths = {
        path.stem: path
        for path in sorted((folder / "studies").glob("*.yaml"))
        if not path.name.startswith(".")
    }
    content["winners"] = {
        name: read_json(path, Winners, "report the study again")
        for name in paths
        if (path := root / "reports" / name / "winners.json").exists()
    }
    parameters = Parameters.model_construct(**content, studies={}, drafts={})
    _check_shared(parameters)
    for name, path in paths.items():
        try:
            check(Name, name, f"params/studies/{path.name}: its name")
            study = _read(Study, path, f"params/studies/{path.name}")
            _check_study(parameters, name, study, paths)
            parameters.studies[name] = study
        except ParameterError as error:
            parameters.drafts[name] = str(error)
    return parameters


def _read(shape: Any, path: Path, where: str) -> Any:
    return check(shape, read_yaml(path, where), where)


def _load_protocols(path: Path) -> dict[str, Protocol]:
    """Resolve `extends`: a protocol may name another and say only what differs, in dotted keys."""
    where = f"params/{path.name}"
    raw, resolved = read_yaml(path, where), {}
    if not isinstance(raw, dict) or not all(isinstance(entry, dict) for entry in raw.values()):
        raise ParameterError(f"{where}: must map names to protocols, each a table of keys")
    for name, entry in raw.items():
        if "extends" in entry:
            parent = str(entry["extends"])
            if parent not in resolved:
                raise ParameterError(
                    f"{where}: {name}.extends: no protocol '{parent}' above it; "
                    + nearest(parent, set(resolved) or {"none"})
                )
            entry = _extended(resolved[parent], entry, f"{where}: {name}.changes")
        resolved[name] = entry
    return check(FILES["protocols"], resolved, where)


def _extended(parent: dict, entry: dict, where: str) -> dict:
    """A protocol with changes; a value that is changed loses the facts that justified the old."""
    own = {key: value for key, value in entry.items() if key not in ("extends", "changes")}
    changes = entry.get("changes") or {}
    child = copy.deepcopy(parent) | own
    for key, value in changes.items():
        set_dotted(child, key, copy.deepcopy(value), where)
    kept = {
        key: item
        for key, item in parent.get("facts", {}).items()
        if not any(f"{key}.".startswith(f"{changed}.") for changed in changes)
    }
    child["facts"] = kept | own.get("facts", {})
    return child


# ---------------------------------------------------------------- every name must be defined


def _known(where: str, name: str, table: Collection[str], what: str) -> None:
    if name not in table:
        raise ParameterError(f"{where}: no {what} '{name}'; {nearest(name, set(table))}")


def _check_shared(parameters: Parameters) -> None:
    """The names in the files that studies share."""
    for name, dataset in parameters.datasets.items():
        for backbone, normalisation in dataset.released_normalisation.items():
            where = f"params/datasets.yaml: {name}.released_normalisation.{backbone}"
            _known(where, normalisation, parameters.normalisations, "normalisation")
    for name, label_map in parameters.label_maps.items():
        where = f"params/label_maps.yaml: {name}"
        classes = {"sources": [*label_map.classes], "targets": [*label_map.classes.values()]}
        for side, labels in classes.items():
            for dataset in getattr(label_map, side):
                _known(f"{where}.{side}", dataset, parameters.datasets, "dataset")
                table = dict.fromkeys(parameters.datasets[dataset].classes)
                for label in labels:
                    _known(f"{where}.classes", label, table, f"class of {dataset}")
    for name, protocol in parameters.protocols.items():
        where = f"params/protocols.yaml: {name}"
        valid = {"own", *RELEASED_NORMALISATIONS, *parameters.normalisations}
        _known(f"{where}.normalisation", protocol.normalisation, valid, "normalisation")
        for family in protocol.per_family:
            _known(f"{where}.per_family", family, FAMILIES, "family")
        for key in protocol.facts:
            if not _has(protocol, key.split(".")):
                raise ParameterError(f"{where}.facts: {key}: no such key in this protocol")
    for name, entry in parameters.evaluations.items():
        where = f"params/evaluations.yaml: {name}"
        for dataset in (*(entry.datasets or ()), *entry.other_datasets):
            _known(where, dataset, parameters.datasets, "dataset")
        if entry.label_map is not None:
            _known(f"{where}.label_map", entry.label_map, parameters.label_maps, "label map")
    for index, table in enumerate(parameters.published.tables):
        for place, entry in enumerate(table.values):
            where = f"params/published.yaml: tables.{index}.values.{place}"
            _known(f"{where}.dataset", entry.dataset, parameters.datasets, "dataset")
            _known(f"{where}.model", entry.model, parameters.models, "model")
            if entry.baseline is not None:
                others = table.models(entry.dataset).keys() - {entry.model}
                _known(f"{where}.baseline", entry.baseline, others, "other value")


def _check_study(
    parameters: Parameters, name: str, study: Study, declared: Collection[str]
) -> None:
    """The names in one study; `declared` are all studies, whatever mistakes they have."""
    where = f"params/studies/{name}.yaml"
    for dataset in study.datasets:
        _known(f"{where}: datasets", dataset, parameters.datasets, "dataset")
    _known(f"{where}: scale", study.scale, parameters.scales, "scale")
    _known(f"{where}: protocol", study.protocol, parameters.protocols, "protocol")
    for arm_name, arm in study.arms.items():
        _known(f"{where}: arms.{arm_name}.model", arm.model, parameters.models, "model")
        if arm.protocol is not None:
            key = f"{where}: arms.{arm_name}.protocol"
            _known(key, arm.protocol, parameters.protocols, "protocol")
    for index, contrast in enumerate(study.contrasts):
        for side in ("treatment", "control"):
            key = f"{where}: contrasts.{index}.{side}"
            _known(key, getattr(contrast, side), study.arms, "arm")
        if contrast.treatment == contrast.control:
            raise ParameterError(f"{where}: contrasts.{index}: '{contrast.control}' against itself")
    for index, measure in enumerate(study.measures):
        key = f"{where}: measures.{index}"
        _known(f"{key}.evaluation", measure.evaluation, parameters.evaluations, "evaluation")
        for side in ("treatment", "control"):
            _known(f"{key}.{side}", getattr(measure, side), study.arms, "arm")
    if study.factorial:
        for part in study.factorial.arms:
            _known(f"{where}: factorial", part, study.arms, "arm")
    for key in ("tuned_in", "checked_in"):
        if other := getattr(study, key):
            _known(f"{where}: {key}", other, declared, "study")
    for ablation_name, ablation in study.ablations.items():
        _known(f"{where}: ablations.{ablation_name}.arm", ablation.arm, study.arms, "arm")


def check_claims(parameters: Parameters) -> None:
    """The names in the claims, but for those that a study with a mistake would have to define."""
    declared = parameters.studies.keys() | parameters.drafts.keys()
    for group_name, group in parameters.claims.items():
        for name, claim in group.claims.items():
            for index, test in enumerate(claim.tests):
                where = f"params/claims.yaml: {group_name}.claims.{name}.tests.{index}"
                if isinstance(test, Missing):
                    continue
                _known(f"{where}.study", test.study, declared, "study")
                if test.study in parameters.drafts:
                    continue
                study = parameters.studies[test.study]
                _known(f"{where}.dataset", test.dataset, study.datasets, "dataset of the study")
                if evaluation := getattr(test, "evaluation", None):
                    _known(f"{where}.evaluation", evaluation, parameters.evaluations, "evaluation")
                if isinstance(test, Contrasted):
                    continue  # whether the study asks it, the ledger checks
                arms = test.arms if isinstance(test, Placed) else (test.treatment, test.control)
                for arm in arms:
                    _known(f"{where}.arms", arm, study.arms, "arm")


def _has(node: Any, keys: list[str]) -> bool:
    return not keys or (hasattr(node, keys[0]) and _has(getattr(node, keys[0]), keys[1:]))


def write_schemas(root: Path) -> list[Path]:
    """Write params/schema/*.json from the models above; return the paths."""
    folder = root / "params" / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind, shape in FILES.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
        schema |= TypeAdapter(shape).json_schema()
        paths.append(folder / f"{kind}.json")
        paths[-1].write_text(json.dumps(schema, indent=2) + "\n")
    return paths
