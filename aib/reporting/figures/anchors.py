"""How many pixels choose each anchor."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import WIDTH, Drawn, colour


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """How many pixels choose each anchor, one panel an arm; thin lines are runs."""
    distinct = results.distinct(dataset)
    cells = [cell for cell in distinct if cell.counted and cell.spec.model.anchor_count]
    if not cells:
        return
    figure = Figure((WIDTH, 0.6 + 1.3 * len(cells)), layout="constrained")
    grid = figure.subplots(len(cells), sharex=True, squeeze=False)[:, 0]
    for axes, cell in zip(grid, cells, strict=True):
        for record in cell.counted:
            used = record.result["anchors"]
            order = np.argsort(used["values"])
            values, shares = (np.array(used[key])[order] for key in ("values", "usage"))
            axes.plot(values, 100 * shares, "-o", color=colour(cell), lw=0.7, ms=3, alpha=0.5)
        axes.set_ylim(bottom=0)
        axes.set_title(cell.arm, loc="left", fontsize=9.5, fontweight="normal")
        axes.set_ylabel("pixels, %")
    grid[-1].set_xlabel("value of the anchor after training")
    caption = (
        f"Share of the {results.split} maps' pixels that each anchor is nearest to, on {dataset}; "
        f"a point is an anchor, a line a run. {'; '.join(map(_anchor_words, cells))}. Dead anchors "
        "are those that no pixel chose; so many as are in use would, used alike, have the same "
        "entropy."
    )
    yield Drawn(f"anchors-{dataset}", "Use of the anchors", caption, figure, "tall")


def _anchor_words(cell: CellResults) -> str:
    used = [record.result["anchors"] for record in cell.counted]
    count, dead = cell.spec.model.anchor_count, np.mean([each["dead"] for each in used])
    alive = np.mean([each["perplexity"] for each in used])
    return f"{cell.arm}: {alive:.1f} of {count} in use and {dead:.1f} dead, means over runs"
