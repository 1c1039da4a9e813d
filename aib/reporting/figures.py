"""Every figure of the report. Each is drawn narrow, so that it can be read on a phone.

The same kind of model has the same colour everywhere; arms that share it differ in marker and
line. A point leads to its run in the page.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.summary import MAIN_EFFECTS, verdict_rows
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
GALLERY_ROWS = 6
THIN_POINTS = 50  # of the learning curve of a single run


@dataclass(frozen=True)
class Drawn:
    """A figure and the words that go with it."""

    name: str
    title: str
    caption: str
    figure: Figure
    shape: str = ""  # in the page: wide, tall, or neither

    @property
    def is_photograph(self) -> bool:
        return self.shape == "wide"


def make_figures(results: StudyResults) -> list[Drawn]:
    """Every figure that applies to the study, in the order of the page."""
    with mpl.rc_context(STYLE):
        found = [
            make(results, dataset)
            for dataset in results.datasets
            for make in (
                *(runs, differences),
                *(partial(ablation, name=name) for name in results.plan.study.ablations),
                *(learning, information, localisation, anchors, gallery),
            )
        ]
    return [drawn for drawn in found if drawn is not None]


def save(drawn: Drawn, folder: Path, titles: dict[str, str]) -> Path:
    """Write folder/NAME.svg, .png for a gallery; `titles` are shown when a point is hovered."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{drawn.name}.{'png' if drawn.is_photograph else 'svg'}"
    with mpl.rc_context(STYLE):
        if drawn.is_photograph:
            drawn.figure.savefig(path, dpi=130, metadata={"Software": None})
            return path
        drawn.figure.savefig(path, metadata={"Date": None, "Creator": None})
    path.write_text(_hoverable(path.read_text(), titles))
    return path


def _hoverable(svg: str, titles: dict[str, str]) -> str:
    """Give every linked point its title, and round coordinates to hundredths of a point."""

    def rounded(match: re.Match) -> str:
        return re.sub(r"(\d\.\d\d)\d+", r"\1", match[0])

    def with_title(match: re.Match) -> str:
        return f'{match[0][:-1]} tabindex="-1"><title>{escape(titles[match[1]])}</title>'

    svg = re.sub(r'\b(d|x|y)="[^"]*"', rounded, svg)
    return re.sub(rf'<a xlink:href="{re.escape(PAGE)}#([^"]+)"[^>]*>', with_title, svg)


def run_anchor(record: Record) -> str:
    """The id of a run's row in the page."""
    names, result = record.result["names"], record.result
    return f"{names['dataset']}-{names['model']}-{result['key']}-{result['seed']}"


# ---------------------------------------------------------------- shared by the figures


def colour(cell: CellResults) -> str:
    """The colour of a kind of model, the same in every figure and study."""
    model = cell.spec.model
    return COLOURS[model.has_map, model.has_rate, model.anchor_count is not None]


def _look(results: StudyResults, cell: CellResults) -> tuple[str, str]:
    """Marker and line; arms that share a colour differ in them."""
    alike = [arm.arm for arm in results.arms(cell.dataset) if colour(arm) == colour(cell)]
    number = alike.index(cell.arm)
    return MARKERS[number % len(MARKERS)], LINES[number % len(LINES)]


def _points(axes: Axes, cell: CellResults, x: Any, y: Any, marker: str, **style: Any) -> None:
    """One point a run, each leading to its row in the page."""
    style = {"s": 26, "color": colour(cell), "edgecolor": "white", "linewidth": 0.6} | style
    drawn = axes.scatter(x, y, marker=marker, zorder=3, clip_on=False, **style)
    drawn.set_urls([f"{PAGE}#{run_anchor(record)}" for record in cell.counted])


def _interval(axes: Axes, values: np.ndarray, at: float, tone: str, confidence: float) -> None:
    """Mean and t interval as a horizontal bar at height `at`."""
    found = mean_interval(values, confidence)
    if np.isfinite(found.low):
        axes.plot([found.low, found.high], [at, at], color=tone, lw=9, alpha=0.25, zorder=1)
    axes.plot([found.estimate] * 2, [at - 0.2, at + 0.2], color=tone, lw=2, zorder=2)


