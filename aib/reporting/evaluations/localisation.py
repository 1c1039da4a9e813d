"""Does the map show the object? Against masks, beside maps that no training made."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aib.reporting.collect import CellResults
from aib.reporting.drawing import (
    INK,
    SOFT,
    WIDTH,
    Drawn,
    colour,
    count_words,
    fan,
    interval,
    name_rows,
    points,
    wrapped,
)
from aib.reporting.evaluations import Column, Told, of_kind
from aib.reporting.words import estimated, listed, number, sentence
from aib.statistics import Interval

TITLE = "Do the maps show the object?"
COLUMNS = {
    "primary": Column("AUROC against what looks like it"),
    "polarity": Column("high on, by a test on validation"),
    "chosen": Column("the same, polarity chosen"),
    "above": Column("above the best control of the run"),
    "auroc": Column("AUROC, all other pixels"),
    "auroc_above": Column("above the best control there"),
    "average_precision": Column("average precision"),
    "energy": Column("energy inside"),
    "pointing": Column("pointing game"),
    "overlap": Column("IoU at its best threshold"),
    "own_minus_other": Column("own mask less another's"),
}
HEADLINE = ("primary", "auroc_above")
CEILING, LENGTH = "true_mask", "feature_norm"
CONTROLS = {
    LENGTH: "length of the features under the map",
    "brightness": "brightness",
    "edges": "edges",
    "mean_mask": "mean mask",
    "gaussian": "centred Gaussian",
    "uniform": "uniform map",
    CEILING: "true mask",
}
# The column that an arm's runs have, the one that controls have, and how far above them they are.
AGAINST = {"primary": ("chosen", "above"), "auroc": ("auroc", "auroc_above")}


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """The primary figure as learned, the polarity, and all figures after choosing it."""
    chosen = numbers["chosen"]
    kept = {name: chosen[name] for name in COLUMNS if name in chosen and name != "primary"}
    first = {"primary": numbers["as_learned"]["primary"], "polarity": numbers["polarity"]}
    above = {
        name: chosen[figure] - max(_either(each[figure]) for each in rivals(numbers).values())
        for figure, (_, name) in AGAINST.items()
    }
    return first | {"chosen": chosen["primary"]} | kept | above


def rivals(numbers: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The controls of a run but for the true mask, which nothing can beat."""
    return {name: each for name, each in numbers["controls"].items() if name != CEILING}


def _either(auroc: float) -> float:
    """By the better polarity: a control has the benefit of the doubt."""
    return max(auroc, 1 - auroc)


def message(told: Told) -> str:
    """Maps and controls in the primary figure and against all other pixels; polarities."""
    compared = compared_figures(told)
    column, _ = AGAINST[compared[0]]
    arms = [f"{cell.arm} {estimated(told.interval(cell, column))}" for cell in told.arms]
    name, best = best_control(told, compared[0])
    said = [
        f"AUROC of the object's pixels against {against(told, compared[0])}: {listed(arms)}, after "
        f"choosing the polarity on validation; of the controls {name} has most, {number(best)}"
    ]
    said += [_sides(told, figure) for figure in compared]
    return " ".join(sentence(each) for each in [*said, _polarities(told)])


def compared_figures(told: Told) -> list[str]:
    """The primary figure, and that against all other pixels where it is another one."""
    return list(AGAINST) if against(told, "primary") != against(told, "auroc") else ["auroc"]


def against(told: Told, figure: str) -> str:
    """What the object's pixels are told from."""
    fragments = figure == "primary" and _numbers(told)[0]["against"] == "fragments"
    return "fragments that look like it" if fragments else "all other pixels"


def _numbers(told: Told) -> list[dict[str, Any]]:
    return [record.numbers(told.name) for cell in told.cells for record in told.runs(cell)]


def _mean_controls(told: Told, figure: str) -> dict[str, float]:
    """Each control in words, with its mean over all runs; only the features differ by run."""
    each = [numbers["controls"] for numbers in _numbers(told)]
    return {
        CONTROLS.get(name, name): float(np.mean([controls[name][figure] for controls in each]))
        for name in each[0]
    }


