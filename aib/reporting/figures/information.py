"""The information plane: relevance against rate."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import (
    WIDTH,
    Drawn,
    colour,
    count_words,
    legend_height,
    look,
    plain_log_scale,
    points,
    wrapped,
)


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """The information plane: relevance against rate, every run a point."""
    cells = [
        cell for cell in results.distinct(dataset) if cell.counted and cell.spec.model.has_rate
    ]
    arms = [cell for cell in cells if cell.cell.ablation is None]
    varied = [cell for cell in cells if cell.cell.ablation is not None]
    if not cells:
        return
    figure = Figure((WIDTH, 3.4 + legend_height(arms)), layout="constrained")
    axes = figure.subplots()
    for cell in arms:
        x, y = _bounds(cell)
        points(axes, cell, x, y, look(results, cell)[0], label=wrapped(cell))
    for cell in varied:
        x, y = _bounds(cell)
        points(axes, cell, x, y, "D", s=16, color="none", edgecolor=colour(cell), linewidth=1)
        label = cell.arm.split("[")[1].rstrip("]")
        place = {"xytext": (5, -9), "textcoords": "offset points", "fontsize": 8.5}
        axes.annotate(label, (x.max(), y[x.argmax()]), color=colour(cell), **place)
    axes.set(
        xlabel="rate, bits an image: at least I(Z; X)", ylabel="relevance, bits: at most I(Z; Y)"
    )
    if max(_bounds(cell)[0].max() for cell in cells) > 30:
        axes.set_xscale("log")
        plain_log_scale(axes.xaxis)
    figure.legend(loc="outside upper left", ncols=2)
    leanest = min(arms or cells, key=lambda cell: _bounds(cell)[0].mean())
    rate, relevance = (values.mean() for values in _bounds(leanest))
    caption = (
        "Bounds on what the latent z keeps of the image (rate, from above) and of the label "
        f"(relevance, from below, of single samples of z) on {dataset}, kept weights; every point "
        f"is a run, open diamonds are ablations, {count_words(cells)}. The loss charges for the "
        "rate of z alone, not for what the map lets through. Of the arms "
        f"{leanest.arm} has the lowest mean rate, {rate:.1f} bits, with a relevance of "
        f"{relevance:.2f}."
    )
    yield Drawn(f"information-{dataset}", "Information plane", caption, figure)


def _bounds(cell: CellResults) -> tuple[np.ndarray, np.ndarray]:
    """Rate and relevance of the kept weights, bits an image, one a counted run."""
    found = [record.result["information"] for record in cell.counted]
    return tuple(np.array([bounds[k] for bounds in found]) for k in ("rate", "relevance"))
