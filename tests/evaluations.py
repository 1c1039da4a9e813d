"""Made-up evaluations of made-up runs, of the shapes that aib/evaluation/parts writes."""

from pathlib import Path
from typing import Any

import numpy as np

from aib import files
from aib.evaluation.identity import identity
from aib.evaluation.parts import Common, Found, kinds, part
from aib.record import EVALUATION, PARTS
from aib.spec.run import RunSpec

NO_MAP = "this network has no map"
TARGET = {"cross_domain": {"target": "elsewhere"}}
# An entry of each kind, under the name of the kind.
ENTRIES: dict[str, Common] = {
    kind: part(kind).Parameters(kind=kind, **TARGET.get(kind, {})) for kind in kinds()
}


def write_evaluations(folder: Path, run: RunSpec, correct: np.ndarray, masks: bool = True) -> None:
    """evaluation.json and its arrays for a run that got those test images right."""
    rng = np.random.default_rng([run.seed, len(run.names.model)])
    has_map, anchors = run.model.has_map, run.model.anchor_count
    made: dict[str, Any] = {
        "interventions": interventions(correct, rng) if has_map else NO_MAP,
        "localisation": localisation(run.seed % 3 == 2, rng) if has_map and masks else NO_MAP,
        "sanity": sanity(masks, rng) if has_map else NO_MAP,
        "interpretability": interpretability("map" if has_map else "grad_cam", rng),
        "deletion": deletion(has_map, rng),
        "map_information": map_information(anchors, rng) if has_map else NO_MAP,
        "calibration": calibration(rng),
        "corruptions": corruptions(rng),
        "cross_domain": cross_domain(rng),
    }
    content = {}
    (folder / PARTS).mkdir(exist_ok=True)
    for kind, found in made.items():
        content[kind] = {"identity": identity(ENTRIES[kind]), "seconds": 1.0}
        if isinstance(found, str):
            content[kind]["inapplicable"] = found
            continue
        content[kind]["numbers"] = found.numbers
        if found.arrays:
            path = folder / PARTS / f"{kind}.npz"
            files.write_arrays(path, **found.arrays)
            content[kind]["arrays"] = files.file_sha256(path)
    write_found(folder, content)


def write_found(folder: Path, content: dict[str, Any]) -> None:
    """evaluation.json, and each entry in a file of its own."""
    for kind, found in content.items():
        files.write_json(folder / PARTS / f"{kind}.json", found)
    files.write_json(folder / EVALUATION, content)


def interventions(correct: np.ndarray, rng: np.random.Generator) -> Found:
    labels = np.arange(len(correct)) % 10
    lost = {"as_is": 0, "constant": 0.01, "mean_map": 0.01, "other": 0.03, "inverted": 0.2}
    numbers, arrays = {}, {}
    for name, share in (lost | {"none": 0.1}).items():
        right = correct & (rng.random(len(correct)) >= share)
        arrays[name] = ((labels + ~right) % 10).astype(np.int16)
        changed = float((arrays[name] != arrays["as_is"]).mean())
        numbers[name] = {"accuracy": float(right.mean()), "cross_entropy": 0.2, "changed": changed}
    return Found(numbers, arrays)


FIGURES = ("auroc", "own_minus_other", "average_precision", "energy", "pointing", "overlap")
CONTROLS = ("uniform", "gaussian", "mean_mask", "brightness", "edges", "true_mask", "feature_norm")


def localisation(inverted: bool, rng: np.random.Generator) -> Found:
    primary = float(rng.normal(0.85, 0.02))
    chosen = {"primary": primary, **dict.fromkeys(FIGURES, primary - 0.05)}
    learned = {name: 1 - value for name, value in chosen.items()} if inverted else chosen
    value = learned["primary"]
    controls = {
        name: {"primary": 0.5 + 0.06 * at, **dict.fromkeys(FIGURES, 0.5 + 0.06 * at)}
        for at, name in enumerate(CONTROLS)
    }
    numbers = {
        "against": "fragments",
        "as_learned": learned,
        "polarity": "background" if inverted else "object",
        "validation": {"primary": value, "low": value - 0.02, "high": value + 0.02},
        "chosen": chosen,
        "left_out": 0,
        "controls": controls,
    }
    return Found(numbers, {"primary": rng.normal(value, 0.1, 400).astype(np.float32)})


