"""What is left of the accuracy on worse images."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.comparing import differences, sorted_out, spanned
from aib.reporting.drawing import (
    WIDTH,
    Drawn,
    count_words,
    legend_height,
    look,
    plain_log_scale,
    series,
    wrapped,
)
from aib.reporting.evaluations import Column, Told

TITLE = "How much survives worse images?"
KINDS = ("noise", "blur", "contrast", "jpeg", "pixelate")
COLUMNS = {
    "clean": Column("accuracy, clean, %"),
    "mean": Column("mean over all corruptions, %"),
    **{kind: Column(f"{kind}, mean over severities, %") for kind in KINDS},
}
HEADLINE = ("mean",)


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """Accuracy on clean images, over all corruptions, and by corruption."""
    by_kind = {name: sum(each) / len(each) for name, each in numbers["by_severity"].items()}
    return {
        k: 100 * v for k, v in {**{k: numbers[k] for k in ("clean", "mean")}, **by_kind}.items()
    }


def message(told: Told) -> str:
    """What corruptions cost, which one most, and whether an arm loses less."""
    if not told.arms:
        return ""
    worst = hardest(told)
    others = ", ".join(
        f"{kind} {spanned(told, kind, told.arms)}" for kind in KINDS if kind != worst
    )
    return (
        f"Accuracy is {spanned(told, 'clean', told.arms)} % on clean images and "
        f"{spanned(told, 'mean', told.arms)} % over all corruptions (range of the arms' means). "
        f"Most is lost by {worst}: {spanned(told, worst, told.arms)} % is left; of the others "
        f"{others} %."
        + sorted_out("Mean over all", differences(told, "mean"))
        + sorted_out(f"Under {worst}", differences(told, worst))
    )


def hardest(told: Told) -> str:
    """The corruption that leaves the least accuracy, over arms."""
    return min(KINDS, key=lambda kind: np.mean([told.values(c, kind).mean() for c in told.arms]))


def draw(told: Told) -> Iterator[Drawn]:
    """Test error by severity, one panel a corruption, severity 0 the clean images."""
    cells = told.arms
    if not cells:
        return
    figure = Figure((WIDTH, 5.2 + legend_height(cells)), layout="constrained")
    grid = figure.subplots(3, 2, sharey=True, sharex=True).ravel()
    for axes, kind in zip(grid, KINDS, strict=False):
        for number, cell in enumerate(cells):
            found = [run.numbers(told.name) for run in told.runs(cell)]
            errors = [100 - 100 * np.array([n["clean"], *n["by_severity"][kind]]) for n in found]
            x = np.arange(len(errors[0])) + 0.2 * (number / len(cells) - 0.5)
            style = "".join(look(told.results, cell))
            series(axes, told.results, cell, x, errors, style, label=wrapped(cell))
        axes.set_title(kind, fontsize=9.5, fontweight="normal")
    grid[-1].set_axis_off()
    grid[0].set_yscale("log")
    plain_log_scale(grid[0].yaxis)
    figure.supylabel("test error, %", fontsize=10)
    for axes in grid[3:5]:  # the lowest of each column
        axes.set_xlabel("severity (0: clean)")
        axes.tick_params(labelbottom=True)
    axes.set_xticks(range(len(x)))
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    worst = hardest(told)
    caption = (
        f"Test error on {told.dataset} by kind and severity of corruption, on a log scale; means "
        f"over runs ({count_words(cells)}) with their t intervals, of the first {told.sample} "
        "images. Strengths are in aib/evaluation/parts/corruptions.py."
    )
    title = f"Of five corruptions, {worst} leaves {spanned(told, worst, cells, 0)} % right"
    yield Drawn(f"{told.name}-{told.dataset}", title, caption, figure)
