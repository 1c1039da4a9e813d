"""Typed parameters: what params/*.yaml may say, checked before anything runs.

Every file of `params/` has one model here; the JSON schemas in `params/schema/` are generated
from these models. `load(root)` reads and cross-checks all of it. Any mistake raises
`ParameterError`, one line that names the file, the key, what was found, and the nearest valid
name.
"""

import difflib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from aib.errors import AibError

Positive = Annotated[int, Field(gt=0)]
NonNegative = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.+-]*$")]
Samples = Literal["mean"] | Positive


class ParameterError(AibError):
    """A mistake in params/, as one line."""


class Strict(BaseModel):
    """Frozen, no unknown keys, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# ---------------------------------------------------------------- datasets


class Normalisation(Strict):
    """Per-channel mean and standard deviation of images scaled to [0, 1]."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class ClutterDataset(Strict):
    """Handwritten digits among fragments of others, with the digit's mask (`data.clutter`)."""

    kind: Literal["clutter"]
    image_size: Positive = 32
    train: Positive
    validation: Positive
    test: Positive
    distractors: NonNegative = Field(description="fragments of other digits an image")
    fragment: int = Field(ge=2, le=7, description="side of a fragment; a source digit has 8 pixels")
    digit_sizes: tuple[Positive, Positive] = Field(
        description="smallest and largest side of a digit on the canvas, in pixels"
    )
    contrast: int = Field(ge=1, le=255, description="brightness above the background's")
    texture: int = Field(ge=0, le=255, description="amplitude of the background texture")
    generator_seed: NonNegative = 0
    horizontal_flip: bool = Field(description="does a mirrored image keep its label?")

    @model_validator(mode="after")
    def _digits_fit(self) -> Self:
        smallest, largest = self.digit_sizes
        if not 8 <= smallest <= largest <= self.image_size:
            raise ValueError("'digit_sizes' must rise, from 8 to image_size at most")
        return self

    @property
    def has_masks(self) -> bool:
        return True


class ArchiveDataset(Strict):
    """Labelled images in one downloaded archive."""

    kind: Literal["archive"]
    file: str
    addresses: tuple[str, ...]
    checksum: str = Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    bytes: Positive | None = Field(default=None, description="size of the archive")
    decoder: Literal["cifar-python", "class-folders"]
    classes: tuple[str, ...] = Field(min_length=2)
    image_size: Positive
    validation_share: Share = 0.1
    unpacked_limit: Positive = Field(description="bytes; a larger archive is refused")
    horizontal_flip: bool = Field(description="does a mirrored image keep its label?")

    @property
    def has_masks(self) -> bool:
        return False


# Where an archive lies changes nothing: its checksum says what it is.
NOT_IN_KEY = {"addresses", "bytes", "unpacked_limit"}

Dataset = Annotated[ClutterDataset | ArchiveDataset, Field(discriminator="kind")]


# ---------------------------------------------------------------- models


class Model(Strict):
    """One network: a family with or without attention, anchors and bottleneck (docs/method.md)."""

    family: Literal["vgg"]
    attention: Literal["none", "continuous", "quantised"] = "none"
    bottleneck: bool = False
    anchors: int | None = Field(default=None, ge=2, description="Q, of quantised attention")

    @model_validator(mode="after")
    def _anchors_go_with_quantised(self) -> Self:
        if (self.attention == "quantised") != (self.anchors is not None):
            raise ValueError("'anchors' is needed by attention: quantised, and by no other")
        if self.attention != "none" and not self.bottleneck:
            raise ValueError("attention needs bottleneck: true")
        return self


class Block(Strict):
    """`layers` times convolution, batch normalisation, ReLU; then or between them 2x2 pooling."""

    channels: Positive
    layers: Positive
    kernel: Positive = 3
    stride: Positive = 1
    pool: Literal["none", "after", "each"] = "none"


class VGGNetwork(Strict):
    """Sizes of a VGG: blocks, where the attention sits, widths of the head."""

    blocks: tuple[Block, ...] = Field(min_length=1)
    attention_after: Positive = Field(description="the attention follows this block, from 1")
    dense: Positive = Field(description="channels of the last convolution, over what is left")
    latent: Positive = Field(description="K, dimensions of z")

    @model_validator(mode="after")
    def _attention_inside(self) -> Self:
        if self.attention_after > len(self.blocks):
            raise ValueError(
                f"'attention_after' is {self.attention_after}, there are {len(self.blocks)} blocks"
            )
        return self


# ---------------------------------------------------------------- protocols


