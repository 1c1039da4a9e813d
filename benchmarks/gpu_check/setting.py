"""What all checks share: the device, the sizes, a project with data, and how a check ends."""

import sys
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any, get_args

from aib.errors import AibError
from aib.params import Parameters, load
from aib.spec.models import FAMILIES
from aib.spec.parts import Precision
from aib.spec.run import Names, RunSpec
from aib.studies.resolve import resolve
from aib.training.device import prepare_device

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

# A process of its own for each training, as runs have; begun with torch imported and no CUDA.
PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["aib.launch", "aib.probe"])

MODEL = "vgg-aib-qt"  # has every part: attention, anchors, bottleneck
STANDARD = {  # by sizes: dataset, protocol
    "vgg": ("cifar10", "stated"),
    "wrn": ("cifar10", "stated-wrn"),
    "imagenet": ("cub", "stated-cub"),
}
PLAIN = {"training.weight_average": None, "training.second_forward": None}
# Networks of every size kind for scale tiny, beside the VGG that the tests have there.
SMALL = {"wrn": {"depth": 10, "widen": 1, "latent": 4}, "imagenet": {"latent": 4}}


class Failed(AibError):
    """What was checked is not so; says what was found instead."""


class NotHere(AibError):
    """The check cannot be made on this machine; says why."""


@dataclass(frozen=True)
class Found:
    """A check that passed: in a sentence, and its figures for the report."""

    words: str
    figures: dict[str, Any]


@dataclass(frozen=True)
class Setting:
    """Where the checks run. A small one has networks and images that a CPU trains in seconds."""

    project: Path  # a copy with study, scale and dataset tiny, and its data prepared
    device: str
    small: bool

    @cached_property
    def parameters(self) -> Parameters:
        """All of the project's params/."""
        return load(self.project)

    @cached_property
    def precisions(self) -> tuple[Precision, ...]:
        """Those that the device has; a CPU takes tf32 for fp32 and fp16 is no use there."""
        found = prepare_device(self.device, "fp32").type
        return get_args(Precision) if found == "cuda" else ("fp32", "bf16")

    def digits(self, **overrides: Any) -> RunSpec:
        """A short run on the data that are here; keys of `overrides` are those of training."""
        scale = "tiny" if self.small else "paper"
        changes = {"training.epochs": 2} | {f"training.{k}": v for k, v in overrides.items()}
        return self._run(Names(**_names(MODEL, "tiny-digits", "stated-short", scale)), changes)

    def standard(
        self, model: str, scale: str = "paper", protocol: str | None = None, **overrides: Any
    ) -> RunSpec:
        """A model at the paper's size, or at another scale, for steps on made-up images."""
        changes = PLAIN | {f"training.{k}": v for k, v in overrides.items()}
        if self.small:
            names = _names(model, "tiny-digits", "stated-short", "tiny")
            return self._run(Names(**names), changes | {"training.batch_size": 4})
        dataset, usual = STANDARD[FAMILIES[self.parameters.models[model].family].sizes]
        return self._run(Names(**_names(model, dataset, protocol or usual, scale)), changes)

    def _run(self, names: Names, changes: dict[str, Any]) -> RunSpec:
        return resolve(self.parameters, names, changes, 0, "gpu-check")


def _names(model: str, dataset: str, protocol: str, scale: str) -> dict[str, str]:
    return {"model": model, "dataset": dataset, "protocol": protocol, "scale": scale}


def sentence(parts: dict[str, str]) -> str:
    """Several findings by name, in one line."""
    return "; ".join(f"{name} {words}" for name, words in parts.items())
