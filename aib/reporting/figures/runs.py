"""Every run as a point, by arm."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import StudyResults
from aib.reporting.drawing import (
    WIDTH,
    Drawn,
    count_words,
    fan,
    interval,
    look,
    name_rows,
    points,
    with_runs,
    wrapped,
)
from aib.reporting.words import spanned


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """Every run as a point, by arm, with means and t intervals."""
    cells = with_runs(results, dataset)
    if not cells:
        return
    lines = max(wrapped(cell).count("\n") for cell in results.arms(dataset))
    height = 0.7 + (0.6 + 0.17 * lines) * len(results.arms(dataset))
    figure = Figure((WIDTH, height), layout="constrained")
    axes, labels = figure.subplots(), []
    for row, cell in enumerate(results.arms(dataset)):
        error, lost = cell.values("error"), len(cell.diverged)
        labels.append(wrapped(cell))
        if cell.counted:
            interval(axes, cell, error, row, results.confidence)
            points(axes, cell, error, row + fan(len(error), 0.24), look(results, cell)[0])
            labels[-1] += f"\n{error.mean():.2f} %, n = {len(error)}"
        labels[-1] += f"\n{len(cell.collapsed)} collapsed" if cell.collapsed else ""
        labels[-1] += f"\n{lost} diverged" if lost else ""
    name_rows(axes, labels)
    axes.set_xlabel(f"{results.split} error, %")
    means = [cell.values("error").mean() for cell in cells]
    apart = max(np.ptp(cell.values("error")) for cell in cells)
    caption = (
        f"{results.split.capitalize()} error of every run on {dataset}, one point a seed "
        f"({count_words(cells)} runs an arm). Line and band: mean and its "
        f"{100 * results.confidence:g} % t interval. Whether arms differ is not read here, from "
        "bands that do or do not overlap, but from the differences."
    )
    title = f"Mean {results.split} error of the arms is {spanned(means)} %"
    if apart > 0:
        title += f"; runs of one arm differ by up to {apart:.2f} points"
    yield Drawn(f"runs-{dataset}", title, caption, figure)
