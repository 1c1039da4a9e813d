"""Would an untrained map do as well? Localisation as weights are replaced."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aib.reporting.agreement import agreement, over_pairs
from aib.reporting.collect import CellResults
from aib.reporting.drawing import (
    BAND,
    SOFT,
    WIDTH,
    Drawn,
    colour,
    count_words,
    legend_height,
    look,
    wrapped,
)
from aib.reporting.evaluations import Column, Told
from aib.reporting.words import estimated, listed, number, sentence

TITLE = "Would an untrained network's map do as well?"
COLUMNS = {
    "trained": Column("trained, polarity chosen"),
    "untrained": Column("untrained, mean of draws"),
    "untrained_best": Column("untrained, best draw"),
    "first_replaced": Column("rank correlation with the map, first layer of its own replaced"),
    "all_replaced": Column("the same, all layers replaced"),
    "lost_at": Column("layer that takes it below 0.5"),
}
HEADLINE = ("all_replaced",)
LOST = 0.5  # rank correlation
SAME = 1 - 1e-6  # what is as high was not changed, but for rounding


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Localisation of the trained and of untrained networks; correlations along the cascade."""
    drawn = [each["chosen"] for each in numbers["untrained"] if "chosen" in each]
    steps = telling(numbers["cascade"])
    return {
        "trained": numbers["cascade"][0].get("chosen"),
        "untrained": sum(drawn) / len(drawn) if drawn else None,
        "untrained_best": max(drawn, default=None),
        "first_replaced": steps[1]["correlation"] if steps else None,
        "all_replaced": steps[-1]["correlation"] if steps else None,
        "lost_at": next((each["layer"] for each in steps if each["correlation"] < LOST), None),
    }