def best_control(told: Told, figure: str) -> tuple[str, float]:
    """The control with the highest mean, by its better polarity; the true mask aside."""
    found = {
        name: _either(score)
        for name, score in _mean_controls(told, figure).items()
        if name != CONTROLS[CEILING]
    }
    return max(found.items(), key=lambda item: item[1])


def side(found: Interval) -> str:
    """Where an interval lies: above 0, below it, or on both sides or nowhere."""
    return "above" if found.low > 0 else "below" if found.high < 0 else "not told from"


def _sides(told: Told, figure: str) -> str:
    """Which arms are above the best control of each of their runs, in intervals over runs."""
    _, column = AGAINST[figure]
    found = {cell: told.interval(cell, column) for cell in told.cells}
    said = []
    for word in ("above", "below", "not told from"):
        arms = [
            f"{cell.arm} ({estimated(found[cell], sign='+')})"
            for cell in told.arms
            if side(found[cell]) == word
        ]
        said += [f"{word} it {listed(arms)}"] if arms else []
    text = (
        f"beside the best control of each run, against {against(told, figure)}: {'; '.join(said)}"
    )
    varied = [cell for cell in told.cells if cell not in told.arms]
    others = [cell.arm for cell in varied if side(found[cell]) != "above"]
    if len(others) == len(varied) > 1:
        return f"{text}; of the ablations none above it"
    return text + (f"; of the ablations not above it {listed(others)}" if others else "")


def _polarities(told: Told) -> str:
    """How many runs are high on what, those that are not on the object by name."""
    found = [
        (cell.arm, record.result["seed"], told.figures(record)["polarity"])
        for cell in told.cells
        for record in told.runs(cell)
    ]
    counts = Counter(word for _, _, word in found)
    text = ", ".join(f"{word} {counts[word]}" for word in ("object", "background", "neither"))
    others = [
        f"{arm} seed {seed} ({word})"
        for cell in told.arms
        for arm, seed, word in found
        if arm == cell.arm and word != "object"
    ]
    text = f"by a test on validation, maps are high on: {text} of {len(found)} runs"
    return text + (f"; not on the object {listed(others)}" if others else "")


# ---------------------------------------------------------------- as rows and drawn


def controls(told: Told) -> list[dict[str, Any]]:
    """Maps that no network made, or features or untrained networks without the attention."""
    each = [numbers["controls"] for numbers in _numbers(told)]
    rows = []
    for name in each[0]:
        means = {
            column: float(np.mean([found[name][column] for found in each]))
            for column in each[0][name]
        }
        chosen = means.pop("primary")
        row = {"arm": f"control: {CONTROLS.get(name, name)}", "chosen": chosen} | means
        rows.append({k: v for k, v in row.items() if k == "arm" or k in COLUMNS})
    draws = untrained(told)
    if len(draws):
        chosen, auroc = draws.mean(axis=0).tolist()
        rows.append({"arm": "control: untrained networks", "chosen": chosen, "auroc": auroc})
    return rows


def untrained(told: Told) -> np.ndarray:
    """Scores of untrained networks' maps by the better polarity: (draws, primary and all)."""
    found = {
        (each["chosen"], _either(each["auroc"]))
        for cell in told.cells
        for record in told.runs(cell)[:1]
        for each in (of_kind(record, "sanity") or {"untrained": []})["untrained"]
        if "chosen" in each
    }
    return np.array(sorted(found))


