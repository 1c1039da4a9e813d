"""Made-up records with a real network: untrained weights, and data that are really prepared."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from aib import files
from aib.data.prepared import PreparedData
from aib.data.prepared import load as load_data
from aib.data.preparing import prepare
from aib.models import build
from aib.models.initialise import initialise
from aib.params import Parameters
from aib.spec.run import RunSpec

COUNTS = {"train": 40, "validation": 20, "test": 20}


def small_data(results: Path, parameters: Parameters) -> PreparedData:
    """Some cluttered digits, below a results folder."""
    entry = parameters.datasets["cluttered-digits"].model_copy(update=COUNTS)
    folder = results / "data/cluttered-digits"
    prepare("cluttered-digits", entry, results, folder)
    return load_data(folder)


def network_of(run: RunSpec) -> torch.nn.Module:
    """The network that a run begins with."""
    network = build(run.model, run.network, len(run.dataset.classes), run.image_size)
    initialise(network, run.initialisation, torch.Generator().manual_seed(run.seed))
    return network.eval()


def add_network(folder: Path, run: RunSpec, digest: str) -> None:
    """Give a record those weights, and let it be of those data."""
    save_file(network_of(run).state_dict(), folder / files.WEIGHTS)
    path = folder / files.RESULT
    changes = {"data_digest": digest, "files": files.seal(folder)}
    files.write_json(path, files.read_json(path) | changes)