def sanity(masks: bool, rng: np.random.Generator) -> Found:
    def score(value: float) -> dict[str, float]:
        return {"primary": value, "auroc": value - 0.05, "chosen": value} if masks else {}

    layers = ("none", "classifier", "attention.mean", "features.conv")
    kept = (1.0, 1.0, 0.3, 0.05)
    cascade = [
        {"layer": layer, **score(0.5 + 0.3 * share), "correlation": share}
        for layer, share in zip(layers, kept, strict=True)
    ]
    untrained = [score(float(rng.normal(0.53, 0.01))) for _ in range(3)]
    maps = rng.random((3, 20, 8, 8)).astype(np.float16)
    return Found({"cascade": cascade, "untrained": untrained}, {"untrained": maps})


def interpretability(maker: str, rng: np.random.Generator) -> Found:
    level = {"own": 0.8, "shuffled": 0.1, "centred own": 0.4, "centred shuffled": 0.02}
    names = [f"spatial color {window}" for window in (4, 8, 12)]
    names += [f"frequency {keep} {radius}" for keep in ("low", "high") for radius in (4, 8)]
    modifications: dict[str, Any] = {}
    for name in names:
        modifications[name] = {"unchanged": 0.9}
        for maps, share in level.items():
            shares = rng.normal(share, 0.01, 3).clip(0, 1)
            modifications[name][maps] = dict(zip(("0.85", "0.9", "0.95"), shares, strict=True))
    modifications[names[-1]]["own"]["0.9"] = None  # no prediction was left unchanged
    return Found({"maker": maker, "modifications": modifications})


def deletion(has_map: bool, rng: np.random.Generator) -> Found:
    makers = ("map",) * has_map + ("grad_cam", "integrated_gradients", "gaussian", "random")
    return Found(
        {
            filling: {
                maker: {
                    "deletion": float(rng.normal(0.3, 0.01)),
                    "insertion": float(rng.normal(0.7, 0.01)),
                }
                for maker in makers
            }
            for filling in ("blur", "mean")
        }
    )


def map_information(anchors: int | None, rng: np.random.Generator) -> Found:
    numbers = {"map": float(rng.normal(5, 0.1)), "median_std": 0.005}
    if anchors:
        capacity = float(np.log2(anchors))
        numbers |= {"quantised": min(float(rng.normal(3.8, 0.1)), capacity), "capacity": capacity}
    return Found(numbers)


def calibration(rng: np.random.Generator) -> Found:
    def scored() -> dict[str, float]:
        names = ("accuracy", "cross_entropy", "brier", "calibration_error")
        return dict(zip(names, rng.normal((0.93, 0.3, 0.1, 0.02), 0.001), strict=True))

    temperature = float(rng.normal(1.4, 0.1))
    return Found({"temperature": temperature, "as_is": scored(), "scaled": scored()})


def corruptions(rng: np.random.Generator) -> Found:
    kinds = ("noise", "blur", "contrast", "jpeg", "pixelate")
    found = {kind: (0.9 - 0.1 * np.arange(5) + rng.normal(0, 0.01, 5)).tolist() for kind in kinds}
    mean = float(np.mean([value for each in found.values() for value in each]))
    return Found({"clean": 0.93, "mean": mean, "by_severity": found})


def cross_domain(rng: np.random.Generator) -> Found:
    share = float(rng.normal(0.6, 0.02))
    each = {"images": 100, "accuracy": share}
    return Found({"test": {"all": each, "shared": each}})
