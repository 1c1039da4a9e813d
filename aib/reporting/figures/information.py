"""The information plane: what is missing of the label against the rate, with paths of training."""

from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import entr

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import (
    SOFT,
    WIDTH,
    Drawn,
    colour,
    count_words,
    legend_height,
    look,
    plain_log_scale,
    points,
    wrapped,
)
from aib.reporting.words import listed, number

FLOOR = 0.1  # bits; a rate below it, of a run that collapsed, is drawn there
CLOSE = 1.2  # the ratio of rates from which on they are told apart


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """Every run's kept weights with the path that led there; below, the kept weights close by."""
    cells = [
        cell for cell in results.distinct(dataset) if cell.counted and cell.spec.model.has_rate
    ]
    if not cells:
        return
    arms = [cell for cell in cells if cell.cell.ablation is None]
    figure = Figure((WIDTH, 5.9 + legend_height(arms)), layout="constrained")
    wide, near = figure.subplots(2, height_ratios=(1, 1.25))
    for cell in cells:
        for record in cell.counted:
            rate, missing = path(results, record)
            wide.plot(np.maximum(rate, FLOOR), missing, color=colour(cell), lw=0.6, alpha=0.45)
        _ends(wide, results, cell, size=10)
        _ends(near, results, cell, size=22)
    entropy = max(label_entropy(record) for cell in cells for record in cell.counted)
    wide.axhline(entropy, color=SOFT, lw=1, ls=":")
    wide.text(
        *(0.01, entropy, f"nothing known: H(Y) = {entropy:.2f}"),
        transform=wide.get_yaxis_transform(), color=SOFT, fontsize=8.5, va="bottom",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
    )  # fmt: skip
    for axes in (wide, near):
        values = np.concatenate([bounds(cell)[1] for cell in cells])
        axes.set_xscale("log")
        plain_log_scale(axes.xaxis)
        if axes is wide or values.max() > 4 * values.min():
            axes.set_yscale("log")
            plain_log_scale(axes.yaxis)
        axes.invert_yaxis()
        axes.set_ylabel("bits of the label missing")
    near.margins(x=0.08, y=0.16)
    _name_ablations(near, [cell for cell in cells if cell not in arms], cells)
    near.set_xlabel("rate, bits an image: no less than I(Z; X)")
    figure.legend(*near.get_legend_handles_labels(), loc="outside upper left", ncols=2)
    yield Drawn(
        f"information-{dataset}",
        _title(cells, entropy),
        _caption(results, cells, dataset),
        figure,
    )


