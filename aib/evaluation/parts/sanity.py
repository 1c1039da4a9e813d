"""Would an untrained map do as well? The same localisation under random weights (Adebayo 2018).

Weights are replaced from the top of the network downwards, one layer after another, and whole
networks are drawn anew. A map that keeps its score then shows what the architecture or the image
shows, not what was learned.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from aib.evaluation.parts import Common, Found
from aib.evaluation.parts.localisation import Truth

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """How many untrained networks, and on how many images."""

    untrained: int = Field(default=10, ge=2, description="networks drawn anew")
    sample: int = Field(default=500, gt=0, description="test images")


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's correlation of the cells of each pair of maps, (N,); NaN for a flat one."""
    from scipy.stats import rankdata

    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    ranks = [r - r.mean(axis=1, keepdims=True) for r in ranks]
    with np.errstate(invalid="ignore"):
        return (ranks[0] * ranks[1]).sum(axis=1) / np.sqrt(
            (ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1)
        )


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """AUROC and correlation with the trained map, by layers replaced; then untrained ones."""
    subject.need_map()
    images = subject.split("test", parameters.sample).images
    trained = subject.look(images).maps
    score = _scorer(subject, parameters.sample, trained.shape[1])
    cascade = [{"layer": "none", **score(trained), "correlation": 1.0}]
    fresh, layers = subject.untrained(0), subject.layers()[::-1]
    for count, layer in enumerate(layers, 1):
        maps = subject.with_layers_of(fresh, layers[:count]).look(images).maps
        correlation = float(np.nanmean(rank_correlation(trained, maps)))
        cascade.append({"layer": layer, **score(maps), "correlation": correlation})
    drawn = [subject.untrained(draw).look(images).maps for draw in range(parameters.untrained)]
    return Found(
        {"cascade": cascade, "untrained": [score(maps) for maps in drawn]},
        {"untrained": np.stack(drawn)[:, :200].astype(np.float16)},
    )


def _scorer(
    subject: "Subject", sample: int, resolution: int
) -> Callable[[np.ndarray], dict[str, float]]:
    """A function of maps to their mean primary figure, empty where the data has no masks."""
    if subject.data.test.masks is None:
        return lambda maps: {}
    truth = Truth(subject.split("test", sample), resolution, 0)

    def score(maps: np.ndarray) -> dict[str, float]:
        figures = truth.figures(maps[truth.telling], 0.5)
        found = {name: float(np.nanmean(figures[name])) for name in ("primary", "auroc")}
        # By the better polarity: an untrained network is given the benefit of the doubt.
        return found | {"chosen": max(found["primary"], 1 - found["primary"])}

    return score
