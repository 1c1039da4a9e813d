"""Do seeds, arms and settings give one image the same map?"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.agreement import IMAGES, RUNS, Agreement, agreement, over_pairs
from aib.reporting.collect import StudyResults
from aib.reporting.drawing import (
    SOFT,
    WIDTH,
    Drawn,
    colour,
    count_words,
    fan,
    name_rows,
    wrapped,
)
from aib.reporting.words import estimated, listed, number

MEASURE = (
    "Spearman's correlation over the cells of two maps of one image, less that of maps of two "
    "different images, mean over images"
)


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """Agreement between the seeds of an arm; and between arms, where there are several."""
    found = agreement(results, dataset)
    if found.cells:
        yield _between_seeds(found, dataset)
    if len(found.cells) > 1:
        yield _between_arms(found, dataset)


def _between_seeds(found: Agreement, dataset: str) -> Drawn:
    """A row an arm, a point a pair of seeds."""
    rows = [(wrapped(cell), found.seeds[cell.arm], colour(cell)) for cell in found.cells]
    rows += [(name.replace(" (", "\n("), pairs, SOFT) for name, pairs in found.untrained.items()]
    figure = Figure((WIDTH, 0.8 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(0, color=SOFT, lw=1, zorder=1)
    for at, (_, pairs, tone) in enumerate(rows):
        values = pairs[np.tril_indices(len(pairs), -1)]
        style = {"facecolor": "none" if tone == SOFT else tone, "edgecolor": tone}
        axes.scatter(values, at + fan(len(values), 0.22), s=9, alpha=0.7, lw=0.7, zorder=3, **style)
        mean = over_pairs(pairs, found.confidence)
        if mean is not None:
            axes.plot([mean.estimate] * 2, [at - 0.36, at + 0.36], color=tone, lw=2, zorder=2)
        if mean is not None and np.isfinite(mean.low):
            axes.plot([mean.low, mean.high], [at] * 2, color=tone, lw=9, alpha=0.25, zorder=1)
    name_rows(axes, [label for label, _, _ in rows])
    axes.set_xlabel("agreement of the maps of one image")
    caption = (
        f"{MEASURE} ({IMAGES} at most), on {dataset}; a point is a pair of seeds "
        f"({count_words(found.cells)} runs an arm{_first_words(found)}), lines are means over "
        f"pairs, wide bars their "
        f"{100 * found.confidence:g} % jackknife intervals, which leave out one seed at a time "
        f"because pairs share seeds. {_control_words(found)}{_size_words(found)} Maps are compared "
        "as learned: two that are each other's inverse count below 0."
    )
    return Drawn(f"stability-{dataset}", _seeds_title(found), caption, figure)


def _first_words(found: Agreement) -> str:
    if max(len(cell.counted) for cell in found.cells) <= RUNS:
        return ""
    return f", of which the first {RUNS} are compared"


def _seeds_title(found: Agreement) -> str:
    means = [_mean(found.seeds[cell.arm]) for cell in found.cells]
    title = f"Two seeds give an image maps that agree by {_range(means)}"
    if found.untrained:
        drawn = [_mean(pairs) for pairs in found.untrained.values()]
        title += f", two untrained networks by {_range(drawn)}"
    return title


def _control_words(found: Agreement) -> str:
    said = []
    for name, pairs in found.untrained.items():
        raw, size = (over_pairs(p, found.confidence) for p in (pairs, np.abs(pairs)))
        if raw is not None:
            said.append(f"{name} {estimated(raw)}, in size {estimated(size)}")
    return f"Hollow, the control: {listed(said)}. " if said else ""


def _size_words(found: Agreement) -> str:
    """Where the size of agreement is more than agreement, seeds differ in polarity."""
    turned = [cell.arm for cell in found.cells if (found.seeds[cell.arm] < 0).any()]
    if not turned:
        return "No pair of seeds of an arm is below 0: none has maps inverse to another's."
    sizes = [f"{arm} {number(_mean(np.abs(found.seeds[arm])))}" for arm in turned]
    return f"With the sign of a pair left out, its seeds may differ in polarity: {listed(sizes)}."


def _between_arms(found: Agreement, dataset: str) -> Drawn:
    """A heat map: arms by arms, seeds of one arm on its diagonal."""
    arms = [cell.arm for cell in found.cells]
    grid = np.full((len(arms), len(arms)), np.nan)
    for row in found.rows:
        if row["first"] in arms:
            i, j = arms.index(row["first"]), arms.index(row["second"])
            place = (j, i) if row["seeds"] == "same" else (i, j)
            grid[place] = row["agreement"]
    side, many = min(0.5, 3.2 / len(arms)), len(arms) > 4
    figure = Figure((WIDTH, (1.75 if many else 0.7) + side * len(arms)), layout="constrained")
    axes = figure.subplots()
    # Pale enough for dark figures on the darkest cell.
    edges = np.arange(len(arms) + 1) - 0.5
    shades = {"cmap": "Blues", "vmin": min(0.0, np.nanmin(grid)), "vmax": 1.7 * np.nanmax(grid)}
    axes.pcolormesh(edges, edges, grid, linewidth=0.5, edgecolor="white", **shades)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    for (i, j), value in np.ndenumerate(grid):
        if np.isfinite(value):
            style = {"fontsize": 7.5, "fontweight": "bold" if i == j else "normal"}
            axes.text(j, i, number(value).replace("0.", "."), ha="center", va="center", **style)
    axes.set_yticks(range(len(arms)), arms, fontsize=8.5)
    axes.set_xticks(range(len(arms)), arms, fontsize=8.5, rotation=90 if many else 0)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    below, above = (_triangle(grid, part) for part in (np.tril_indices, np.triu_indices))
    caption = (
        f"{MEASURE}, on {dataset}. Diagonal, bold: between seeds of one arm. Below it: two arms "
        "from the same seed; above it: from different seeds, which have other start weights and "
        f"another order of images ({_range(below)} and {_range(above)}, means "
        f"{number(np.nanmean(below))} and {number(np.nanmean(above))}). "
        "Darker agrees more."
    )
    return Drawn(f"agreement-{dataset}", _arms_title(grid, arms), caption, figure)


def _arms_title(grid: np.ndarray, arms: Sequence[str]) -> str:
    """Which arm's maps are least like those of the others, and how alike the rest are."""
    apart = grid.copy()
    np.fill_diagonal(apart, np.nan)
    with_others = np.array([np.nanmean([apart[i], apart[:, i]]) for i in range(len(arms))])
    own = np.nanmean(np.diag(grid))
    mean = np.nanmean(apart)
    title = f"Maps of different arms agree by {number(mean)}, of seeds of one arm by {number(own)}"
    if len(arms) > 3:
        last = int(np.nanargmin(with_others))
        title += f"; least like the others is {arms[last]}, {number(with_others[last])}"
    return title


def _triangle(grid: np.ndarray, part: Any) -> np.ndarray:
    return grid[part(len(grid), -1 if part is np.tril_indices else 1)]


def _mean(pairs: np.ndarray) -> float:
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if known.size else np.nan


def _range(values: Sequence[float]) -> str:
    known = [v for v in values if np.isfinite(v)]
    if not known:
        return "nothing known"
    low, high = number(min(known)), number(max(known))
    return low if low == high else f"{low} to {high}"