def _fan(n: int, width: float) -> np.ndarray:
    """n offsets around 0 that keep the points of one arm apart, in order of seed."""
    return np.linspace(width, -width, n) if n > 1 else np.zeros(1)


def _with_runs(results: StudyResults, dataset: str) -> list[CellResults]:
    return [cell for cell in results.arms(dataset) if cell.counted]


def _wrapped(cell: CellResults) -> str:
    """The arm's name in lines that fit beside axes and into legends."""
    return "\n".join(wrap(cell.arm, 22))


def _legend_height(cells: list[CellResults]) -> float:
    """Inches that a legend of two columns needs beyond its first three lines."""
    lines = max((_wrapped(cell).count("\n") + 1 for cell in cells), default=1)
    return 0.17 * max(0, lines * -(-len(cells) // 2) - 3)


def _counts(cells: list[CellResults]) -> str:
    return _size_words(sorted({len(cell.counted) for cell in cells}))


def _size_words(sizes: list[int]) -> str:
    return f"n = {sizes[0]}" if len(sizes) == 1 else f"n = {sizes[0]} to {sizes[-1]}"


def _names(axes: Axes, labels: list[str]) -> None:
    """Name the rows 0, 1, ... from the top down."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)


# ---------------------------------------------------------------- the figures


def runs(results: StudyResults, dataset: str) -> Drawn | None:
    """Every run as a point, by arm, with means and t intervals."""
    cells = _with_runs(results, dataset)
    if not cells:
        return None
    lines = max(_wrapped(cell).count("\n") for cell in results.arms(dataset))
    height = 0.7 + (0.6 + 0.17 * lines) * len(results.arms(dataset))
    figure = Figure((WIDTH, height), layout="constrained")
    axes, labels = figure.subplots(), []
    for row, cell in enumerate(results.arms(dataset)):
        error, lost = cell.values("error"), len(cell.diverged)
        labels.append(_wrapped(cell))
        if cell.counted:
            _interval(axes, error, row, colour(cell), results.confidence)
            _points(axes, cell, error, row + _fan(len(error), 0.24), _look(results, cell)[0])
            labels[-1] += f"\n{error.mean():.2f} %, n = {len(error)}"
        labels[-1] += f"\n{len(cell.collapsed)} collapsed" if cell.collapsed else ""
        labels[-1] += f"\n{lost} diverged" if lost else ""
    _names(axes, labels)
    axes.set_xlabel(f"{results.split} error, %")
    best = min(cells, key=lambda cell: cell.values("error").mean())
    caption = (
        f"{results.split.capitalize()} error of every run on {dataset}, one point a seed "
        f"({_counts(cells)} runs an arm). Line and band: mean and its "
        f"{100 * results.confidence:g} % t interval. {best.arm} has the lowest mean, "
        f"{best.values('error').mean():.2f} %. Whether arms differ is not read here, from bands "
        "that do or do not overlap, but from the differences."
    )
    return Drawn(f"runs-{dataset}", "Every run", caption, figure)


def differences(results: StudyResults, dataset: str) -> Drawn | None:
    """Forest plot: each contrast's difference and interval over the band of the margin."""
    declared = [row for row in verdict_rows(results) if row["dataset"] == dataset]
    rows = [row for row in declared if row["difference"] is not None]
    if not rows:
        return None
    margin = results.plan.study.margin
    figure = Figure((WIDTH, 1.0 + 0.47 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(-margin, margin, color=BAND, zorder=0, lw=0)
    axes.axvline(0, color=SOFT, lw=1, zorder=1)
    limit = reach(rows, margin)
    axes.set_xlim(-1.05 * limit, 1.05 * limit)
    for at, row in enumerate(rows):
        is_effect = row["family"] == MAIN_EFFECTS
        tone = INK if is_effect else colour(results.cell(dataset, row["treatment"]))
        if abs(row["difference"]) > limit:  # an arrow at the edge, with the value
            side = np.sign(row["difference"])
            axes.plot(side * limit, at, ">" if side > 0 else "<", color=tone, ms=7)
            value = f"{row['difference']:+.1f}".replace("-", "−")
            axes.annotate(value, (side * 0.93 * limit, at), va="center", fontsize=9, color=tone)
            axes.texts[-1].set_ha("right" if side > 0 else "left")
        else:
            axes.plot([row["low"], row["high"]], [at, at], color=tone, lw=2, solid_capstyle="butt")
            axes.plot(row["difference"], at, "s", color=tone, ms=6)
        place = {"xy": (1.02, at), "xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate(row["verdict"], **place, fontweight="bold", fontsize=9)
    _names(axes, [f"{row['treatment']}\n− {row['control']}" for row in rows])
    axes.tick_params(axis="y", labelsize=9)
    for at, (above, below) in enumerate(pairwise(rows)):
        if above["family"] != below["family"]:
            axes.axhline(at + 0.5, color=SOFT, lw=0.6, ls=":")
    axes.set_xlabel(
        f"difference in {results.split} accuracy, points\n← control better · treatment better →"
    )
    decided = sum(row["verdict"] != "undecided" for row in rows)
    sizes = sorted({row[n] for row in rows for n in ("n_treatment", "n_control")})
    caption = (
        f"Difference of mean {results.split} accuracy of every declared question on {dataset}, "
        f"treatment minus control, with its {100 * results.confidence:g} % interval (each for "
        f"itself; the verdicts are corrected over the family). Grey band: the margin, ±{margin:g} "
        "points; an arrow lies beyond the scale. "
        f"{_size_words(sizes)} runs a side. {decided} of {len(declared)} questions are decided; an "
        "interval that covers 0 and leaves the band decides nothing."
    )
    return Drawn(f"differences-{dataset}", "Differences and the margin", caption, figure)


def reach(rows: list[dict[str, Any]], margin: float) -> float:
    """How far an axis of differences goes: over every interval, or ten margins and what fits.

    One arm that broke down must not press all the others against zero.
    """
    ends = [max(abs(row["low"]), abs(row["high"])) for row in rows if row["low"] is not None]
    inside = [end for end in ends if end <= 10 * margin]
    return max(margin * 1.5, *(inside or ends or [0.0]))


def ablation(results: StudyResults, dataset: str, name: str) -> Drawn | None:
    """Test error, rate and anchors in use against one varied parameter."""
    declared = results.plan.study.ablations[name]
    cells = [(value, cell) for value, cell in results.ablation(dataset, name) if cell.counted]
    if not cells:
        return None
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
            x = at + _fan(len(y), 0.1)
            _points(axes, cell, x, y, "o" if own else "D", alpha=1 if own else 0.75)
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
    return Drawn(f"ablation-{name}-{dataset}", f"Ablation: {name}", caption, figure)


def _evaluated(results: StudyResults, record: Record) -> list[dict]:
    """The epochs at which the scored split was looked at."""
    return [line for line in record.history if f"{results.split}_accuracy" in line]


def learning(results: StudyResults, dataset: str) -> Drawn | None:
    """Error, cross-entropy and rate by epoch; thin lines are seeds, thick ones means."""
    split, evaluated = results.split, partial(_evaluated, results)
    cells = [c for c in _with_runs(results, dataset) if all(evaluated(r) for r in c.counted)]
    if not cells:
        return None
    panels: list[tuple[str, Callable[[dict], float], list[CellResults]]] = [
        (f"{split} error, %", lambda line: 100 - 100 * line[f"{split}_accuracy"], cells),
        ("cross-entropy, bits", lambda line: line[f"{split}_cross_entropy"], cells),
        (
            "rate, bits",
            lambda line: line[f"{split}_rate"],
            [cell for cell in cells if cell.spec.model.has_rate],
        ),
    ]
    panels, moves = [panel for panel in panels if panel[2]], []
    height = 0.6 + 1.6 * len(panels) + _legend_height(cells)
    figure = Figure((WIDTH, height), layout="constrained")
    grid = figure.subplots(len(panels), sharex=True)
    for axes, (label, measure, members) in zip(grid, panels, strict=True):
        for cell in members:
            curves = np.array([[measure(line) for line in evaluated(r)] for r in cell.counted])
            epochs = [line["epoch"] for line in evaluated(cell.counted[0])]
            shown = np.unique(np.linspace(0, len(epochs) - 1, THIN_POINTS).astype(int))
            thin = {"color": colour(cell), "lw": 0.5, "alpha": 0.4}
            axes.plot(np.array(epochs)[shown], curves.T[shown], **thin)
            line = _look(results, cell)[1]
            moves.append(np.abs(np.diff(curves.mean(0)[-2:])).max(initial=0))
            axes.plot(epochs, curves.mean(0), line, color=colour(cell), lw=2, label=_wrapped(cell))
        axes.set_ylabel(label)
        if axes is not grid[-1] or members is cells:
            axes.set_yscale("log")
            _plain_log_scale(axes.yaxis)
    grid[-1].set_xlabel("epoch")
    grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    caption = (
        f"{split.capitalize()} figures at every evaluated epoch on {dataset}, {_counts(cells)} "
        "runs an arm: thin lines are runs, thick ones their means; error and cross-entropy on log "
        "scales. Shown to judge convergence, not to choose an epoch: between the last two the mean "
        f"error of no arm moved by more than {max(moves[: len(cells)]):.2f} points."
    )
    return Drawn(f"learning-{dataset}", "Learning curves", caption, figure, "tall")


def _plain_log_scale(axis: Axis) -> None:
    axis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5), numticks=20))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_formatter(mpl.ticker.NullFormatter())


def information(results: StudyResults, dataset: str) -> Drawn | None:
    """The information plane: relevance against rate, every run a point."""
    cells = [
        cell for cell in results.distinct(dataset) if cell.counted and cell.spec.model.has_rate
    ]
    arms = [cell for cell in cells if cell.cell.ablation is None]
    varied = [cell for cell in cells if cell.cell.ablation is not None]
    if not cells:
        return None
    figure = Figure((WIDTH, 3.4 + _legend_height(arms)), layout="constrained")
    axes = figure.subplots()
    for cell in arms:
        x, y = _bounds(cell)
        _points(axes, cell, x, y, _look(results, cell)[0], label=_wrapped(cell))
    for cell in varied:
        x, y = _bounds(cell)
        _points(axes, cell, x, y, "D", s=16, color="none", edgecolor=colour(cell), linewidth=1)
        label = cell.arm.split("[")[1].rstrip("]")
        place = {"xytext": (5, -9), "textcoords": "offset points", "fontsize": 8.5}
        axes.annotate(label, (x.max(), y[x.argmax()]), color=colour(cell), **place)
    axes.set(
        xlabel="rate, bits an image: at least I(Z; X)", ylabel="relevance, bits: at most I(Z; Y)"
    )
    if max(_bounds(cell)[0].max() for cell in cells) > 30:
        axes.set_xscale("log")
        _plain_log_scale(axes.xaxis)
    figure.legend(loc="outside upper left", ncols=2)
    leanest = min(arms or cells, key=lambda cell: _bounds(cell)[0].mean())
    rate, relevance = (values.mean() for values in _bounds(leanest))
    caption = (
        "Bounds on what the latent z keeps of the image (rate, from above) and of the label "
        f"(relevance, from below, of single samples of z) on {dataset}, kept weights; every point "
        f"is a run, open diamonds are ablations, {_counts(cells)}. The loss charges for the rate "
        "of z alone, not for what the map lets through. Of the arms "
        f"{leanest.arm} has the lowest mean rate, {rate:.1f} bits, with a relevance of "
        f"{relevance:.2f}."
    )
    return Drawn(f"information-{dataset}", "Information plane", caption, figure)


def _bounds(cell: CellResults) -> tuple[np.ndarray, np.ndarray]:
    """Rate and relevance of the kept weights, bits an image, one a counted run."""
    found = [record.result["information"] for record in cell.counted]
    return tuple(np.array([bounds[k] for bounds in found]) for k in ("rate", "relevance"))


def localisation(results: StudyResults, dataset: str) -> Drawn | None:
    """AUROC of the map against the mask, every seed, before and after choosing its polarity."""
    cells = [
        cell
        for cell in _with_runs(results, dataset)
        if all(record.localisation for record in cell.counted)
    ]
    if not cells:
        return None
    figure = Figure((WIDTH, 1.1 + 0.95 * len(cells)), layout="constrained")
    axes, labels = figure.subplots(), []
    for number, cell in enumerate(cells):
        offsets = _fan(len(cell.counted), 0.2)
        before, after = (
            np.array([record.localisation[field]["auroc"] for record in cell.counted])
            for field in ("test", "test_chosen_polarity")
        )
        heights = np.array([2 * number + offsets, 2 * number + 1 + offsets])
        axes.plot([before, after], heights, color=colour(cell), lw=0.6, alpha=0.5, zorder=2)
        hollow = {"color": "white", "edgecolor": colour(cell), "linewidth": 1.3}
        marker = _look(results, cell)[0]
        _points(axes, cell, before, heights[0], marker, s=34, **hollow)
        _points(axes, cell, after, heights[1], marker, s=34)
        labels += [f"{cell.arm}\nas learned", f"{cell.arm}\npolarity chosen"]
    axes.axvline(0.5, color=INK, lw=1, zorder=1)
    control = cells[0].counted[0].localisation["controls"]["gaussian"]["auroc"]
    axes.axvline(control, color=SOFT, lw=1, ls="--", zorder=1)
    _names(axes, labels)
    top = {"xycoords": ("data", "axes fraction"), "fontsize": 8.5, "color": SOFT}
    axes.annotate("uniform map ", (0.5, 1.01), ha="right", **top)
    axes.annotate(" Gaussian", (control, 1.01), ha="left", **top)
    axes.set(xlim=(0, 1), xlabel="AUROC of the map, pixels of the object")
    caption = (
        f"Does the map show the object of {dataset}? One point a run ({_counts(cells)}). Open: the "
        "map as learned; filled: after choosing its polarity on validation images. Dashed: a "
        f"centred Gaussian ({control:.2f}), which knows only that objects lie near the middle. The "
        f"loss leaves the polarity free: {'; '.join(map(_polarity, cells))}."
    )
    return Drawn(f"localisation-{dataset}", "The map against the mask", caption, figure)


def _polarity(cell: CellResults) -> str:
    above = sum(record.localisation["test"]["auroc"] > 0.5 for record in cell.counted)
    return f"in {above} of {len(cell.counted)} runs of {cell.arm} it marks the object"


def anchors(results: StudyResults, dataset: str) -> Drawn | None:
    """How many pixels choose each anchor, one panel an arm; thin lines are runs."""
    distinct = results.distinct(dataset)
    cells = [cell for cell in distinct if cell.counted and cell.spec.model.anchor_count]
    if not cells:
        return None
    figure = Figure((WIDTH, 0.6 + 1.3 * len(cells)), layout="constrained")
    grid = figure.subplots(len(cells), sharex=True, squeeze=False)[:, 0]
    for axes, cell in zip(grid, cells, strict=True):
        for record in cell.counted:
            used = record.result["anchors"]
            order = np.argsort(used["values"])
            values, shares = (np.array(used[key])[order] for key in ("values", "usage"))
            axes.plot(values, 100 * shares, "-o", color=colour(cell), lw=0.7, ms=3, alpha=0.5)
        axes.set_ylim(bottom=0)
        axes.set_title(cell.arm, loc="left", fontsize=9.5, fontweight="normal")
        axes.set_ylabel("pixels, %")
    grid[-1].set_xlabel("value of the anchor after training")
    caption = (
        f"Share of the {results.split} maps' pixels that each anchor is nearest to, on {dataset}; "
        f"a point is an anchor, a line a run. {'; '.join(map(_anchor_words, cells))}. Dead anchors "
        "are those that no pixel chose; so many as are in use would, used alike, have the same "
        "entropy."
    )
    return Drawn(f"anchors-{dataset}", "Use of the anchors", caption, figure, "tall")


def _anchor_words(cell: CellResults) -> str:
    used = [record.result["anchors"] for record in cell.counted]
    count, dead = cell.spec.model.anchor_count, np.mean([each["dead"] for each in used])
    alive = np.mean([each["perplexity"] for each in used])
    return f"{cell.arm}: {alive:.1f} of {count} in use and {dead:.1f} dead, means over runs"


def gallery(results: StudyResults, dataset: str) -> Drawn | None:
    """Images, masks and maps; of each arm a run that marks the object and one that does not."""
    shown = [
        (cell, record) for cell in _with_runs(results, dataset) for record in _gallery_runs(cell)
    ]
    if not shown:
        return None
    first = shown[0][1].attention
    images = first["gallery_images"][:GALLERY_ROWS].transpose(0, 2, 3, 1)
    masks = first.get("gallery_masks")
    columns = [
        (
            "\n".join([title, *wrap(cell.arm, 11), f"seed {record.result['seed']}"]),
            record.attention[f"gallery_{kind}"],
        )
        for cell, record in shown
        for kind, title in _gallery_columns(cell)
    ]
    values = np.concatenate([maps[:GALLERY_ROWS].ravel() for _, maps in columns])
    low, high = np.floor(values.min() * 20) / 20, np.ceil(values.max() * 20) / 20
    lead = 1 if masks is None else 2
    size = (0.82 * (lead + len(columns)) + 0.6, 0.82 * len(images) + 0.6)
    figure = Figure(size, layout="constrained")
    grid = figure.subplots(len(images), lead + len(columns), squeeze=False)
    for line, image in zip(range(len(images)), images, strict=True):
        for axes in grid[line]:
            axes.set_axis_off()
        grid[line, 0].imshow(image)
        if masks is not None:
            grid[line, 1].imshow(image)
            grid[line, 1].contour(masks[line], levels=[0.5], colors="#d55e00", linewidths=1.4)
        for axes, (_, maps) in zip(grid[line, lead:], columns, strict=True):
            shade = axes.imshow(maps[line], vmin=low, vmax=high, cmap="viridis")
    heads = ["image", "mask"][:lead] + [title for title, _ in columns]
    for axes, title in zip(grid[0], heads, strict=True):
        axes.set_title(title, fontsize=7.5, fontweight="normal", loc="center")
    figure.colorbar(shade, ax=grid, shrink=0.5, pad=0.01, label="attention")
    caption = (
        f"The first {len(images)} {results.split} images of {dataset}, with the maps of single "
        "runs: the mean map, one sampled from it, and that sample quantised to the anchors. One "
        f"colour scale, {low:.2f} to {high:.2f}, for all. {_gallery_words(shown)}"
    )
    return Drawn(f"gallery-{dataset}", "Images and maps", caption, figure, "wide")


def _gallery_columns(cell: CellResults) -> Iterator[tuple[str, str]]:
    yield "mean", "mean"
    if cell.spec.model.has_rate:
        yield "sample", "sampled"
    if cell.spec.model.anchor_count:
        yield "quantised", "quantised"


def _gallery_runs(cell: CellResults) -> list[Record]:
    """The first run, and the first of the opposite polarity if there is one."""
    runs = [record for record in cell.counted if record.attention]
    polarity = [record.localisation and record.localisation["polarity"] for record in runs]
    return [record for i, record in enumerate(runs) if polarity.index(polarity[i]) == i]


def _gallery_words(shown: list[tuple[CellResults, Record]]) -> str:
    marked = [
        f"{cell.arm} seed {record.result['seed']} marks the {record.localisation['polarity']}"
        for cell, record in shown
        if record.localisation
    ]
    return f"On validation images {', '.join(marked)}." if marked else ""
