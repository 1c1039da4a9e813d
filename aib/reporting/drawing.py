"""What all figures share: sizes, colours, marks; each is drawn narrow, to be read on a phone.

The same kind of model has the same colour everywhere; arms that share it differ in marker and
line. A point leads to its run in the page, and marks carry the name of their arm, by which the page
fades those of others.
"""

import re
from dataclasses import dataclass
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.statistics import mean_interval

WIDTH = 4.8  # inches
INK, SOFT, BAND = "#1f2933", "#7b8794", "#e4e7eb"
# One colour an arm everywhere, by whether its model has a map, a bottleneck and anchors; told apart
# by the colour-blind too.
PALETTE = seaborn.color_palette("colorblind").as_hex()
COLOURS = {
    (False, False, False): "#5a6570",
    (False, True, False): PALETTE[1],
    (True, True, False): PALETTE[0],
    (True, True, True): PALETTE[3],
    (True, False, False): PALETTE[2],
    (True, False, True): PALETTE[4],
}
MARKERS, LINES = "osD^vP", ("-", "--", ":", "-.")
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": BAND,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "aib",
}
PAGE = "../index.html"
OF_ARM = "arm--"  # begins the id of a mark; `save` makes it the attribute data-arm


@dataclass(frozen=True)
class Drawn:
    """A figure and the words that go with it."""

    name: str
    title: str
    caption: str
    figure: Figure
    shape: str = ""  # in the page: wide, strip (words at its side), or neither


def save(drawn: Drawn, folder: Path, titles: dict[str, str]) -> Path:
    """Write folder/NAME.svg; `titles` are shown when a point is hovered."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{drawn.name}.svg"
    with mpl.rc_context(STYLE):
        drawn.figure.savefig(path, metadata={"Date": None, "Creator": None})
    path.write_text(_hoverable(path.read_text(), titles))
    return path


def _hoverable(svg: str, titles: dict[str, str]) -> str:
    """Give every linked point its title and every mark its arm; round to hundredths of a point."""

    def rounded(match: re.Match) -> str:
        return re.sub(r"(\d\.\d\d)\d+", r"\1", match[0])

    def with_title(match: re.Match) -> str:
        words = escape(titles[match[1]])
        return f'<a xlink:href="{PAGE}#{match[1]}" tabindex="-1"><title>{words}</title>'

    svg = re.sub(r'\b(d|x|y)="[^"]*"', rounded, svg)
    svg = re.sub(f'id="{OF_ARM}([^"]*)"', r'data-arm="\1"', svg)
    return re.sub(rf'<a xlink:href="{re.escape(PAGE)}#([^"]+)"[^>]*>', with_title, svg)


def run_anchor(record: Record) -> str:
    """The id of a run's row in the page."""
    names, result = record.result["names"], record.result
    return f"{names['dataset']}-{names['model']}-{result['key']}-{result['seed']}"


def colour(cell: CellResults) -> str:
    """The colour of a kind of model, the same in every figure and study."""
    model = cell.spec.model
    return COLOURS[model.has_map, model.has_rate, model.anchor_count is not None]


def look(results: StudyResults, cell: CellResults) -> tuple[str, str]:
    """Marker and line; arms that share a colour differ in them."""
    alike = [arm.arm for arm in results.arms(cell.dataset) if colour(arm) == colour(cell)]
    number = alike.index(cell.arm)
    return MARKERS[number % len(MARKERS)], LINES[number % len(LINES)]


def of_arm(cell: CellResults) -> str:
    """The `gid` of a mark of that arm."""
    return OF_ARM + cell.arm


def points(axes: Axes, cell: CellResults, x: Any, y: Any, marker: str, **style: Any) -> None:
    """One point a run, each leading to its row in the page."""
    style = {"s": 26, "color": colour(cell), "edgecolor": "white", "linewidth": 0.6} | style
    drawn = axes.scatter(x, y, marker=marker, zorder=3, clip_on=False, gid=of_arm(cell), **style)
    if np.size(x) == len(cell.counted):  # else nothing says which run a point is of
        drawn.set_urls([f"{PAGE}#{run_anchor(record)}" for record in cell.counted])


def interval(
    axes: Axes, cell: CellResults, values: np.ndarray, at: float, confidence: float
) -> None:
    """Mean and t interval of an arm as a horizontal bar at height `at`."""
    found, style = mean_interval(values, confidence), {"color": colour(cell), "gid": of_arm(cell)}
    if np.isfinite(found.low):
        axes.plot([found.low, found.high], [at, at], lw=9, alpha=0.25, zorder=1, **style)
    axes.plot([found.estimate] * 2, [at - 0.2, at + 0.2], lw=2, zorder=2, **style)


def series(
    axes: Axes,
    results: StudyResults,
    cell: CellResults,
    x: Any,
    values: Any,
    form: str,
    **style: Any,
) -> None:
    """Means over runs as a line, with their t intervals; values are (runs, x), NaN where none."""
    columns = [column[np.isfinite(column)] for column in np.asarray(values, dtype=float).T]
    kept = [n for n, column in enumerate(columns) if column.size]
    found = [mean_interval(columns[n], results.confidence) for n in kept]
    x = np.asarray(x)[kept]
    shared = {"color": colour(cell), "gid": of_arm(cell)}
    axes.vlines(x, [i.low for i in found], [i.high for i in found], lw=0.8, **shared)
    style = {"lw": 1.2, "ms": 3.5} | shared | style
    axes.plot(x, [i.estimate for i in found], form, **style)


def fan(n: int, width: float) -> np.ndarray:
    """n offsets around 0 that keep the points of one arm apart, in order of seed."""
    return np.linspace(width, -width, n) if n > 1 else np.zeros(1)


def with_runs(results: StudyResults, dataset: str) -> list[CellResults]:
    return [cell for cell in results.arms(dataset) if cell.counted]


def wrapped(cell: CellResults) -> str:
    """The arm's name in lines that fit beside axes and into legends."""
    return "\n".join(wrap(cell.arm, 22))


def legend_height(cells: list[CellResults]) -> float:
    """Inches that a legend of two columns needs beyond its first three lines."""
    lines = max((wrapped(cell).count("\n") + 1 for cell in cells), default=1)
    return 0.17 * max(0, lines * -(-len(cells) // 2) - 3)


def count_words(cells: list[CellResults]) -> str:
    return size_words(sorted({len(cell.counted) for cell in cells}))


def size_words(sizes: list[int]) -> str:
    return f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]} to {sizes[-1]}"


def name_rows(axes: Axes, labels: list[str]) -> None:
    """Name the rows 0, 1, ... from the top down."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


def plain_log_scale(axis: Axis) -> None:
    axis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5), numticks=20))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(mpl.ticker.NullFormatter())
