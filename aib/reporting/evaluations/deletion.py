"""Does a map rank what the network needs? Areas under deletion and insertion curves."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import CellResults
from aib.reporting.comparing import contrasts, sorted_out, spanned
from aib.reporting.drawing import WIDTH, Drawn, colour, count_words, fan, legend_height, look
from aib.reporting.drawing import points as draw_points
from aib.reporting.evaluations import Column, Told
from aib.statistics import Interval, mean_interval

TITLE = "Do the maps rank what the network needs?"
METHODS = {
    "map": "map",
    "grad_cam": "Grad-CAM",
    "integrated_gradients": "integrated gradients",
    "gaussian": "Gaussian",
    "random": "random order",
}
COLUMNS = {
    **{name: Column(f"insertion less deletion, {words}", 1) for name, words in METHODS.items()},
    "over_grad_cam": Column("map over Grad-CAM, points", 1),
    "over_integrated_gradients": Column("map over integrated gradients, points", 1),
}
HEADLINE = ("map",)
DIRECTIONS = {"deletion": "deletion: low is good", "insertion": "insertion: high is good"}


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Areas in points by direction and order of cells; what the map's order has over others.

    Areas are means over the fillings. Insertion less deletion joins both directions.
    """
    found: dict[str, Any] = {}
    for method in METHODS:
        if not all(method in each for each in numbers.values()):
            continue
        for name in DIRECTIONS:
            areas = [100 * each[method][name] for each in numbers.values()]
            found[f"{name}_{method}"] = sum(areas) / len(areas)
        found[method] = found[f"insertion_{method}"] - found[f"deletion_{method}"]
    if "map" in found:
        others = [method for method in METHODS if method in found and method != "map"]
        found |= {f"over_{method}": found["map"] - found[method] for method in others}
        found["fillings"] = _by_filling(numbers, "blur") - _by_filling(numbers, "mean")
    return found


def _by_filling(numbers: dict[str, Any], filling: str) -> float:
    areas = numbers[filling]["map"]
    return 100 * (areas["insertion"] - areas["deletion"])


def standing(told: Told, cells: list[CellResults], other: str) -> dict[str, list[str]]:
    """Arms whose map is ahead of another order, or behind, with the whole interval; or open."""
    found: dict[str, list[str]] = {"ahead": [], "behind": [], "open": []}
    for cell in cells:
        lead = told.interval(cell, f"over_{other}")
        word = "ahead" if lead.low > 0 else "behind" if lead.high < 0 else "open"
        found[word].append(cell.arm)
    return found


def message(told: Told) -> str:
    """Whether the order of the map beats orders that any network has, by arm."""
    cells = _mapped(told)
    if not cells:
        return "No arm has a map; the areas of the other orders are in the table of runs."
    said = []
    for name, words in METHODS.items():
        if name != "map":
            found = standing(told, cells, name).items()
            where = ", ".join(f"{word} in {', '.join(arms)}" for word, arms in found if arms)
            said.append(f"{words}: {where}")
    return (
        "Where the map stands in insertion less deletion, with its interval over runs. Against "
        f"{'; '.join(said)}. A blur in place of deleted cells gives it "
        f"{spanned(told, 'fillings', cells)} points more than the image's mean does."
        + sorted_out("Between arms", list(contrasts(told, "map", cells)), 1)
    )


def _mapped(told: Told) -> list[CellResults]:
    return [cell for cell in told.arms if told.values(cell, "map").size]


def draw(told: Told) -> Iterator[Drawn]:
    """Both areas by order of cells and arm: a point a run, means with intervals."""
    cells = told.arms
    if not cells:
        return
    height = 1.2 + 0.15 * (len(cells) + 1) * len(METHODS) + legend_height(cells)
    figure = Figure((WIDTH, height), layout="constrained")
    grid = figure.subplots(1, 2, sharey=True)
    places, at = [], 0.0
    for method in METHODS:
        shown = [cell for cell in cells if told.values(cell, f"deletion_{method}").size]
        places.append(at + (len(shown) - 1) / 2)
        for cell in shown:
            for axes, direction in zip(grid, DIRECTIONS, strict=True):
                _row(axes, told, cell, f"{direction}_{method}", at)
            at += 1
        at += 1
    for axes, words in zip(grid, DIRECTIONS.values(), strict=True):
        axes.set_title(words, fontsize=9.5, fontweight="normal")
        axes.set_xlim(0, 100)
        axes.set_xlabel("area, points")
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(places, [words.replace(" ", "\n") for words in METHODS.values()])
    grid[0].set_ylim(at - 1.2, -0.8)
    for cell in cells:
        grid[0].plot([], [], look(told.results, cell)[0], color=colour(cell), ms=4, label=cell.arm)
    figure.legend(loc="outside upper left", ncols=2)
    caption = (
        "Mean probability of the class predicted at first while cells go (deletion) or come "
        f"(insertion) in the order of a map, on {told.dataset}; a point a run "
        f"({count_words(cells)}), bars: means with t intervals over runs, not over the "
        f"{told.sample} images or over other random orders; means over two fillings, a blur and "
        "the image's mean. Beats: the interval of its advantage in insertion less "
        "deletion lies above 0."
    )
    yield Drawn(f"{told.name}-{told.dataset}", _title(told), caption, figure)


def _title(told: Told) -> str:
    cells = _mapped(told)
    if not cells:
        return "Orders of deletion and insertion"
    counts = [
        f"{words} in {len(standing(told, cells, name)['ahead'])}"
        for name, words in METHODS.items()
        if name != "map"
    ]
    arms = "In one arm" if len(cells) == 1 else f"Of {len(cells)} arms"
    return f"{arms} the map beats {', '.join(counts[:-1])} and {counts[-1]}"


def _row(axes: Any, told: Told, cell: CellResults, column: str, at: float) -> None:
    values, tone = told.values(cell, column), colour(cell)
    found: Interval = mean_interval(values, told.results.confidence)
    if np.isfinite(found.low):
        axes.plot([found.low, found.high], [at] * 2, color=tone, lw=4, alpha=0.25, zorder=1)
    axes.plot([found.estimate] * 2, [at - 0.4, at + 0.4], color=tone, lw=1.5, zorder=2)
    marker = look(told.results, cell)[0]
    draw_points(axes, cell, values, at + fan(len(values), 0.2), marker, s=11)
