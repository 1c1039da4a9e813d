"""Does the map show the object? Against masks, beside maps that no training made.

The primary figure is the AUROC of the object's pixels against those of what looks like it where
the data has such (`fragment_masks`), else against all others. The loss fixes no polarity: it is
tested on validation, and figures are given as learned and, where that is the background, turned.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from aib.evaluation import cells
from aib.evaluation.parts import Common, Found, Inapplicable

if TYPE_CHECKING:
    from aib.data.prepared import Split
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """How near counts as hit, and when a polarity is one."""

    pointing_tolerance: int = Field(default=2, ge=0, description="pixels beside the object")
    polarity_tolerance: float = Field(
        default=0.02, ge=0, lt=0.5, description="AUROC on either side of 0.5 that is neither"
    )
    polarity_alpha: float = Field(default=0.01, gt=0, lt=1)


class Truth:
    """Where the object lies, in the cells of a map; images that are all or nothing left out."""

    def __init__(self, content: "Split", resolution: int, tolerance: int) -> None:
        masks = content.masks
        size = masks.shape[1]
        covered = masks.sum(axis=(1, 2), dtype=np.int64)
        self.telling = (covered > 0) & (covered < size**2)
        masks = masks[self.telling]
        self.area = cells.areas(size, resolution)
        self.inside = cells.counts(masks, resolution)
        self.near = cells.counts(cells.grown(masks, tolerance), resolution)
        self.other = np.roll(self.inside, len(masks) // 2, axis=0)
        fragments = content.fragment_masks
        self.fragments = None
        if fragments is not None:  # where both lie on one pixel it is the object's
            alone = fragments[self.telling] & ~(masks.astype(bool))
            self.fragments = cells.counts(alone, resolution)
        sources = content.sources
        self.sources = np.arange(len(masks)) if sources is None else sources[self.telling]

    def figures(self, maps: np.ndarray, threshold: float) -> dict[str, np.ndarray]:
        """Every figure, one number an image; `maps` (N, h, w) are those of the telling images."""
        inside, outside = self.inside, self.area - self.inside
        auroc = cells.auroc(maps, inside, outside)
        elsewhere = cells.auroc(maps, self.other, self.area - self.other)
        against = auroc if self.fragments is None else cells.auroc(maps, inside, self.fragments)
        return {
            "primary": against,
            "auroc": auroc,
            "own_minus_other": auroc - elsewhere,
            "average_precision": cells.average_precision(maps, inside, outside),
            "energy": cells.energy(maps, inside, self.area),
            "pointing": cells.pointing(maps, self.near, self.area),
            "overlap": cells.overlap(maps, inside, self.area, threshold),
        }


def means(figures: dict[str, np.ndarray]) -> dict[str, float]:
    """Means over images; one without anything like its object has no primary figure."""
    return {name: float(np.nanmean(values)) for name, values in figures.items()}


def by_source(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """Means over the images of each source: those are the independent observations."""
    known = np.isfinite(values)
    _, group = np.unique(sources[known], return_inverse=True)
    return np.bincount(group, values[known]) / np.bincount(group)


def polarity(
    primary: np.ndarray, sources: np.ndarray, alpha: float, tolerance: float
) -> tuple[str, float, float]:
    """object, background or neither, with the interval of the mean primary figure over sources.

    A polarity is given when the interval at level alpha lies beyond 0.5 by the tolerance.
    """
    from scipy.stats import ttest_1samp

    found = ttest_1samp(by_source(primary, sources), 0.5).confidence_interval(1 - alpha)
    word = "neither"
    if found.low > 0.5 + tolerance:
        word = "object"
    elif found.high < 0.5 - tolerance:
        word = "background"
    return word, float(found.low), float(found.high)


def controls(
    content: "Split", train_masks: np.ndarray, norms: np.ndarray, resolution: int
) -> dict[str, np.ndarray]:
    """Maps that no training made, (N or 1, h, w): what each of them knows would be a hollow answer.

    uniform: nothing; gaussian: that objects lie near the middle; mean_mask: where they lie in the
    train images; brightness and edges: what the image itself shows; feature_norm: where the
    features are large that the map is made from; true_mask: the best at this resolution.
    """
    from scipy.ndimage import sobel

    size = content.masks.shape[1]
    grey = content.images.mean(axis=1)
    slopes = np.hypot(sobel(grey, axis=1), sobel(grey, axis=2))
    pixels = {
        "uniform": np.ones((1, size, size)),
        "gaussian": cells.centred_gaussian(size)[None],
        "mean_mask": train_masks.mean(axis=0, keepdims=True),
        "brightness": grey,
        "edges": slopes,
        "true_mask": content.masks,
    }
    maps = {name: cells.pooled(values, resolution) for name, values in pixels.items()}
    return maps | {"feature_norm": norms}


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """Figures on test as learned and by chosen polarity, polarity, controls; primary by image."""
    subject.need_map()
    if subject.data.test.masks is None:
        raise Inapplicable("this data has no masks to compare maps with")
    test, validation = subject.split("test"), subject.split("validation")
    resolution = subject.test.maps.shape[1]
    chosen_on = Truth(validation, resolution, parameters.pointing_tolerance)
    truth = Truth(test, resolution, parameters.pointing_tolerance)
    if not truth.telling.any() or not chosen_on.telling.any():
        raise Inapplicable("every mask covers nothing or everything")

    def scored(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        threshold = cells.best_threshold(maps["validation"], chosen_on.inside, chosen_on.area)
        return truth.figures(maps["test"], threshold)

    own = {
        "validation": subject.validation.maps[chosen_on.telling],
        "test": subject.test.maps[truth.telling],
    }
    learned = chosen_on.figures(own["validation"], 0.5)["primary"]
    word, low, high = polarity(
        learned, chosen_on.sources, parameters.polarity_alpha, parameters.polarity_tolerance
    )
    as_learned = scored(own)
    chosen = as_learned
    if word == "background":  # `neither` is no reason to turn a map
        chosen = scored({name: 1 - maps for name, maps in own.items()})
    numbers: dict[str, Any] = {
        "against": "all other pixels" if truth.fragments is None else "fragments",
        "as_learned": means(as_learned),
        "polarity": word,
        "validation": {"primary": float(np.nanmean(learned)), "low": low, "high": high},
        "chosen": means(chosen),
        "left_out": int((~truth.telling).sum()),
    }
    numbers["controls"] = _controls(subject, truth, chosen_on, resolution)
    return Found(numbers, {"primary": as_learned["primary"].astype(np.float32)})


def _controls(subject: "Subject", truth: Truth, chosen_on: Truth, resolution: int) -> dict:
    train_masks = subject.split("train").masks
    made = {}
    for name, seen, where in (
        ("validation", subject.validation, chosen_on),
        ("test", subject.test, truth),
    ):
        norms = seen.norms if seen.norms is not None else np.ones_like(seen.maps)
        content = subject.split(name)
        kept = replace(content, **{k: v[where.telling] for k, v in content.arrays().items()})
        made[name] = controls(kept, train_masks, norms[where.telling], resolution)
    found = {}
    for name, maps in made["test"].items():
        validation = np.broadcast_to(made["validation"][name], chosen_on.inside.shape)
        threshold = cells.best_threshold(validation, chosen_on.inside, chosen_on.area)
        found[name] = means(truth.figures(np.broadcast_to(maps, truth.inside.shape), threshold))
    return found
