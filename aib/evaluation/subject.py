"""What an evaluation looks at: one network with its data. Images and maps go in and out as arrays.

Everything is computed from the means of attention and latent, so that it is a function of the
weights alone.
"""

import copy
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aib.data.crop import centre
from aib.data.loader import Loader
from aib.data.prepared import PreparedData, Split, load
from aib.evaluation import explanations
from aib.evaluation.accuracy import BATCH
from aib.evaluation.cells import pooled
from aib.evaluation.parts import Inapplicable
from aib.generators import derived_seed
from aib.models import IBSpatialAttention, build
from aib.models.initialise import initialise
from aib.spec.run import RunSpec

if TYPE_CHECKING:  # else all of params would be in the hash of every evaluation
    from aib.params import LabelMap


class Seen(NamedTuple):
    """What a network makes of N images; the last three are None where it has no map."""

    log_probabilities: np.ndarray  # (N, classes) float32
    maps: np.ndarray | None  # (N, h, w) float32, the mean map
    used: np.ndarray | None  # (N, h, w), what weights the features: the map, or its anchors
    norms: np.ndarray | None  # (N, h, w), length of the feature vectors that the map is made from

    @property
    def predicted(self) -> np.ndarray:
        """The likeliest class of each image, (N,)."""
        return self.log_probabilities.argmax(axis=1)


class Surroundings(NamedTuple):
    """What an evaluation may ask for beside the network and its own data."""

    datasets: Path  # the folder of all prepared datasets
    label_maps: "dict[str, LabelMap]"
    device: torch.device


