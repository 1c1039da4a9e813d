"""Small pictures on one sheet: images with a map laid over them, as bitmaps of few pixels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from aib.evaluation.cells import upsample

LARGEST = 48  # pixels a side: a page holds a hundred of them
GREY = np.array([0.299, 0.587, 0.114])
TONE = np.array([245, 120, 0])  # of the map
STRONGEST = 0.85  # opacity at the highest value
OUTLINE = "#56b4e9"


class Sheet:
    """A figure on which pictures and words are placed in inches from the top left corner."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self.figure = Figure((width, height))

    def picture(
        self, pixels: np.ndarray, left: float, top: float, side: float, link: str | None = None
    ) -> Axes:
        """A square of pixels (S, S, 3), embedded as it is; it may lead somewhere."""
        place = (left / self.width, 1 - (top + side) / self.height)
        axes = self.figure.add_axes((*place, side / self.width, side / self.height))
        axes.set_axis_off()
        axes.imshow(pixels, interpolation="none", url=link)
        return axes

    def text(self, left: float, top: float, words: str, size: float = 8, **style: str) -> None:
        """Words whose first line begins at `top`."""
        place = (left / self.width, 1 - top / self.height)
        self.figure.text(*place, words, fontsize=size, va="top", **style)


def small(image: np.ndarray) -> np.ndarray:
    """An image (3, S, S) as (s, s, 3), scaled down if it is large."""
    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    picture.thumbnail((LARGEST, LARGEST))
    return np.asarray(picture)


def overlay(image: np.ndarray, attention: np.ndarray, low: float, high: float) -> np.ndarray:
    """The image in grey under the map (h, w): clear at `low`, nearly opaque at `high`."""
    grey = (small(image) @ GREY)[..., None]
    above = (attention - low) / (high - low) if high > low else np.zeros_like(attention)
    opacity = STRONGEST * upsample(above.clip(0, 1)[None], len(grey))[0][..., None]
    return (grey * (1 - opacity) + TONE * opacity).round().astype(np.uint8)


def outline(axes: Axes, mask: np.ndarray, side: int) -> None:
    """The edge of a mask (S, S) on a picture of `side` pixels."""
    at = (np.arange(len(mask)) + 0.5) * side / len(mask) - 0.5
    axes.contour(at, at, mask, levels=[0.5], colors=OUTLINE, linewidths=1)
