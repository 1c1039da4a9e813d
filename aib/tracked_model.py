"""What MLflow loads when it is asked for a run's model (`aib/tracking/artifacts.py` writes it)."""

import json
from pathlib import Path

import numpy as np
import torch

from aib.data.loader import Loader
from aib.errors import AibError
from aib.evaluation.accuracy import BATCH
from aib.evaluation.network import trained_network
from aib.files import WEIGHTS, file_sha256
from aib.spec.run import RunSpec


class TrackedModel:
    """A trained network that looks at plain images, on the CPU, by the means of its noise."""

    def __init__(self, folder: Path) -> None:
        content = json.loads((folder / "network.json").read_text())
        if file_sha256(folder / WEIGHTS) != content["weights"]:
            raise AibError(f"{folder / WEIGHTS}: damaged; run `aib track` again to replace the run")
        self.spec = RunSpec.model_validate_json(json.dumps(content["spec"]))
        self.normalisation = content["mean"], content["std"]
        self.classes = np.array(self.spec.dataset.classes)
        self.network = trained_network(self.spec, folder / WEIGHTS).eval()

    @torch.inference_mode()
    def predict(self, images: np.ndarray) -> dict[str, np.ndarray]:
        """What it sees in uint8 images (N, S, S, 3), of which it takes the centre.

        Returns:
            `probabilities` (N, classes), `predicted` (N,), names of classes, and for a network
            that has a map `attention` (N, h, w).
        """
        channels_first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        nothing = np.zeros(len(images))
        size = self.spec.image_size
        loader = Loader(channels_first, nothing, *self.normalisation, crop_size=size)
        seen = [self.network(batch, 0) for batch, _ in loader.evaluation_batches(BATCH)]
        probabilities = torch.cat([each.logits[0].softmax(dim=1) for each in seen]).numpy()
        found = {"probabilities": probabilities}
        found["predicted"] = self.classes[probabilities.argmax(axis=1)]
        if self.spec.model.has_map:
            found["attention"] = torch.cat([e.attention.mean.squeeze(1) for e in seen]).numpy()
        return found


def _load_pyfunc(path: str) -> TrackedModel:
    """MLflow's way in."""
    return TrackedModel(Path(path))
