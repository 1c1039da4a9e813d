"""A map laid over the picture that it was made from."""

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from aib.data.crop import centre

SIDE, DOTS = 4, 100  # inches of the longer side of a picture, dots an inch
OPACITY = 0.5


def seen_part(picture: Image.Image, side: int, size: int) -> Image.Image:
    """What of a picture is seen, if it is scaled to `side` pixels and `size` of them are kept."""
    window = centre(side, size)
    across, down = picture.width / side, picture.height / side
    edges = window.start * across, window.start * down, window.stop * across, window.stop * down
    return picture.crop(tuple(map(round, edges)))


def overlay(
    picture: Image.Image, attention: np.ndarray, low: float, high: float, title: str
) -> Figure:
    """The picture, and beside it in grey under its map (h, w), with a bar of the map's values.

    Every cell of the map has one colour. The colours go from `low` to `high`, in the map's own
    unit: the map is not scaled.
    """
    small = picture.copy()
    small.thumbnail((round(SIDE * DOTS),) * 2)
    width, height = (SIDE * extent / max(picture.size) for extent in picture.size)
    figure = Figure((2 * width + 1.5, height + 0.5), dpi=DOTS, layout="compressed")
    plain, under = figure.subplots(1, 2)
    place = {"extent": (0, picture.width, picture.height, 0)}
    plain.imshow(np.asarray(small), **place)
    plain.set_title(title, fontsize=10, loc="left", parse_math=False)
    under.imshow(np.asarray(small.convert("L")), cmap="gray", vmin=0, vmax=255, **place)
    colours = {"cmap": "viridis", "vmin": low, "vmax": high, "alpha": OPACITY}
    shown = under.imshow(attention, interpolation="nearest", **colours, **place)
    figure.colorbar(shown, label="attention, 0 to 1")
    for axes in (plain, under):
        axes.set_axis_off()
    return figure
