"""How many bits does a cell of the map let through? Of the map with its noise, and of its anchors.

A cell's value is normal about the image's mean with the spread that the attention gives. In steps
between edges its probabilities are exact, so I(A; X) of one cell, for X drawn from these images,
is the entropy of the mean over images minus the mean entropy. Between the borders of the anchors
this is what the quantised map keeps, between fine steps what the map keeps. Cells are taken one by
one: what they share is counted once a cell.
"""

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from aib.evaluation.parts import Common, Found, Inapplicable

if TYPE_CHECKING:
    from aib.evaluation.subject import Subject


class Parameters(Common):
    """How finely, and on how many images."""

    sample: int = Field(default=500, gt=0, description="test images")
    step: float = Field(default=0.001, gt=0, description="of a map's value; below its noise")


def information(means: np.ndarray, stds: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """I(A; X) in bits of each cell, (cells,), for images x cells of means and spreads.

    The values that are told apart are those between neighbouring `edges`, and below and above all.
    """
    from scipy.special import entr, ndtr

    entropy = np.zeros(means.shape[1])
    limits = np.concatenate([[-np.inf], edges, [np.inf]])
    for cell in range(means.shape[1]):
        below = ndtr((limits - means[:, cell, None]) / stds[:, cell, None])
        shares = np.diff(below, axis=1)
        entropy[cell] = entr(shares.mean(axis=0)).sum() - entr(shares).sum(axis=1).mean()
    return entropy / np.log(2)


def evaluate(subject: "Subject", parameters: Parameters) -> Found:
    """Bits a cell, mean over cells, of the map and, if it has anchors, of the quantised map."""
    if subject.attention is None:
        raise Inapplicable("this network draws no map")
    means, stds = subject.spread(subject.split("test", parameters.sample).images)
    fine = np.arange(means.min(), means.max() + parameters.step, parameters.step)
    found = {
        "map": float(information(means, stds, fine).mean()),
        "median_std": float(np.median(stds)),
    }
    anchors = subject.anchors
    if anchors is not None:
        borders = (anchors[1:] + anchors[:-1]) / 2
        found["quantised"] = float(information(means, stds, borders).mean())
        found["capacity"] = float(np.log2(len(anchors)))
    return Found(found)
