"""A finished run, ready to use: what is known of it, and its network."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel
from torch import nn

from aib.data.loader import Loader
from aib.data.prepared import MANIFEST
from aib.errors import AibError
from aib.evaluation.accuracy import BATCH
from aib.evaluation.network import trained_network
from aib.models import Prediction
from aib.reading import read_json
from aib.record import Record, read
from aib.spec.parts import Normalisation
from aib.spec.run import RunSpec
from aib.use.pictures import as_input, in_colour, open_picture

if TYPE_CHECKING:
    from pandas import DataFrame

Channels = tuple[float, float, float]


class _Manifest(BaseModel):
    """What is needed of a prepared dataset's manifest."""

    digest: str
    mean: Channels
    std: Channels


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A finished run and its network, which is in evaluation mode on `device`.

    Images are uint8 (N, 3, S, S), with S = `spec.dataset.image_size`, as `images` makes them and as
    prepared datasets hold them. Noise is left out, attention and latent being at their means, so
    that the same image gives the same answer.
    """

    record: Record
    model: nn.Module
    normalisation: Normalisation
    device: torch.device

    @property
    def spec(self) -> RunSpec:
        """All that the run is."""
        return self.record.run_spec

    @property
    def results(self) -> dict[str, Any]:
        """The content of result.json: how it ended, its figures, its cost."""
        return self.record.result

    @cached_property
    def history(self) -> "DataFrame":
        """A row an epoch: losses and rate in bits, accuracies as shares, seconds."""
        from pandas import DataFrame

        return DataFrame(self.record.history).set_index("epoch")

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, in the order of `predict`."""
        return self.spec.dataset.classes

    def images(self, pictures: Iterable[Path | str | Image.Image]) -> np.ndarray:
        """Files or Pillow images of any size as the network's input, uint8 (N, 3, S, S).

        Each is brought to RGB and scaled to S x S, bilinear, aspect not kept. Raises `AibError` for
        a file that is no picture, `ValueError` for a Pillow image of floats.
        """
        side = self.spec.dataset.image_size
        opened = (p if isinstance(p, Image.Image) else open_picture(Path(p)) for p in pictures)
        return np.array([as_input(in_colour(each), side) for each in opened])

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The probability of each class, float32 (N, classes)."""
        found = [seen.logits[0].float().softmax(dim=1) for seen in self._seen(images)]
        return torch.cat(found).cpu().numpy()

    def attention(self, images: np.ndarray) -> np.ndarray:
        """The mean map of each image, float32 (N, h, w), from 0 to 1; coarser than the image.

        Raises `AibError` for a network without a map.
        """
        if not self.spec.model.has_map:
            raise AibError(f"'{self.spec.names.model}' has no attention map")
        found = [seen.attention.mean.squeeze(1).float() for seen in self._seen(images)]
        return torch.cat(found).cpu().numpy()

    @torch.inference_mode()
    def _seen(self, images: np.ndarray) -> Iterator[Prediction]:
        side = self.spec.dataset.image_size
        if images.dtype != np.uint8 or images.shape[1:] != (3, side, side) or not len(images):
            raise AibError(
                f"images are {images.dtype} {images.shape}, expected uint8 (N, 3, {side}, {side}); "
                "`images()` makes them of pictures"
            )
        loader = Loader(
            images,
            np.zeros(len(images)),
            self.normalisation.mean,
            self.normalisation.std,
            crop_size=self.spec.augmentation.crop_size,
            device=self.device,
        )
        self.model.eval()
        for batch, _ in loader.evaluation_batches(BATCH):
            yield self.model(batch, 0)


def load_run(
    folder: Path | str, device: torch.device | str = "cpu", data: Path | str | None = None
) -> TrainedRun:
    """Read a finished run and load its weights; what is read is held against its hash.

    Args:
        folder: of the run, results/runs/DATASET/MODEL/KEY/seed-N.
        device: of torch.
        data: folder of the prepared dataset, whose manifest has the normalisation of most runs;
            ../../../../../data/DATASET if not given. Its arrays are not needed.

    Raises:
        AibError: the run is missing, unfinished, damaged or without weights, or the manifest is.
    """
    record = read(Path(folder))
    model = trained_network(record.run_spec, record.weights)
    device = torch.device(device)
    model.to(device, memory_format=torch.channels_last).eval()
    return TrainedRun(record, model, _normalisation(record, data), device)


def _normalisation(record: Record, data: Path | str | None) -> Normalisation:
    """The run's own, or that of the images which it was trained on."""
    spec = record.run_spec
    if spec.normalisation is not None:
        return spec.normalisation
    name = spec.names.dataset
    results = Path(record.folder, *[".."] * (1 + len(spec.folder.parts)))
    folder = (results / "data" / name).resolve() if data is None else Path(data)
    again = f"run: aib data prepare {name}"
    if not (folder / MANIFEST).exists():
        raise AibError(
            f"{folder / MANIFEST}: missing, and it has the normalisation of {record.folder}; "
            f"{again}, or name the folder of that dataset"
        )
    manifest = read_json(folder / MANIFEST, _Manifest, again)
    if manifest["digest"] != record.result["data_digest"]:
        raise AibError(f"{folder}: not the data that {record.folder} was trained on; {again}")
    return Normalisation(mean=tuple(manifest["mean"]), std=tuple(manifest["std"]))
