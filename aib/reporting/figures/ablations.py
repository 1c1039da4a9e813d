"""Error, rate and anchors in use against one varied parameter."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import StudyResults
from aib.reporting.drawing import WIDTH, Drawn, colour, fan, of_arm, points
from aib.reporting.questions import verdict_rows
from aib.reporting.words import listed

WORDS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "no difference that matters",
    "undecided": "undecided",
}


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
        for at, (_, cell) in enumerate(cells):
            own, y = cell.arm == declared.arm, [measure(r) for r in cell.counted]
            x = at + fan(len(y), 0.1)
            points(axes, cell, x, y, "o" if own else "D", alpha=1 if own else 0.75)
            bar = {"color": colour(cell), "gid": of_arm(cell)}
            axes.plot([at - 0.2, at + 0.2], [np.mean(y)] * 2, lw=2, zorder=2, **bar)
        axes.set_ylabel(label)
        axes.margins(y=0.15)
        if max(means) > 4 * min(means) and label != "anchors in use":
            axes.set_yscale("symlog", linthresh=1)
            axes.yaxis.set_major_formatter("{x:g}")
    ticks = [f"{v}\n(n = {len(cell.counted)})" for v, cell in cells]
    grid[-1].set_xticks(range(len(cells)), ticks)
    grid[-1].set(xlabel=declared.parameter, xlim=(-0.5, len(cells) - 0.5))
    caption = (
        f"{declared.arm} on {dataset} with {declared.parameter} varied; every point is a run, bars "
        "are means, circles the study's own value with all of its runs. Values are spaced evenly, "
        "not to scale, and no line joins what is not told apart."
    )
    yield Drawn(f"ablation-{name}-{dataset}", _title(results, dataset, name), caption, figure)


def _title(results: StudyResults, dataset: str, name: str) -> str:
    """Which values differ from the study's own, and which do not by what would matter."""
    declared = results.plan.study.ablations[name]
    verdicts = {
        row["treatment"]: row["verdict"]
        for row in verdict_rows(results)
        if row["dataset"] == dataset
    }
    found: dict[str, list[str]] = {}
    for value, cell in results.ablation(dataset, name):
        if cell.arm in verdicts and cell.arm != declared.arm:
            found.setdefault(verdicts[cell.arm], []).append(str(value))
    said = [
        f"{WORDS[verdict]} with {listed(found[verdict])}" for verdict in WORDS if verdict in found
    ]
    return f"{declared.parameter} of {declared.arm}: {'; '.join(said)}"