class Subject:
    """A network with the data that it is asked about, on one device."""

    def __init__(
        self, model: nn.Module, spec: RunSpec, data: PreparedData, around: Surroundings
    ) -> None:
        self.device = around.device
        self.model = model.to(self.device, memory_format=torch.channels_last).eval()
        self.spec, self.data, self.around = spec, data, around
        own = data.manifest["mean"], data.manifest["std"]
        chosen = spec.normalisation
        self.normalisation = (chosen.mean, chosen.std) if chosen else own
        self._replacement: Tensor | None = None
        self._norms: Tensor | None = None
        attentions = [m for m in self.model.modules() if isinstance(m, IBSpatialAttention)]
        self.attention = attentions[0] if attentions else None
        if self.attention is not None:
            self.attention.register_forward_hook(self._replace)

    # ------------------------------------------------------------ data

    def split(self, name: str, sample: int | None = None) -> Split:
        """The first images of a split with all that goes with them, cropped as evaluated."""
        content = getattr(self.data, name)
        size = self.spec.image_size
        window = centre(content.images.shape[-1], size)
        arrays = {key: np.asarray(array[:sample]) for key, array in content.arrays().items()}
        for key, array in arrays.items():
            if array.ndim > 1:
                arrays[key] = array[..., window, window]
        return Split(**arrays)

    def other(self, name: str) -> PreparedData:
        """Another dataset; raises `Inapplicable` where it is not prepared."""
        folder = self.around.datasets / name
        if not folder.exists():
            raise Inapplicable(f"dataset {name} is not here; run: aib data prepare {name}")
        return load(folder)

    # ------------------------------------------------------------ looking

    @property
    def has_map(self) -> bool:
        return self.spec.model.has_map

    def need_map(self) -> None:
        """Raise `Inapplicable` for a network without a map."""
        if not self.has_map:
            raise Inapplicable("this network has no map")

    @torch.inference_mode()
    def look(self, images: np.ndarray, maps: np.ndarray | None = None) -> Seen:
        """Show the network uint8 images (N, 3, S, S); `maps` (N, h, w) take the place of its own.

        Raises `Inapplicable` when maps are given and nothing in the network is weighted by one.
        """
        if maps is not None and self.attention is None:
            raise Inapplicable(
                "nothing in this network is weighted by a map that could be replaced"
            )
        found = []
        for start, batch in self.batches(images):
            if maps is not None:
                chosen = torch.tensor(maps[start : start + len(batch)], device=self.device)
                self._replacement = chosen.float().unsqueeze(1)
            try:
                found.append(self._seen(batch))
            finally:
                self._replacement = None
        arrays = [torch.cat(each).float().cpu().numpy() for each in zip(*found, strict=True)]
        return Seen(*arrays, *[None] * (4 - len(arrays)))

    def _seen(self, batch: Tensor) -> list[Tensor]:
        prediction = self.model(batch, 0)
        attention = prediction.attention
        seen = [functional.log_softmax(prediction.logits[0].float(), dim=1)]
        if attention is not None:
            seen += [attention.mean.squeeze(1), attention.quantised.squeeze(1)]
        return seen if self._norms is None else [*seen, self._norms]

    @cached_property
    def test(self) -> Seen:
        """What it makes of all test images."""
        return self.look(self.split("test").images)

    @cached_property
    def validation(self) -> Seen:
        """What it makes of all validation images."""
        return self.look(self.split("validation").images)

    def mean_map(self, sample: int) -> np.ndarray:
        """The mean of the maps that weight the features of the first train images, (h, w)."""
        self.need_map()
        return self.look(self.split("train", sample).images).used.mean(axis=0)

    @torch.inference_mode()
    def spread(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every cell of the map, each (N, cells)."""
        seen = [self.model(batch, 0).attention for _, batch in self.batches(images)]
        mean, std = (torch.cat([getattr(a, name) for a in seen]) for name in ("mean", "std"))
        return mean.flatten(1).cpu().numpy(), std.flatten(1).cpu().numpy()

    @property
    def anchors(self) -> np.ndarray | None:
        """The values that maps are quantised to, sorted; None for a continuous map."""
        quantiser = self.attention.quantiser if self.attention is not None else None
        return None if quantiser is None else np.sort(quantiser.anchors.detach().cpu().numpy())

    def grad_cam(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Grad-CAM of those classes (N,) at the features before the attention, (N, h, w).

        Baselines have the same features without the attention: all are compared at one place.
        """
        layer = getattr(self.model, "features", None)
        if layer is None:
            raise Inapplicable("this network has no one place before its attention for Grad-CAM")
        return self._explained(images, classes, explanations.grad_cam(self._logits, layer))

    def integrated_gradients(
        self, images: np.ndarray, classes: np.ndarray, resolution: int
    ) -> np.ndarray:
        """Integrated gradients from the mean image, as means of a map's cells, (N, h, w)."""
        found = self._explained(images, classes, explanations.integrated_gradients(self._logits))
        return pooled(found, resolution)

    def _logits(self, images: Tensor) -> Tensor:
        return self.model(images, 0).logits[0]

    def _explained(
        self, images: np.ndarray, classes: np.ndarray, explain: explanations.Explanation
    ) -> np.ndarray:
        self.model.requires_grad_(False)
        found = []
        for start, batch in self.batches(images):
            target = torch.tensor(classes[start : start + BATCH], device=self.device)
            found.append(explain(batch.detach().requires_grad_(True), target).detach())
        return torch.cat(found).float().cpu().numpy()

    def batches(self, images: np.ndarray) -> Iterator[tuple[int, Tensor]]:
        """Images (N, 3, S, S) as the network takes them, with the number of each batch's first."""
        loader = Loader(images, np.zeros(len(images)), *self.normalisation, device=self.device)
        batches = (batch for batch, _ in loader.evaluation_batches(BATCH))
        yield from zip(range(0, len(images), BATCH), batches, strict=True)

    def _replace(self, module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
        """Weight the features by another map, and note how long the feature vectors are."""
        features = arguments[0]
        self._norms = features.detach().norm(dim=1)
        if self._replacement is None:
            return None
        weighted = features * self._replacement
        return (features + weighted if module.residual else weighted), output[1]

    # ------------------------------------------------------------ other weights

    def untrained(self, draw: int) -> "Subject":
        """The same network with other start weights, its batch statistics those of train."""
        with torch.random.fork_rng([]):
            torch.manual_seed(draw)
            model = build(
                self.spec.model, self.spec.network, len(self.data.classes), self.spec.image_size
            )
        generator = torch.Generator().manual_seed(derived_seed(draw, "untrained"))
        initialise(model, self.spec.initialisation, generator)
        subject = Subject(model, self.spec, self.data, self.around)
        subject._settle(subject.layers())
        return subject

    def _settle(self, layers: list[str], images: int = 1000) -> None:
        """Set the statistics of those layers' batch normalisation to those of train images."""
        named = dict(self.model.named_modules())
        norms = [named[n] for n in layers if isinstance(named[n], nn.BatchNorm2d)]
        kept = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over batches
            norm.train()
        with torch.no_grad():
            for _, batch in self.batches(self.split("train", images).images):
                self.model(batch, 0)
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
            norm.eval()

    def layers(self) -> list[str]:
        """Names of the modules with weights, in the order in which an image meets them."""
        order: list[str] = []
        own = {
            module: name
            for name, module in self.model.named_modules()
            if not list(module.children()) and list(module.parameters())
        }
        handles = [m.register_forward_pre_hook(lambda m, _: order.append(own[m])) for m in own]
        self.look(self.split("test", 1).images)
        for handle in handles:
            handle.remove()
        return list(dict.fromkeys(order))

    def with_layers_of(self, other: "Subject", layers: list[str]) -> "Subject":
        """A copy of the network in which those layers have the weights of another one.

        Their batch statistics are taken anew, since those of the other came from other features.
        """
        model = copy.deepcopy(self.model)
        for module in model.modules():
            module._forward_hooks.clear()  # they would act on this subject
        theirs = other.model.state_dict()
        taken = {n: t for n, t in theirs.items() if n.rpartition(".")[0] in layers}
        model.load_state_dict(taken, strict=False)
        subject = Subject(model, self.spec, self.data, self.around)
        subject._settle(layers)
        return subject