class Objective(Strict):
    """Weights and switches of the loss (docs/method.md, The objective)."""

    kl_scale: Literal["released", "stated"]
    kl_factor: float = Field(ge=0)
    beta: float = Field(ge=0)
    codebook_weight: float = Field(ge=0, description="lambda_g")
    commitment_weight: float = Field(ge=0, description="lambda_c")


class Optimiser(Strict):
    """Stochastic gradient descent with a parameter group for the anchors."""

    learning_rate: float = Field(gt=0, description="peak")
    momentum: float = Field(ge=0, lt=1)
    nesterov: bool
    weight_decay: float = Field(ge=0)
    anchor_lr_ratio: float = Field(ge=0, description="0 freezes the anchors")
    anchor_weight_decay: bool


class HalvingSchedule(Strict):
    """The released VGG schedule: steps of `factor`, the first one an epoch early."""

    name: Literal["halving"]
    every: Positive
    factor: float = Field(gt=0, le=1)
    warmup_epochs: NonNegative = Field(description="epochs at a tenth of the rate of the next")


class CosineSchedule(Strict):
    """Linear warm-up, then half a cosine to zero, step by step."""

    name: Literal["cosine"]
    warmup_epochs: NonNegative


Schedule = Annotated[HalvingSchedule | CosineSchedule, Field(discriminator="name")]


class Augmentation(Strict):
    """Random crop after padding; the flip is the dataset's to allow."""

    crop_padding: NonNegative
    padding_mode: Literal["reflect", "zero"]


class Evaluation(Strict):
    """How predictions are made and which weights are kept."""

    samples: tuple[Samples, ...] = Field(
        min_length=1, description="S draws of a and of z, or 'mean'; the first is the headline"
    )
    average: Literal["logits", "probabilities"]
    select: Literal["last", "best_validation", "best_test"]

    @field_validator("samples")
    @classmethod
    def _distinct(cls, samples: tuple[Samples, ...]) -> tuple[Samples, ...]:
        if len(set(samples)) < len(samples):
            raise ValueError("an entry stands twice")
        return samples


class Protocol(Strict):
    """A named set of all switches of training and evaluation."""

    description: str
    objective: Objective
    optimiser: Optimiser
    schedule: Schedule
    batch_size: Positive
    augmentation: Augmentation
    normalisation: str = Field(description="'own', or a name in normalisations.yaml")
    initialisation: Literal["released-vgg", "pytorch"]
    precision: Literal["fp32", "tf32", "bf16"] = "fp32"
    compile: bool = False
    evaluation: Evaluation
    per_model: dict[Name, dict[str, Any]] = Field(
        default={}, description="model name to dotted key to value"
    )


class Scale(Strict):
    """Sizes only: networks, epochs, subset. Never the science."""

    description: str
    networks: dict[Literal["vgg"], VGGNetwork]
    epochs: Positive
    train_subset: Positive | None = None
    map_sample: Positive = Field(description="maps kept of each of validation and test")


# ---------------------------------------------------------------- studies


class Arm(Strict):
    """One model under one protocol."""

    model: str
    protocol: str | None = None
    overrides: dict[str, Any] = {}


class Contrast(Strict):
    """A question: does `treatment` beat `control`?"""

    treatment: str
    control: str
    family: Literal["main", "ablation"] = "main"


class Ablation(Strict):
    """One parameter of one arm, varied; every other value is compared with the arm's own."""

    arm: str
    parameter: str
    values: tuple[Any, ...] = Field(min_length=2)
    seeds: tuple[NonNegative, ...] | None = None

    @field_validator("values")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if any(value in values[:index] for index, value in enumerate(values)):
            raise ValueError("a value stands twice")
        return values


class Study(Strict):
    """All that was decided before the runs: arms, seeds, contrasts, margin."""

    title: str
    hypothesis: str
    datasets: tuple[str, ...] = Field(min_length=1)
    scale: str
    protocol: str
    seeds: tuple[NonNegative, ...] = Field(min_length=1)
    margin: float = Field(gt=0, description="percentage points of accuracy that matter")
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    stopping_rule: str
    arms: dict[Name, Arm] = Field(min_length=1)
    contrasts: tuple[Contrast, ...] = ()
    ablations: dict[Name, Ablation] = {}

    @model_validator(mode="after")
    def _seeds_once(self) -> Self:
        for where, seeds in [("seeds", self.seeds)] + [
            (f"ablations.{name}.seeds", ablation.seeds or ())
            for name, ablation in self.ablations.items()
        ]:
            twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
            if twice:
                raise ValueError(f"'{where}' names seed {twice[0]} twice")
        return self