def telling(cascade: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The trained map, then every step from the first layer on that the map depends on.

    Layers above the map cannot change it: that they do not says nothing. Empty for a flat map,
    which has no ranks.
    """
    steps = [each for each in cascade if each["correlation"] is not None]
    changed = [each["correlation"] < SAME for each in steps]
    return [steps[0], *steps[changed.index(True) :]] if any(changed) else []


def message(told: Told) -> str:
    """From the first layer that matters on; the best of untrained networks; their agreement."""
    said = [_cascade_words(told), _score_words(told), _agreement_words(told)]
    return " ".join(sentence(each) for each in said if each)


def _cascade_words(told: Told) -> str:
    firsts = dict.fromkeys(steps[1]["layer"] for _, _, steps in _steps(told) if steps)
    found = [
        f"{cell.arm} {estimated(told.interval(cell, 'first_replaced'))}"
        for cell in told.arms
        if told.interval(cell, "first_replaced")
    ]
    if not found:
        return ""
    return (
        f"with the weights of {listed(list(firsts))} drawn anew, the first layer from the top that "
        f"the map depends on, its rank correlation with the trained map is {listed(found)}"
    )


def _score_words(told: Told) -> str:
    """How often the trained map scores above the best of its untrained ones."""
    runs = [told.figures(record) for cell in told.arms for record in told.runs(cell)]
    scored = [each for each in runs if each["untrained_best"] is not None]
    if not scored:
        return ""
    above = sum(each["trained"] > each["untrained_best"] for each in scored)
    mean, best = (
        np.mean([each[name] for each in scored]) for name in ("untrained", "untrained_best")
    )
    found = [
        f"{cell.arm} {estimated(told.interval(cell, 'trained'))}"
        for cell in told.arms
        if told.interval(cell, "trained")
    ]
    draws = len(_numbers(told)[0]["untrained"])
    return (
        f"untrained networks localise by {number(mean)} on average and by {number(best)} in the "
        f"best of {draws} draws, each by its better polarity; trained {listed(found)}, above that "
        f"best in {above} of {len(scored)} runs"
    )


def _agreement_words(told: Told) -> str:
    """Whether untrained networks give an image the same map, as seeds do."""
    found = agreement(told.results, told.dataset)
    drawn = [(name, over_pairs(pairs, found.confidence)) for name, pairs in found.untrained.items()]
    trained = [
        f"{cell.arm} {estimated(over_pairs(found.seeds[cell.arm], found.confidence))}"
        for cell in told.arms
        if cell.arm in found.seeds and over_pairs(found.seeds[cell.arm], found.confidence)
    ]
    words = [f"{name} {estimated(pairs)}" for name, pairs in drawn if pairs]
    if not words or not trained:
        return ""
    return (
        "two networks agree on the map of an image (rank correlation less that of different "
        f"images) by {listed(trained)} between seeds, {listed(words)}"
    )


def _numbers(told: Told) -> list[dict[str, Any]]:
    return [record.numbers(told.name) for cell in told.arms for record in told.runs(cell)]


def _steps(told: Told) -> Iterator[tuple[CellResults, list, list]]:
    """Arm, cascade and its telling part of every run."""
    for cell in told.arms:
        for record in told.runs(cell):
            cascade = record.numbers(told.name)["cascade"]
            yield cell, cascade, telling(cascade)


# ---------------------------------------------------------------- drawn


def draw(told: Told) -> Iterator[Drawn]:
    """The cascade; networks whose maps depend on other layers have figures of their own."""
    shapes: dict[tuple[str, ...], list[CellResults]] = {}
    for cell, _, steps in _steps(told):
        names = tuple(each["layer"] for each in steps)
        if steps and cell not in shapes.setdefault(names, []):
            shapes[names].append(cell)
    for count, (names, cells) in enumerate(shapes.items(), 1):
        suffix = f"-{count}" if count > 1 else ""
        yield _cascade(told, names, cells, f"{told.name}-{told.dataset}{suffix}")


def _cascade(told: Told, names: tuple[str, ...], cells: list[CellResults], file: str) -> Drawn:
    """Correlation with the trained map, and its localisation, as layers are replaced."""
    runs = [(cell, _curves(told, cell, names)) for cell in cells]
    scored = all("chosen" in each for _, curves in runs for run in curves for each in run)
    panels = ["correlation", "chosen"][: 1 + scored]
    figure = Figure((WIDTH, 1.3 + 1.7 * len(panels) + legend_height(cells)), layout="constrained")
    grid = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
    for axes, panel in zip(grid, panels, strict=True):
        for cell, curves in runs:
            values = np.array([[each[panel] for each in run] for run in curves], dtype=float)
            marker, line = look(told.results, cell)
            style = {"color": colour(cell), "ls": line}
            axes.plot(values.T, lw=0.5, alpha=0.5, **style)
            axes.plot(values.mean(axis=0), marker=marker, ms=4, lw=2, label=wrapped(cell), **style)
    grid[0].axhline(0, color=SOFT, lw=1, zorder=1)
    grid[0].set_ylabel("rank correlation\nwith the trained map")
    draws = [each["chosen"] for one in _numbers(told) for each in one["untrained"] if scored]
    if scored:
        _untrained_band(grid[1], draws, len(names))
    grid[-1].set_xticks(range(len(names)), ["none", *names[1:]], rotation=30, ha="right")
    grid[-1].tick_params(axis="x", labelsize=8.5)
    grid[-1].set_xlabel("weights replaced, from the top to this layer")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return Drawn(file, _title(runs, names, draws), _caption(told, cells, draws), figure)


def _curves(told: Told, cell: CellResults, names: tuple[str, ...]) -> list[list[dict]]:
    """The telling steps of the runs of an arm that go through those layers."""
    found = [steps for each, _, steps in _steps(told) if each is cell]
    return [steps for steps in found if tuple(each["layer"] for each in steps) == names]


def _untrained_band(axes: Axes, draws: list[float], steps: int) -> None:
    axes.axhspan(min(draws), max(draws), color=BAND, zorder=0, lw=0)
    axes.axhline(np.mean(draws), color=SOFT, lw=1, zorder=1)
    place = {"ha": "right", "va": "bottom", "fontsize": 8.5, "color": SOFT}
    axes.annotate("untrained networks", (steps - 1, max(draws)), **place)
    axes.set_ylabel("AUROC,\nbetter polarity")


def _title(runs: list, names: tuple[str, ...], draws: list[float]) -> str:
    """What is left when the first layer of the map's own is replaced."""
    steps = [run for _, curves in runs for run in curves]
    left = np.mean([run[1]["correlation"] for run in steps])
    title = f"With {names[1]} drawn anew the map is "
    title += "lost" if abs(left) < LOST else "still there"
    title += f" (rank correlation {number(left)})"
    if draws:
        above = sum(run[0]["chosen"] > max(draws) for run in steps)
        title += f"; {above} of {len(steps)} trained maps beat every untrained one"
    return title


def _caption(told: Told, cells: list[CellResults], draws: list[float]) -> str:
    unchanged = {
        tuple(each["layer"] for each in cascade[1 : 1 + len(cascade) - len(steps)])
        for cell, cascade, steps in _steps(told)
        if cell in cells and steps
    }
    layers = max(unchanged, key=len)
    text = (
        f"Maps on {told.dataset} as layers are drawn anew, from the top of the network down, the "
        f"batch statistics taken again; thin lines are runs ({count_words(cells)} an arm), thick "
        "ones their means. "
    )
    if layers:
        named = f"{len(layers)} layer, {layers[0]}, comes first and is left out: it has no"
        if len(layers) > 1:
            named = (
                f"{len(layers)} layers from {layers[0]} to {layers[-1]} come first and are left "
            )
            named += "out: they have no"
        text += f"The {named} part in the map, whose correlation stays 1 by construction. "
    if draws:
        text += (
            f"Grey band: from the lowest to the highest of the untrained networks, "
            f"{number(min(draws))} to {number(max(draws))}, line: their mean. "
        )
    return text + "Scores are by the better polarity on the images scored, the trained map's too."