def path(results: StudyResults, record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Rate and cross-entropy of the first evaluation mode at every evaluated epoch."""
    names = f"{results.split}_rate", f"{results.split}_cross_entropy"
    lines = [line for line in record.history if all(name in line for name in names)]
    return tuple(np.array([line[name] for line in lines]) for name in names)


def bounds(cell: CellResults) -> tuple[np.ndarray, np.ndarray]:
    """Of the kept weights, bits an image: the rate, and what the relevance lacks of H(Y)."""
    found = [record.result["information"] for record in cell.counted]
    rates, relevances = (np.array([each[k] for each in found]) for k in ("rate", "relevance"))
    return rates, np.array([label_entropy(record) for record in cell.counted]) - relevances


def label_entropy(record: Record) -> float:
    """H(Y) of the scored images, bits."""
    shares = np.bincount(record.predictions["labels"]) / len(record.predictions["labels"])
    return float(entr(shares).sum() / np.log(2))


def _ends(axes: Axes, results: StudyResults, cell: CellResults, size: int) -> None:
    """The kept weights of an arm's runs; open diamonds for a value of an ablation."""
    x, y = bounds(cell)
    style = {"s": size, "label": wrapped(cell) + _scale_words(results, cell)}
    marker = look(results, cell)[0] if cell.cell.ablation is None else "D"
    if cell.cell.ablation is not None:
        open_diamond = {"color": "white", "edgecolor": colour(cell), "linewidth": 1}
        style = {"s": 0.7 * size} | open_diamond
    points(axes, cell, np.maximum(x, FLOOR), y, marker, **style)


def _scale_words(results: StudyResults, cell: CellResults) -> str:
    """Which KL an arm was charged, where arms of the study differ in it."""
    scales = {each.spec.objective.kl_scale for each in results.cells if each.spec.model.has_rate}
    return f"\n({cell.spec.objective.kl_scale} KL)" if len(scales) > 1 else ""


def _name_ablations(axes: Axes, varied: list[CellResults], cells: list[CellResults]) -> None:
    """Values of ablations below their runs; those of about one rate have one label together."""
    groups: list[list[CellResults]] = []
    for cell in sorted(varied, key=_middle):
        if groups and _middle(cell) < CLOSE * _middle(groups[-1][-1]):
            groups[-1].append(cell)
        else:
            groups.append([cell])
    for group in groups:
        low, high = _middle(group[0]) / CLOSE, _middle(group[-1]) * CLOSE
        near = [bounds(cell)[1].max() for cell in cells if low < _middle(cell) < high]
        names = sorted(_value(cell) for cell in group)
        place = {"textcoords": "offset points", "xytext": (0, -6), "ha": "center", "va": "top"}
        at = float(np.sqrt(_middle(group[0]) * _middle(group[-1])))
        text = "\n".join(names)
        axes.annotate(text, (at, max(near)), fontsize=8, **place)


def _middle(cell: CellResults) -> float:
    """The median rate of an arm's runs."""
    return float(np.maximum(np.median(bounds(cell)[0]), FLOOR))


def _value(cell: CellResults) -> str:
    """What an ablation's cell varies: beta=0.01."""
    return cell.arm.split("[")[1].rstrip("]")


def _title(cells: list[CellResults], entropy: float) -> str:
    """How far apart the arms' rates lie, and what of the label is missing at either end."""
    means = sorted([v.mean() for v in bounds(cell)] for cell in cells)
    (low, without), (high, with_more) = means[0], means[-1]
    if len(means) == 1 or high < CLOSE * low:
        ends = dict.fromkeys(number(f([m for _, m in means])) for f in (min, max))
        return (
            f"With about {high:.0f} bits of an image {' to '.join(ends)} of the label's "
            f"{number(entropy)} bits are missing"
        )
    return (
        f"With {low:.0f} bits of an image {number(without)} of the label's {number(entropy)} bits "
        f"are missing, with {high:.0f} bits {number(with_more)}"
    )


def _caption(results: StudyResults, cells: list[CellResults], dataset: str) -> str:
    means = [
        f"{cell.arm} {rate:.1f} and {number(missing)}"
        for cell in cells
        for rate, missing in [[values.mean() for values in bounds(cell)]]
    ]
    modes = sorted({str(cell.spec.evaluation.samples[0]) for cell in cells})
    scales = sorted({cell.spec.objective.kl_scale for cell in cells})
    text = (
        f"Points: the kept weights of every run on {dataset} ({count_words(cells)} an arm), by the "
        "rate, an upper bound on what z keeps of the image, and by what the relevance, a lower "
        "bound on what it keeps of the label, lacks of H(Y); from single samples of z. Means: "
        f"{listed(means)}. Thin lines above: the way there, with the cross-entropy of evaluation "
        f"mode {listed(modes)} at every evaluated epoch"
    )
    text += "" if modes == ["1"] else ", which bounds nothing and may end beside its point"
    text += f". Charged was the {listed(scales)} KL of z; what the map lets through is not charged."
    if any(cell.cell.ablation is not None for cell in cells):
        text += " Open diamonds are ablations."
    if any((bounds(cell)[0] < FLOOR).any() for cell in cells):
        text += f" Rates below {FLOOR:g} are drawn there."
    return text
