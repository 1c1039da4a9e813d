"""What `aib predict` does: the classes of pictures, and where the network looked."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from aib.errors import AibError
from aib.terminal import print_whole, printable, table, verbatim
from aib.training.device import prepare_device
from aib.use.overlay import overlay, seen_part
from aib.use.pictures import as_input, open_picture
from aib.use.trained import TrainedRun, load_run

Found = dict[str, Any]


def predict(
    name: str,
    pictures: list[Path],
    results: Path,
    top: int,
    to: Path | None,
    device: str,
    data: Path | None,
    as_json: bool,
) -> None:
    """Print what a run makes of pictures, and draw its maps; see `aib predict`."""
    run = load_run(_folder(name, results), prepare_device(device, "fp32"), data)
    targets = _targets(pictures, to) if run.spec.model.has_map else {}
    side = run.spec.dataset.image_size
    images = np.array([as_input(open_picture(path), side) for path in pictures])
    found = [
        {"image": str(path), "classes": _likeliest(run, row, top), "map": None}
        for path, row in zip(pictures, run.predict(images), strict=True)
    ]
    if targets:
        _draw(run, run.attention(images), found, targets)
    if as_json:
        about = {"run": str(run.record.folder), "scaled_to": side, "seen": run.spec.image_size}
        print(json.dumps(about | {"images": found}, indent=1))
        return
    print_whole(_table(found))
    print("\n".join(map(printable, _words(run, found))))


def _folder(name: str, results: Path) -> Path:
    """A run by its folder, or by its name below results/runs."""
    for folder in (Path(name), results / "runs" / name):
        if folder.is_dir():
            return folder
    raise AibError(
        f"{name}: no such run, neither here nor below {results / 'runs'}; `aib status STUDY` says "
        "which are finished"
    )


def _targets(pictures: Iterable[Path], to: Path | None) -> dict[str, Path]:
    """The file of each picture's map, beside it or in the folder `to`."""
    targets = {str(p): (to or p.parent) / f"{p.stem}-map.png" for p in pictures}
    if len(set(targets.values())) < len(targets):
        raise AibError("two of the images have the same name; predict them one after the other")
    return targets


def _likeliest(run: TrainedRun, probabilities: np.ndarray, top: int) -> list[Found]:
    order = np.argsort(-probabilities, kind="stable")[:top]
    return [{"class": run.classes[k], "probability": float(probabilities[k])} for k in order]


def _draw(run: TrainedRun, maps: np.ndarray, found: list[Found], targets: dict[str, Path]) -> None:
    """Write the maps, all in the same colours, so that they can be compared."""
    low, high = float(maps.min()), float(maps.max())
    for each, attention in zip(found, maps, strict=True):
        best, target = each["classes"][0], targets[each["image"]]
        picture = open_picture(Path(each["image"]))
        part = seen_part(picture, run.spec.dataset.image_size, run.spec.image_size)
        title = f"{best['class']}, {best['probability']:.1%}"
        target.parent.mkdir(parents=True, exist_ok=True)
        overlay(part, attention, low, high, title).savefig(target)
        lowest, highest = float(attention.min()), float(attention.max())
        each["map"] = {"file": str(target), "lowest": lowest, "highest": highest}
        each["map"]["colours"] = [low, high]


def _table(found: list[Found]) -> Table:
    rows = table("", "image", "class", "probability", whole=("image",), right=("probability",))
    for each in found:
        for number, likely in enumerate(each["classes"]):
            image = verbatim(each["image"]) if number == 0 else ""
            rows.add_row(image, verbatim(likely["class"]), f"{likely['probability']:.1%}")
    return rows


def _words(run: TrainedRun, found: list[Found]) -> Iterable[str]:
    """By which network, what was done to the images, and how the maps are drawn."""
    names = run.spec.names
    yield f"by {names.model} seed {run.spec.seed}, trained on {names.dataset}"
    side, size = run.spec.dataset.image_size, run.spec.image_size
    cropped = f", of which the central {size}x{size} are seen" if size < side else ""
    yield f"every image was scaled to {side}x{side} pixels in RGB, aspect not kept{cropped}"
    if not run.spec.model.has_map:
        yield f"{names.model} has no attention map, so none is drawn"
        return
    low, high = found[0]["map"]["colours"]
    yield f"maps: colours from {low:.3g} to {high:.3g}, the least and most of all; none is scaled"
    yield from (f"  {each['map']['file']}" for each in found)
