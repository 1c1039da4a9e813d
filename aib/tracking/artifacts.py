"""The files that a run has in MLflow: a model that can be loaded, and a picture of its attention.

A model is `MLmodel`, which names `aib.tracked_model` as what loads it, `network.json` and the
weights as safetensors: no code and no pickle.
"""

import os
import platform
import shutil
from pathlib import Path

import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec
from PIL import Image

from aib.data.prepared import MANIFEST
from aib.files import ATTENTION, WEIGHTS, read_json, write_json
from aib.record import Record
from aib.reporting.pictures import overlay, small
from aib.spec.run import RunSpec

MODEL, NETWORK = "model", "network.json"
LOADER = "aib.tracked_model"
PICTURE, ENLARGED = "attention.png", 2  # times


def statistics(record: Record, spec: RunSpec, datasets: Path) -> dict[str, list[float]] | None:
    """Mean and standard deviation that the network's images are normalised with, by channel.

    None where they are the dataset's own, and that is not here or is another version.
    """
    if spec.normalisation:
        return {"mean": list(spec.normalisation.mean), "std": list(spec.normalisation.std)}
    path = datasets / spec.names.dataset / MANIFEST
    manifest = read_json(path) if path.exists() else {}
    if manifest.get("digest") != record.result["data_digest"]:
        return None
    return {name: manifest[name] for name in ("mean", "std")}


def has_model(record: Record, spec: RunSpec, datasets: Path) -> str:
    """ "yes", or why no model can be made of a record."""
    if WEIGHTS not in record.result["files"]:
        return "no: the run has no weights"
    if statistics(record, spec, datasets) is None:
        return "no: mean and std of its data are not here"
    return "yes"


def write_model(folder: Path, record: Record, spec: RunSpec, datasets: Path) -> None:
    """Fill a folder with the model of a record that has one."""
    folder.mkdir(parents=True)
    _link(record.folder / WEIGHTS, folder / WEIGHTS)
    network = {"spec": record.spec["spec"], **statistics(record, spec, datasets)}
    write_json(folder / NETWORK, network | {"weights": record.result["files"][WEIGHTS]})
    side, classes = spec.dataset.image_size, spec.dataset.classes
    images = TensorSpec(np.dtype("uint8"), (-1, side, side, 3))
    outputs = [TensorSpec(np.dtype("float32"), (-1, len(classes)), "probabilities")]
    outputs += [TensorSpec(np.dtype("str"), (-1,), "predicted")]
    if spec.model.has_map:
        outputs += [TensorSpec(np.dtype("float32"), (-1, -1, -1), "attention")]
    model = Model(
        signature=ModelSignature(Schema([images]), Schema(outputs)),
        metadata={"classes": list(classes)},
    )
    version = platform.python_version()  # MLflow says so where another one loads it
    model.add_flavor("python_function", loader_module=LOADER, python_version=version)
    model.save(folder / "MLmodel")


def _link(source: Path, target: Path) -> None:
    """The same file under another name, which costs no disk; a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_picture(folder: Path, record: Record) -> None:
    """The run's gallery, if it has one: images, and below each its mean map over it."""
    if ATTENTION not in record.result["files"]:
        return
    images, maps = (record.attention[f"gallery_{name}"] for name in ("images", "mean"))
    low, high = maps.min(), maps.max()
    plain = [small(image) for image in images]
    shown = [overlay(image, each, low, high) for image, each in zip(images, maps, strict=True)]
    sheet = Image.fromarray(np.vstack([np.hstack(plain), np.hstack(shown)]).astype(np.uint8))
    folder.mkdir(parents=True, exist_ok=True)
    sheet.resize((ENLARGED * sheet.width, ENLARGED * sheet.height), Image.Resampling.NEAREST).save(
        folder / PICTURE
    )
