"""Does the network use its map? What it loses under another one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import CellResults
from aib.reporting.drawing import (
    BAND,
    SOFT,
    WIDTH,
    Drawn,
    colour,
    count_words,
    fan,
    look,
    name_rows,
    points,
)
from aib.reporting.evaluations import Column, Told
from aib.reporting.questions import sources
from aib.reporting.words import estimated, spanned
from aib.statistics import Interval, two_way_bootstrap

TITLE = "Does the network use its map?"
REPLACEMENTS = {
    "constant": "its mean",
    "mean_map": "mean train map",
    "other": "another image's",
    "inverted": "inverted",
    "none": "none at all",
}
COLUMNS = {
    "as_is": Column("accuracy with its own map, %"),
    **{name: Column(f"change with {words}, points") for name, words in REPLACEMENTS.items()},
    "changed_other": Column("predictions changed by another image's, %"),
}
HEADLINE = ("other",)


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """Accuracy with its own map; what each replacement adds to it; changed predictions."""
    own = numbers["as_is"]["accuracy"]
    changes = {name: 100 * (numbers[name]["accuracy"] - own) for name in REPLACEMENTS}
    return {"as_is": 100 * own, **changes, "changed_other": 100 * numbers["other"]["changed"]}


def message(told: Told) -> str:
    """What the map of another image costs each arm, held against the margin."""
    margin = told.results.plan.study.margin
    said = []
    for cell in told.arms:
        cost = told.interval(cell, "other")
        judged = "which this number of runs does not place"
        if cost.high < -margin:
            judged = "more than the margin: it needs the map of the image"
        elif cost.low > -margin and cost.high < margin:
            judged = "within the margin: which image the map is of hardly matters"
        said.append(f"{cell.arm} {estimated(cost, sign='+')} points, {judged}")
    return f"With the map of another image, accuracy changes by: {'; '.join(said)}."


def over_images(told: Told, cell: CellResults, name: str) -> Interval | None:
    """The change in points, with an interval over other seeds and other images of the test set."""
    found = [record.evaluation_arrays(told.name) for record in told.runs(cell)]
    if not all(name in arrays for arrays in found):
        return None
    labels = [record.predictions["labels"] for record in told.runs(cell)]
    right = [
        np.array([arrays[which] == own for arrays, own in zip(found, labels, strict=True)])
        for which in (name, "as_is")
    ]
    # Runs are drawn as pairs: their differences against nothing.
    change = 100 * (right[0].astype(float) - right[1])
    groups = sources(told.results, told.dataset, change.shape[1])
    return two_way_bootstrap(
        change,
        np.zeros_like(change),
        np.random.default_rng(0),
        confidence=told.results.confidence,
        groups=groups,
    )


def marker(told: Told, cell: CellResults) -> str:
    """That of the arm: arms of one kind share a colour."""
    return look(told.results, cell)[0]


def draw(told: Told) -> Iterator[Drawn]:
    """Change in accuracy by replacement and arm, with intervals over runs and over images."""
    cells, margin = told.arms, told.results.plan.study.margin
    if not cells:
        return
    figure = Figure(
        (WIDTH, 1.3 + 0.26 * (len(cells) + 1) * len(REPLACEMENTS)), layout="constrained"
    )
    axes, at, labels = figure.subplots(), 0.0, []
    axes.axvspan(-margin, margin, color=BAND, zorder=0, lw=0)
    for name, words in REPLACEMENTS.items():
        labels.append((at + (len(cells) - 1) / 2, words))
        for cell in cells:
            values, tone = told.values(cell, name), colour(cell)
            found, wide = told.interval(cell, name), over_images(told, cell, name)
            if np.isfinite(found.low):
                axes.plot([found.low, found.high], [at] * 2, color=tone, lw=7, alpha=0.25, zorder=1)
            if wide is not None:
                axes.plot([wide.low, wide.high], [at] * 2, color=tone, lw=1, zorder=2)
            points(axes, cell, values, at + fan(len(values), 0.2), marker(told, cell), s=16)
            axes.plot([found.estimate] * 2, [at - 0.4, at + 0.4], color=tone, lw=2, zorder=2)
            at += 1
        at += 1
    name_rows(axes, [words for _, words in labels])
    axes.set_yticks([place for place, _ in labels], [words for _, words in labels])
    axes.set_ylim(at - 1.2, -0.8)
    axes.axvline(0, color=SOFT, lw=1, zorder=1)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    axes.set_xlabel("change in test accuracy, points")
    for cell in cells:
        axes.plot([], [], marker(told, cell), color=colour(cell), ms=4, label=cell.arm)
    figure.legend(loc="outside upper left", ncols=2)
    caption = (
        f"Change in test accuracy on {told.dataset} when the map of each image is replaced; one "
        f"point a run ({count_words(cells)}), wide bars: means with their t intervals over runs, "
        "thin lines: over other runs and other images, those of one source drawn together. Every "
        "replacement but the last keeps the image's mean gain. Grey band: the margin, "
        f"±{margin:g} points; beyond ±1 the scale is logarithmic."
    )
    costs = [-told.interval(cell, "other").estimate for cell in cells]
    title = f"Another image’s map costs {spanned(costs, 1)} points (means of the arms)"
    yield Drawn(f"{told.name}-{told.dataset}", title, caption, figure)
