"""Fill a model by the formula of the golden numbers and compare what it computes.

Every tensor is `fill(index, shape)` times a scale that depends on its kind, so that a released
model and ours hold the same weights without sharing a line of code. To check another released
variant, put its json and npz beside the others; `released.py` maps the names.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

FOLDER = Path(__file__).parent / "golden"


def fill(index: int, shape: tuple[int, ...]) -> np.ndarray:
    """Standard normal numbers of NumPy's frozen legacy generator, float64."""
    return np.random.RandomState(index).standard_normal(size=shape)


@dataclass(frozen=True)
class Golden:
    """One released variant: settings, list of weights, gradient norms and arrays."""

    settings: dict
    weights: list
    gradient_norms: dict
    arrays: dict[str, np.ndarray]

    def inputs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Images and labels."""
        batch, size = self.settings["batch"], self.settings["size"]
        images = torch.from_numpy(fill(20000, (batch, 3, size, size)))
        return images, torch.arange(batch) % self.settings["classes"]

    def noise(self, samples: int, pixels: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention and latent noise of `samples` draws each."""
        batch, latent = self.settings["batch"], self.settings["K"]
        attention = fill(10000, (samples * batch, pixels))
        latents = fill(10001, (samples * samples * batch, latent))
        return torch.from_numpy(attention), torch.from_numpy(latents)


@dataclass(frozen=True)
class GoldenTraining:
    """Some released updates of a variant: settings, losses before each, [norm, sum] at the end."""

    settings: dict
    columns: list[str]
    losses: np.ndarray
    final: dict[str, list[float]]

    def step(self, number: int, pixels: int) -> tuple[torch.Tensor, ...]:
        """Images, labels, attention noise and latent noise of a step, from 0."""
        batch, size = self.settings["batch"], self.settings["size"]
        images = fill(20000 + number, (batch, 3, size, size))
        attention = fill(10000 + 2 * number, (batch, pixels))
        latent = fill(10001 + 2 * number, (batch, self.settings["K"]))
        labels = (torch.arange(batch) + number) % self.settings["classes"]
        return torch.from_numpy(images), labels, *map(torch.from_numpy, (attention, latent))


def names(training: bool) -> list[str]:
    """The variants in golden/; those of training begin with train_."""
    stems = sorted(path.stem for path in FOLDER.glob("*.json"))
    return [stem for stem in stems if stem.startswith("train_") == training]


def read_training(name: str) -> GoldenTraining:
    """Read train_NAME.json and train_NAME.npz."""
    content = json.loads((FOLDER / f"{name}.json").read_text())
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return GoldenTraining(
            content["meta"], content["columns"], arrays["losses"], content["final"]
        )


def read(name: str) -> Golden:
    """Read NAME.json and NAME.npz."""
    content = json.loads((FOLDER / f"{name}.json").read_text())
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return Golden(content["meta"], content["weights"], content["grad_norm"], dict(arrays))


def fill_model(model: nn.Module, golden: Golden, ours: dict[str, str | None]) -> None:
    """Give `model` the golden weights; `ours` maps every released name to our name, or None."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    unused = set(tensors) - set(ours.values()) - {n for n in tensors if n.endswith("tracked")}
    assert not unused, f"tensors that the name map forgets: {unused}"
    for name, shape, kind, index in golden.weights:
        if ours[name] is None:
            continue
        tensor = tensors[ours[name]]
        assert list(tensor.shape) == shape or kind == "anchors", (name, tensor.shape, shape)
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(_values(tuple(shape), kind, index)).reshape(tensor.shape))


def _values(shape: tuple[int, ...], kind: str, index: int | None) -> np.ndarray:
    if kind == "anchors":
        return torch.linspace(0, 1, shape[-1]).numpy()  # float32, as they are when they are made
    numbers = fill(index, shape)
    if kind == "weight":
        return numbers * np.sqrt(2 / np.prod(shape[1:]))
    return {"scale": 1 + 0.1 * numbers, "shift": 0.1 * numbers, "var": np.exp(0.1 * numbers)}[kind]


def relative_error(found: torch.Tensor | float, expected: np.ndarray | float) -> float:
    """Largest relative difference of any number.

    One that is under a millionth of the largest counts as so large: its rounding is the largest's.
    """
    found, expected = np.asarray(torch.as_tensor(found).detach()), np.asarray(expected)
    assert found.shape == expected.shape
    magnitude = np.maximum(np.abs(expected), 1e-6 * np.abs(expected).max())
    return float((np.abs(found - expected) / magnitude).max())