class WorkflowConfig(Strict):
    """What `snakemake --config` may say."""

    study: str = "quick"
    device: Literal["auto", "cpu", "cuda"] | None = None
    trainings_per_gpu: Positive = 1
    allow_mixed_code: bool = False


class PublishedValue(Strict):
    """A number from the literature; `value` stays null until its source is at hand."""

    dataset: str
    model: str
    metric: Literal["test_error"]
    value: float | None
    source: str


# ---------------------------------------------------------------- the whole of params/


class Parameters(Strict):
    """Everything under params/, cross-checked."""

    datasets: dict[Name, Dataset]
    normalisations: dict[Name, Normalisation]
    models: dict[Name, Model]
    protocols: dict[Name, Protocol]
    scales: dict[Name, Scale]
    studies: dict[Name, Study]
    published: tuple[PublishedValue, ...]


FILES: dict[str, Any] = {
    "datasets": dict[Name, Dataset],
    "normalisations": dict[Name, Normalisation],
    "models": dict[Name, Model],
    "protocols": dict[Name, Protocol],
    "scales": dict[Name, Scale],
    "published": tuple[PublishedValue, ...],
    "study": Study,
}


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML, where a key that stands twice is an error rather than the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        for index, key in enumerate(keys):
            if key in keys[:index]:
                raise ParameterError(f"key '{key}' stands twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; `ParameterError` names the file and the line of a mistake."""
    try:
        return yaml.load(path.read_text(), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise ParameterError(f"{path}: no such file; run in the project's folder") from None
    except ParameterError as error:
        raise ParameterError(f"{path}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ParameterError(
            f"{path}{line}: not YAML: {getattr(error, 'problem', error)}"
        ) from None


def nearest(name: str, valid: list[str] | set[str]) -> str:
    """A hint for a wrong name: the closest valid one, else all of them, or the first of many."""
    names = sorted(map(str, valid))
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    if close:
        return f"nearest: '{close[0]}'"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return "valid: " + ", ".join(names[:8]) + more


def check(shape: Any, data: Any, where: str) -> Any:
    """Validate `data` as the type `shape`; the error names `where`, key, found and nearest."""
    adapter = TypeAdapter(shape)
    try:
        # Through JSON, so that lists become tuples while numbers and texts stay strict.
        return adapter.validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise ParameterError(f"{where}: {_explain(error, adapter.json_schema())}") from None


def _explain(error: ValidationError, json_schema: dict) -> str:
    # A misspelt key also makes the right one missing; the misspelling is what helps.
    first = sorted(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")[0]
    path = [part for part in first["loc"] if part not in ("[key]",)]
    key = ".".join(str(part) for part in path)
    found = json.dumps(first["input"], default=str)
    found = found if len(found) < 60 else found[:57] + "..."
    if first["type"] == "extra_forbidden":
        valid = _properties(json_schema, json_schema, path[:-1])
        return f"{key}: unknown key '{path[-1]}'; {nearest(str(path[-1]), valid)}"
    if first["type"] == "literal_error":
        valid = [v.strip("' ") for v in first["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{key}: {found} is not one of them; {nearest(first['input'], valid)}"
    if first["type"] == "union_tag_invalid":
        valid = first["ctx"]["expected_tags"].replace("'", "").split(", ")
        field, tag = first["ctx"]["discriminator"].strip("'"), first["ctx"]["tag"]
        return f"{key}: no {field} '{tag}'; {nearest(tag, valid)}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "float_type" and isinstance(first["input"], str):
        message += " (YAML wants a point: 1.0e-4)"
    return f"{key or 'the file'}: {message}; found {found}"


def _properties(root: dict, node: dict, path: list) -> set[str]:
    """The property names that the schema allows at `path`; union tags in the path are skipped."""
    if "$ref" in node:
        return _properties(root, root["$defs"][node["$ref"].rsplit("/", 1)[1]], path)
    branches = node.get("oneOf", []) + node.get("anyOf", [])
    if branches:
        tags = node.get("discriminator", {}).get("mapping", {})
        if path and path[0] in tags:
            return _properties(root, {"$ref": tags[path[0]]}, path[1:])
        return set().union(*(_properties(root, branch, path) for branch in branches))
    if not path:
        return set(node.get("properties", {}))
    if path[0] in node.get("properties", {}):
        return _properties(root, node["properties"][path[0]], path[1:])
    if isinstance(path[0], int):
        return _properties(root, node.get("items", {}), path[1:])
    inner = node.get("additionalProperties")
    if not isinstance(inner, dict):
        inner = next(iter(node.get("patternProperties", {}).values()), {})
    return _properties(root, inner, path[1:])


def load(root: Path) -> Parameters:
    """Read and cross-check the folder `root`/params."""
    folder = root / "params"
    content = {
        kind: check(shape, read_yaml(folder / f"{kind}.yaml"), f"params/{kind}.yaml")
        for kind, shape in FILES.items()
        if kind not in ("study", "protocols")
    }
    content["protocols"] = _load_protocols(folder / "protocols.yaml")
    paths = sorted((folder / "studies").glob("*.yaml"))
    content["studies"] = {
        path.stem: check(Study, read_yaml(path), f"params/studies/{path.name}") for path in paths
    }
    parameters = Parameters.model_construct(**content)
    _cross_check(parameters)
    return parameters


def _load_protocols(path: Path) -> dict[str, Protocol]:
    """Resolve `extends`: a protocol may name another and say only what differs, in dotted keys."""
    where = f"params/{path.name}"
    raw, resolved = read_yaml(path), {}
    if not isinstance(raw, dict) or not all(isinstance(entry, dict) for entry in raw.values()):
        raise ParameterError(f"{where}: must map names to protocols, each a table of keys")
    for name, entry in raw.items():
        entry = dict(entry)
        if "extends" in entry:
            parent = str(entry.pop("extends"))
            if parent not in resolved:
                raise ParameterError(
                    f"{where}: {name}.extends: no protocol '{parent}' above it; "
                    + nearest(parent, set(resolved) or {"none"})
                )
            changes = entry.pop("changes", None) or {}
            base = json.loads(json.dumps(resolved[parent])) | entry
            for key, value in changes.items():
                set_dotted(base, key, value, f"{where}: {name}.changes")
            entry = base
        resolved[name] = entry
    return check(FILES["protocols"], resolved, where)


def set_dotted(tree: dict, key: str, value: Any, where: str) -> None:
    """Set `tree["a"]["b"]` for the key "a.b"; the key must exist."""
    *parents, last = key.split(".")
    node = tree
    for parent in parents:
        if not isinstance(node, dict) or parent not in node:
            valid = set(node) if isinstance(node, dict) else {"none"}
            raise ParameterError(
                f"{where}: {key}: unknown key '{parent}'; {nearest(parent, valid)}"
            )
        node = node[parent]
    if not isinstance(node, dict) or last not in node:
        valid = set(node) if isinstance(node, dict) else {"none"}
        raise ParameterError(f"{where}: {key}: unknown key '{last}'; {nearest(last, valid)}")
    node[last] = value


def _cross_check(parameters: Parameters) -> None:
    """Every name that one file uses must stand in the file that defines it."""

    def known(where: str, name: str, table: dict, what: str) -> None:
        if name not in table:
            raise ParameterError(f"{where}: no {what} '{name}'; {nearest(name, set(table))}")

    for name, protocol in parameters.protocols.items():
        where = f"params/protocols.yaml: {name}"
        if protocol.normalisation != "own":
            table = parameters.normalisations
            known(f"{where}.normalisation", protocol.normalisation, table, "normalisation")
        for model in protocol.per_model:
            known(f"{where}.per_model", model, parameters.models, "model")
    for name, study in parameters.studies.items():
        where = f"params/studies/{name}.yaml"
        for dataset in study.datasets:
            known(f"{where}: datasets", dataset, parameters.datasets, "dataset")
        known(f"{where}: scale", study.scale, parameters.scales, "scale")
        known(f"{where}: protocol", study.protocol, parameters.protocols, "protocol")
        for arm_name, arm in study.arms.items():
            known(f"{where}: arms.{arm_name}.model", arm.model, parameters.models, "model")
            if arm.protocol is not None:
                key = f"{where}: arms.{arm_name}.protocol"
                known(key, arm.protocol, parameters.protocols, "protocol")
        for index, contrast in enumerate(study.contrasts):
            for side in ("treatment", "control"):
                key = f"{where}: contrasts.{index}.{side}"
                known(key, getattr(contrast, side), study.arms, "arm")
            if contrast.treatment == contrast.control:
                raise ParameterError(
                    f"{where}: contrasts.{index}: '{contrast.control}' against itself"
                )
        for ablation_name, ablation in study.ablations.items():
            known(f"{where}: ablations.{ablation_name}.arm", ablation.arm, study.arms, "arm")


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