def draw(told: Told) -> Iterator[Drawn]:
    """Every run's score by arm beside the length of its features, and the controls below."""
    compared, draws = compared_figures(told), untrained(told)
    rivals_shown = [words for name, words in CONTROLS.items() if name not in (LENGTH, "uniform")]
    names = [wrapped(cell) for cell in told.cells] + rivals_shown[:-1]
    names += ["untrained networks"] if len(draws) else []
    names += rivals_shown[-1:]
    figure = Figure((WIDTH, 1.3 + 0.3 * len(names)), layout="constrained")
    grid = figure.subplots(1, len(compared), sharey=True, squeeze=False)[0]
    for axes, kind in zip(grid, compared, strict=True):
        axes.axvline(0.5, color=SOFT, lw=1, zorder=1)
        for at, cell in enumerate(told.cells):
            _arm(axes, told, cell, kind, at)
        means = _mean_controls(told, kind)
        for at, name in enumerate(names[len(told.cells) :], len(told.cells)):
            column = list(AGAINST).index(kind)
            found = draws[:, column] if name == "untrained networks" else [means[name]]
            axes.scatter(found, [at] * len(found), marker="D", s=18, color="none", edgecolor=INK)
        axes.axhline(len(told.cells) - 0.5, color=SOFT, lw=0.6, ls=":")
        axes.set_xlim(min(0.4, axes.get_xlim()[0]), 1.02)
        axes.set_title(f"against\n{against(told, kind)}", fontsize=9.5, fontweight="normal")
        axes.set_xlabel("AUROC")
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
    name_rows(grid[0], names)
    grid[0].tick_params(axis="y", labelsize=9)
    marks = {"map of a run": ("o", INK)}
    marks["control; in an arm's row the length of its features"] = ("D", "none")
    pairs = [pair for cell in told.cells for pair in _turned(told, cell, "primary")]
    if any(learned != chosen for learned, chosen in pairs):
        marks["as learned, where the polarity was turned"] = ("x", INK)
    for label, (mark, fill) in marks.items():
        grid[0].plot([], [], mark, color=INK, mfc=fill, ms=4.5, label=label)
    figure.legend(loc="outside lower left", fontsize=8.5)
    yield Drawn(f"{told.name}-{told.dataset}", _title(told), _caption(told, draws), figure)


def _arm(axes: Axes, told: Told, cell: CellResults, kind: str, at: int) -> None:
    """An arm's runs, each with its features' length below it and what it was as learned."""
    column, tone = AGAINST[kind][0], colour(cell)
    scores = told.values(cell, column)
    interval(axes, cell, scores, at - 0.14, told.results.confidence)
    heights = at - 0.14 + fan(len(scores), 0.13)
    points(axes, cell, scores, heights, "o", s=18)
    lengths = [each.numbers(told.name)["controls"][LENGTH][kind] for each in told.runs(cell)]
    axes.scatter(lengths, at + 0.24 + fan(len(scores), 0.05), s=11, marker="D", lw=0.7,
                 color="none", edgecolor=tone, zorder=3)  # fmt: skip
    for (before, after), height in zip(_turned(told, cell, kind), heights, strict=True):
        if before != after:
            axes.plot([before, after], [height] * 2, color=tone, lw=0.7, zorder=2)
            axes.plot(before, height, "x", color=tone, ms=5, zorder=3)


def _turned(told: Told, cell: CellResults, kind: str) -> list[tuple[float, float]]:
    """Each run's score as learned and by the polarity chosen; equal where that is the same."""
    found = [record.numbers(told.name) for record in told.runs(cell)]
    return [(each["as_learned"][kind], each["chosen"][kind]) for each in found]


def _title(told: Told) -> str:
    figure = compared_figures(told)[0]
    column, above = AGAINST[figure]
    better = [cell for cell in told.arms if side(told.interval(cell, above)) == "above"]
    name, best = best_control(told, figure)
    control = f"the best control, {name} ({number(best)})"
    if not better:
        return f"Maps of no arm are told to show the object better than {control}"
    arms = [f"{c.arm} ({number(told.interval(c, column).estimate)})" for c in better]
    title = f"Maps of {listed(arms)} show the object better than {control}"
    rest = [cell.arm for cell in told.arms if cell not in better]
    return title + (f"; {listed(rest)} not surely" if rest else "")


def _caption(told: Told, draws: np.ndarray) -> str:
    others = listed([against(told, figure) for figure in compared_figures(told)])
    text = (
        f"Probability that a pixel of the object on {told.dataset} has a higher value in the map "
        f"than one of {others}; chance is 0.5. A dot is a run ({count_words(told.cells)} an arm) "
        "after the polarity is chosen on validation, line and band are mean and "
        f"{100 * told.results.confidence:g} % t interval over runs. Hollow: controls, of which "
        "the length of the features differs by run and stands under the run's arm"
    )
    if len(draws):
        text += (
            f"; {len(draws)} untrained networks, each by its better polarity, reach "
            f"{number(draws[:, 0].max())} at most"
        )
    ceiling = _mean_controls(told, compared_figures(told)[0]).get(CONTROLS[CEILING])
    if ceiling is not None:
        text += f". The true mask in the map's cells, {number(ceiling)}, is the ceiling"
    return text + "."
