"""Error, rate and anchors in use against one varied parameter."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import StudyResults
from aib.reporting.drawing import SOFT, WIDTH, Drawn, colour, fan, points


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """One figure an ablation."""
    for name in results.plan.study.ablations:
        yield from ablation(results, dataset, name)


def ablation(results: StudyResults, dataset: str, name: str) -> Iterator[Drawn]:
    """Test error, rate and anchors in use against one varied parameter."""
    declared = results.plan.study.ablations[name]
    cells = [(value, cell) for value, cell in results.ablation(dataset, name) if cell.counted]
    if not cells:
        return
    panels = [(f"{results.split} error, %", lambda record: cells[0][1].headline(record, "error"))]
    panels += [("rate, bits", lambda record: cells[0][1].headline(record, "rate"))]
    if declared.parameter == "model.anchors":
        panels += [("anchors in use", lambda record: record.result["anchors"]["perplexity"])]
    figure = Figure((WIDTH, 0.5 + 1.45 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), sharex=True)
    means = []
    for axes, (label, measure) in zip(grid, panels, strict=True):
        means = [np.mean([measure(r) for r in cell.counted]) for _, cell in cells]
        axes.plot(range(len(cells)), means, color=SOFT, lw=1, zorder=1)
        for at, (_, cell) in enumerate(cells):
            own, y = cell.arm == declared.arm, [measure(r) for r in cell.counted]
            x = at + fan(len(y), 0.1)
            points(axes, cell, x, y, "o" if own else "D", alpha=1 if own else 0.75)
            axes.plot([at - 0.2, at + 0.2], [np.mean(y)] * 2, color=colour(cell), lw=2, zorder=2)
        axes.set_ylabel(label)
        axes.margins(y=0.15)
        if max(means) > 4 * min(means) and label != "anchors in use":
            axes.set_yscale("symlog", linthresh=1)
            axes.yaxis.set_major_formatter("{x:g}")
    ticks = [f"{v}\n(n = {len(cell.counted)})" for v, cell in cells]
    grid[-1].set_xticks(range(len(cells)), ticks)
    grid[-1].set(xlabel=declared.parameter, xlim=(-0.5, len(cells) - 0.5))
    errors = [(cell.values("error").mean(), str(value)) for value, cell in cells]
    best, worst = min(errors), max(errors)
    caption = (
        f"{declared.arm} on {dataset} with {declared.parameter} varied; every point is a run, bars "
        "are means, circles the study's own value with all of its runs. Values are spaced evenly, "
        f"not to scale. The lowest mean {results.split} error, {best[0]:.2f} %, is at {best[1]}, "
        f"the highest, {worst[0]:.2f} %, at {worst[1]}; the contrasts of the ablation family say "
        "which of these differences can be told from none."
    )
    yield Drawn(f"ablation-{name}-{dataset}", f"Ablation: {name}", caption, figure)
