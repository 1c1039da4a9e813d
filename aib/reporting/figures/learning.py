"""Error, cross-entropy and rate by epoch."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import (
    WIDTH,
    Drawn,
    colour,
    count_words,
    legend_height,
    look,
    of_arm,
    plain_log_scale,
    with_runs,
    wrapped,
)

THIN_POINTS = 50  # of the learning curve of a single run


def _evaluated(results: StudyResults, record: Record) -> list[dict]:
    """The epochs at which the scored split was looked at."""
    return [line for line in record.history if f"{results.split}_accuracy" in line]


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """Error, cross-entropy and rate by epoch; thin lines are seeds, thick ones means."""
    split, evaluated = results.split, partial(_evaluated, results)
    cells = [c for c in with_runs(results, dataset) if all(evaluated(r) for r in c.counted)]
    if not cells:
        return
    panels: list[tuple[str, Callable[[dict], float], list[CellResults]]] = [
        (f"{split} error, %", lambda line: 100 - 100 * line[f"{split}_accuracy"], cells),
        ("cross-entropy, bits", lambda line: line[f"{split}_cross_entropy"], cells),
        (
            "rate, bits",
            lambda line: line[f"{split}_rate"],
            [cell for cell in cells if cell.spec.model.has_rate],
        ),
    ]
    panels, moves = [panel for panel in panels if panel[2]], []
    height = 0.6 + 1.6 * len(panels) + legend_height(cells)
    figure = Figure((WIDTH, height), layout="constrained")
    grid = figure.subplots(len(panels), sharex=True)
    for axes, (label, measure, members) in zip(grid, panels, strict=True):
        for cell in members:
            curves = np.array([[measure(line) for line in evaluated(r)] for r in cell.counted])
            epochs = [line["epoch"] for line in evaluated(cell.counted[0])]
            shown = np.unique(np.linspace(0, len(epochs) - 1, THIN_POINTS).astype(int))
            thin = {"color": colour(cell), "lw": 0.5, "alpha": 0.4, "gid": of_arm(cell)}
            axes.plot(np.array(epochs)[shown], curves.T[shown], **thin)
            line = look(results, cell)[1]
            moves.append(np.abs(np.diff(curves.mean(0)[-2:])).max(initial=0))
            thick = {"color": colour(cell), "lw": 2, "gid": of_arm(cell)}
            axes.plot(epochs, curves.mean(0), line, label=wrapped(cell), **thick)
        axes.set_ylabel(label)
        if axes is not grid[-1] or members is cells:
            axes.set_yscale("log")
            plain_log_scale(axes.yaxis)
    grid[-1].set_xlabel("epoch")
    grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    caption = (
        f"{split.capitalize()} figures at every evaluated epoch on {dataset}, {count_words(cells)} "
        "runs an arm: thin lines are runs, thick ones their means; error and cross-entropy on log "
        "scales. Shown to judge convergence, not to choose an epoch."
    )
    title = (
        "Between the last two looks the mean error of no arm moved by more than "
        f"{max(moves[: len(cells)]):.2f} points"
    )
    yield Drawn(f"learning-{dataset}", title, caption, figure)
