"""Figures of the evaluations, computed again from arrays and predictions as far as these go.

What deletion, interpretability, corruptions and other datasets gave rests on the weights alone; of
those only range, number of images and sums are checked here.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from aib.evaluation.identity import applicable, identity
from aib.evaluation.parts import Common
from aib.evaluation.parts.calibration import scaled
from aib.evaluation.parts.localisation import Truth
from aib.evaluation.scores import scores
from aib.record import PARTS
from aib.verification.given import Given

# A network that predicts again, perhaps on another processor or with other precision, may decide
# otherwise in so many images (0.03 % at most, measured). Two seeds differ in more: in 2 to 4 % on
# the digits of study quick, 12 to 14 % on CIFAR-10.
CHANGED = 0.005
ROUNDED = 1e-6  # of figures, which are kept to eight digits


def evaluations(run: Given, entries: dict[str, Common], current: bool) -> Iterator[str]:
    """Problems of evaluation.json and of its arrays, beside what reading them tells.

    Args:
        run: whose evaluations they are.
        entries: as declared.
        current: whether the run's code is this checkout's, so that evaluations must be, too.
    """
    if current and run.result["scored"] == "test":
        expected = applicable(entries, run.result["names"]["dataset"])
        if lacking := [name for name in expected if name not in run.record.evaluation]:
            yield f"{len(lacking)} of {len(expected)} were not made: {', '.join(lacking)}"
    for name, found in run.record.evaluation.items():
        for what in _part(run, name, found, entries.get(name) if current else None):
            yield f"{name}: {what}"


def _part(run: Given, name: str, found: dict, entry: Common | None) -> Iterator[str]:
    said = found["identity"]
    if said["weights"] != run.result["weights_sha256"]:
        yield "was made of other weights"
    if said["data"] != run.result["data_digest"]:
        yield "was made on other data"
    if entry is not None and not identity(entry).items() <= said.items():
        yield "was made by other code or parameters than are declared"
    arrays = run.folder / PARTS / f"{name}.npz"
    if "arrays" in found and not arrays.exists():
        yield f"{PARTS}/{arrays.name} is missing"
        return
    if found.get("numbers") is not None:
        kind = said["parameters"]["kind"]
        kept = run.record.evaluation_arrays(name)
        yield from KINDS.get(kind, _nothing)(run, found["numbers"], kept, said["parameters"])


def _nothing(*_: Any) -> Iterator[str]:
    yield from ()


def _same(first: float, second: float | None) -> bool:
    return second is not None and math.isclose(first, second, rel_tol=ROUNDED, abs_tol=ROUNDED)


def _of_images(value: float | None, count: int) -> bool:
    """Whether it is a share of so many images."""
    return value is None or (
        0 <= value <= 1 and abs(value * count - round(value * count)) <= ROUNDED * count
    )


def _interventions(run: Given, numbers: dict, arrays: dict, _: dict) -> Iterator[str]:
    labels = run.record.predictions["labels"]
    own = arrays["as_is"]
    if (own != run.record.predictions["predicted"]).mean() > CHANGED and _by_means(run):
        yield "its network predicts otherwise than the run did"
    if set(arrays) != set(numbers):
        yield "its arrays are of other conditions than its figures"
    for name in numbers.keys() & arrays.keys():
        for figure, value in (
            ("accuracy", float((arrays[name] == labels).mean())),
            ("changed", float((arrays[name] != own).mean())),
        ):
            if not _same(value, numbers[name][figure]):
                yield f"{figure} of {name} is {value:.4f}, it says {numbers[name][figure]:.4f}"


def _by_means(run: Given) -> bool:
    """Whether the run's own predictions are, as those of evaluations, from the mean map."""
    return run.result["headline"] == "mean" and run.result["scored"] == "test"


def _localisation(run: Given, numbers: dict, arrays: dict, parameters: dict) -> Iterator[str]:
    each, learned = arrays["primary"], numbers["as_learned"]
    mean = float(np.nanmean(each))
    if not math.isclose(mean, learned["primary"], abs_tol=1e-5):
        yield f"the mean over images is {mean:.5f}, it says {learned['primary']:.5f}"
    word, limits, slack = (
        numbers["polarity"],
        numbers["validation"],
        parameters["polarity_tolerance"],
    )
    found = "object" if limits["low"] > 0.5 + slack else "neither"
    found = "background" if limits["high"] < 0.5 - slack else found
    if word != found:
        yield f"its polarity is {found}, it says {word}"
    chosen = 1 - learned["primary"] if word == "background" else learned["primary"]
    if not math.isclose(chosen, numbers["chosen"]["primary"], abs_tol=1e-5):
        yield f"by polarity it is {chosen:.5f}, it says {numbers['chosen']['primary']:.5f}"
    if not run.packed and run.data is not None:
        yield from _against_masks(run, each, parameters)


