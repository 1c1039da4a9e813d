"""How many of the anchors are in use, and where learning moved them."""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import INK, WIDTH, Drawn, colour, count_words
from aib.reporting.words import listed, number

STILL = 0.005  # of the distance between two anchors: rounding, no learning


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """How many pixels choose each anchor, one panel an arm; thin lines are runs."""
    distinct = results.distinct(dataset)
    cells = [cell for cell in distinct if cell.counted and cell.spec.model.anchor_count]
    if not cells:
        return
    figure = Figure((WIDTH, 0.9 + 1.25 * len(cells)), layout="constrained")
    grid = figure.subplots(len(cells), sharex=True, squeeze=False)[:, 0]
    for axes, cell in zip(grid, cells, strict=True):
        count = cell.spec.model.anchor_count
        for record in cell.counted:
            values, shares = ordered(record)
            axes.plot(values, 100 * shares, "-o", color=colour(cell), lw=0.7, ms=3, alpha=0.5)
        axes.axhline(100 / count, color=INK, lw=0.8, ls=":", zorder=1)
        axes.plot(start(count), np.zeros(count), "|", color=INK, ms=7, clip_on=False, zorder=3)
        axes.set_ylim(bottom=0)
        axes.set_title(f"{cell.arm}: {_use_words(cell)}", loc="left", fontsize=9)
        axes.set_ylabel("pixels, %")
    grid[-1].set_xlabel("value of the anchor after training")
    caption = (
        f"Share of the {results.split} maps' pixels that each anchor is nearest to, on {dataset}; "
        f"a point is an anchor, a line a run ({count_words(cells)} an arm), the dotted line what "
        "each would have if all were used alike, ticks on the axis where anchors started. In use "
        "are as many as would, used alike, have the same entropy; dead are those that no pixel "
        f"chose. {'. '.join(map(_moved_words, cells))}."
    )
    yield Drawn(f"anchors-{dataset}", _title(cells), caption, figure)


def ordered(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Values of a run's anchors in ascending order, and the share of pixels of each."""
    used = record.result["anchors"]
    order = np.argsort(used["values"])
    return tuple(np.array(used[key])[order] for key in ("values", "usage"))


def start(count: int) -> np.ndarray:
    """Where anchors are before training."""
    return np.linspace(0, 1, count)


def in_use(cell: CellResults) -> float:
    """So many anchors, used alike, have the entropy of the use, mean over runs."""
    return float(np.mean([record.result["anchors"]["perplexity"] for record in cell.counted]))


def moved(cell: CellResults) -> float:
    """How far an anchor went, in distances between two at the start, mean over all; in order."""
    count = cell.spec.model.anchor_count
    values = np.array([ordered(record)[0] for record in cell.counted])
    return float(np.abs(values - start(count)).mean() * (count - 1))


def _use_words(cell: CellResults) -> str:
    return f"{in_use(cell):.1f} of {cell.spec.model.anchor_count} in use"


def _moved_words(cell: CellResults) -> str:
    """Dead anchors, the share of the most used quarter, and how far learning moved them."""
    count = cell.spec.model.anchor_count
    dead = np.mean([record.result["anchors"]["dead"] for record in cell.counted])
    quarter = -(-count // 4)
    shares = [np.sort(ordered(record)[1])[-quarter:].sum() for record in cell.counted]
    words = f"{cell.arm}: {dead:.1f} dead, most used {quarter} of {count} "
    words += f"with {100 * np.mean(shares):.0f} % of pixels, "
    return words + (
        f"an anchor moved by {number(moved(cell))} of the distance between two at the start"
        if moved(cell) > STILL
        else "none moved"
    )


def _title(cells: list[CellResults]) -> str:
    """Which share of the anchors is in use, and the arm that uses least of its own."""
    shares = [in_use(cell) / cell.spec.model.anchor_count for cell in cells]
    least = int(np.argmin(shares))
    if len(cells) == 1:
        far = number(moved(cells[0]))
        count = cells[0].spec.model.anchor_count
        return (
            f"{in_use(cells[0]):.1f} of the {count} anchors of {cells[0].arm} are in use; learning "
            f"moved each by {far} of their distance"
        )
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    title = f"{low} to {high} % of the anchors are in use, least in {cells[least].arm}"
    still = [cell.arm for cell in cells if moved(cell) <= STILL]
    return title + (f"; those of {listed(still)} did not move" if still else "")