def _against_masks(run: Given, each: np.ndarray, parameters: dict) -> Iterator[str]:
    """The figure of each image whose map was kept, from map and mask."""
    kept = run.record.attention["test_mean"]
    if run.spec.augmentation.crop_size is not None:
        return  # the masks would be cropped as the images were
    first = type(run.data.test)(
        **{k: np.asarray(v[: len(kept)]) for k, v in run.data.test.arrays().items()}
    )
    truth = Truth(first, kept.shape[1], parameters["pointing_tolerance"])
    again = truth.figures(kept[truth.telling], 0.5)["primary"]
    if not np.allclose(again, each[: len(again)], atol=0.01, equal_nan=True):
        yield "the maps that were kept give other figures, image by image"


def _calibration(run: Given, numbers: dict, _: dict, parameters: dict) -> Iterator[str]:
    kept = run.record.predictions
    if not 0.05 <= numbers["temperature"] <= 20:
        yield f"temperature {numbers['temperature']} is none that it tries"
    if run.packed or not _by_means(run):
        return
    logits = kept["logits"].astype(np.float64)
    for name, factor in (("as_is", 1.0), ("scaled", numbers["temperature"])):
        found = _calibrated(scaled(logits, factor), kept["labels"], parameters["bins"])
        for figure, value in found.items():
            if abs(value - numbers[name][figure]) > 0.01:
                yield f"{figure} {name} is {value:.4f}, it says {numbers[name][figure]:.4f}"


def _calibrated(logs: np.ndarray, labels: np.ndarray, bins: int) -> dict[str, float]:
    """As the evaluation has them, without torchmetrics: expected error over bins of equal width."""
    probabilities = np.exp(logs)
    hot = np.eye(logs.shape[1])[labels.astype(int)]
    confidence, hit = probabilities.max(axis=1), logs.argmax(axis=1) == labels
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.abs(np.bincount(place, hit - confidence, bins)) / len(labels)
    return scores(logs, labels) | {
        "brier": float(((probabilities - hot) ** 2).sum(axis=1).mean()),
        "calibration_error": float(gaps.sum()),
    }


def _corruptions(run: Given, numbers: dict, _: dict, parameters: dict) -> Iterator[str]:
    count = min(parameters["sample"], len(run.correct))
    every = [value for values in numbers["by_severity"].values() for value in values]
    if not all(_of_images(value, count) for value in (numbers["clean"], *every)):
        yield f"holds an accuracy that is no share of {count} images"
    if not _same(float(np.mean(every)), numbers["mean"]):
        yield f"the mean is {np.mean(every):.4f}, it says {numbers['mean']:.4f}"
    own = float(run.correct[:count].mean())
    if _by_means(run) and abs(own - numbers["clean"]) > CHANGED:
        yield f"the run has accuracy {own:.4f} on the clean images, it says {numbers['clean']:.4f}"


def _interpretability(run: Given, numbers: dict, _: dict, parameters: dict) -> Iterator[str]:
    count = min(parameters["sample"], len(run.correct))
    for name, found in numbers["modifications"].items():
        same = round(found["unchanged"] * count)
        shares = [v for k, by in found.items() if k != "unchanged" for v in by.values()]
        whole = _of_images(found["unchanged"], count)
        if not whole or not all(_of_images(share, max(same, 1)) for share in shares):
            yield f"{name} holds a share that {count} images cannot give"


def _deletion(_: Given, numbers: dict, *__: dict) -> Iterator[str]:
    areas = [a for by in numbers.values() for each in by.values() for a in each.values()]
    if not all(0 <= area <= 1 for area in areas):
        yield "holds an area under a curve of probabilities that is not in 0 to 1"


def _map_information(run: Given, numbers: dict, *_: dict) -> Iterator[str]:
    count = run.spec.model.anchor_count
    if (count is not None) != ("quantised" in numbers):
        yield "tells of anchors, or does not, against the spec"
    elif count is not None and not _same(math.log2(count), numbers["capacity"]):
        yield f"the capacity of {count} anchors is {math.log2(count):.4f} bits"
    elif count is not None and numbers["quantised"] > numbers["capacity"] + ROUNDED:
        yield "a quantised map lets more through than its anchors can tell apart"


def _sanity(_: Given, numbers: dict, arrays: dict, parameters: dict) -> Iterator[str]:
    drawn = arrays["untrained"]
    if len(drawn) != parameters["untrained"] or len(numbers["untrained"]) != len(drawn):
        yield f"holds {len(drawn)} untrained networks, expected {parameters['untrained']}"
    if not ((drawn >= 0) & (drawn <= 1)).all():
        yield "untrained maps hold values outside of 0 to 1"
    for step in numbers["cascade"]:
        if step["correlation"] is not None and not -1 <= step["correlation"] <= 1 + ROUNDED:
            yield f"a correlation of {step['correlation']} at layer {step['layer']}"


def _cross_domain(_: Given, numbers: dict, *__: dict) -> Iterator[str]:
    for split, found in numbers.items():
        for name, each in found.items():
            if not _of_images(each["accuracy"], max(each["images"], 1)):
                yield f"{split}, {name}: accuracy is no share of {each['images']} images"


KINDS = {
    "interventions": _interventions,
    "localisation": _localisation,
    "calibration": _calibration,
    "corruptions": _corruptions,
    "interpretability": _interpretability,
    "deletion": _deletion,
    "map_information": _map_information,
    "sanity": _sanity,
    "cross_domain": _cross_domain,
}
