"""How many bits does a cell of the map let through, before and after its anchors?"""

from collections.abc import Iterator
from typing import Any

import numpy as np
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
from aib.reporting.evaluations import Column, Told
from aib.reporting.words import estimated, listed, number, sentence
from aib.statistics import Judgement, judge_family

TITLE = "Does quantising restrict information further?"
COLUMNS = {
    "map": Column("bits a cell, map with its noise"),
    "quantised": Column("bits a cell, quantised"),
    "lost": Column("quantising takes, bits"),
    "capacity": Column("log2 of anchors"),
    "median_std": Column("median noise of a cell", 4),
}
HEADLINE = ("map", "quantised")
# Bits a cell between arms that do not matter: half a bit is a factor of the square root of two in
# the values that are told apart, less than a halving of the anchors.
MARGIN = 0.5
KINDS = ("quantised", "map")
WORDS = {
    "better": "more than",
    "worse": "less than",
    "equivalent": "as much, within the margin, as",
    "undecided": "not surely more, less or as much as",
}


def figures(numbers: dict[str, Any]) -> dict[str, float]:
    """Bits a cell before and after quantising; the difference where there are anchors."""
    found = {name: numbers[name] for name in COLUMNS if name in numbers}
    if "quantised" in found:
        found["lost"] = found["map"] - found["quantised"]
    return found


def message(told: Told) -> str:
    """Quantised against continuous maps between arms, then what quantising takes within runs."""
    said = []
    if told.arms and not _quantised(told):
        bits = [f"{cell.arm} {estimated(told.interval(cell, 'map'))}" for cell in told.arms]
        said.append(f"a cell of the map tells {listed(bits)} bits; no arm quantises it")
    said += [_between_words(told, *each) for each in contrasts(told)]
    taken = [f"{cell.arm} {estimated(told.interval(cell, 'lost'))}" for cell in _quantised(told)]
    if taken:
        said.append(
            f"within a run quantising takes {listed(taken)} bits of those of the same map; that it "
            "takes any is no finding, since no function of a map can hold more than the map"
        )
    return " ".join(map(sentence, said))


def _quantised(told: Told) -> list[CellResults]:
    return [cell for cell in told.arms if cell.spec.model.anchor_count]


def contrasts(told: Told) -> list[tuple[CellResults, CellResults, Judgement, Judgement]]:
    """Every arm with anchors against every arm whose model differs in them alone, as a family.

    First its quantised map, then its map before quantising, against the other's continuous one.
    """
    pairs = [
        (cell, other)
        for cell in _quantised(told)
        for other in told.arms
        if other.spec.model.anchor_count is None and _alike(cell, other)
    ]
    judged = judge_family(
        [(told.values(a, which), told.values(b, "map")) for a, b in pairs for which in KINDS],
        MARGIN,
        told.results.plan.study.alpha,
    )
    return [(*pair, *judged[2 * i : 2 * i + 2]) for i, pair in enumerate(pairs)]


def _alike(cell: CellResults, other: CellResults) -> bool:
    """Whether the models are the same but for the anchors."""
    anchors = {"attention", "anchors"}
    mine, theirs = (each.spec.model.model_dump(exclude=anchors) for each in (cell, other))
    return mine == theirs


def _between_words(
    told: Told,
    quantised: CellResults,
    continuous: CellResults,
    after: Judgement,
    before: Judgement,
) -> str:
    capacity, other = (
        told.interval(c, column).estimate
        for c, column in ((quantised, "capacity"), (continuous, "map"))
    )
    text = (
        f"a quantised cell of {quantised.arm} tells {WORDS[after.verdict]} the continuous one of "
        f"{continuous.arm}, {estimated(after.difference, sign='+')} bits (margin {MARGIN:g})"
    )
    betas = [f"{each.spec.objective.beta:g}" for each in (quantised, continuous)]
    if betas[0] != betas[1]:
        text += f", whose beta is {betas[1]} and not {betas[0]}"
    if after.verdict == "worse" and capacity < other:
        text += f", as it must with anchors that hold {number(capacity)} of its {number(other)}"
    return (
        f"{text}; before quantising it tells {WORDS[before.verdict]} that, "
        f"{estimated(before.difference, sign='+')}"
    )


# ---------------------------------------------------------------- drawn


def draw(told: Told) -> Iterator[Drawn]:
    """Bits before and after quantising by arm; and against the number of anchors."""
    if told.cells:
        yield _by_arm(told)
    for name, declared in told.results.plan.study.ablations.items():
        cells = [cell for _, cell in told.results.ablation(told.dataset, name) if told.runs(cell)]
        if declared.parameter == "model.anchors" and len(cells) > 1:
            yield _by_anchors(told, name, cells)


def _by_arm(told: Told) -> Drawn:
    figure = Figure((WIDTH, 1.1 + 0.42 * len(told.cells)), layout="constrained")
    axes = figure.subplots()
    for at, cell in enumerate(told.cells):
        own = told.values(cell, "map")
        interval(axes, cell, own, at - 0.15, told.results.confidence)
        points(axes, cell, own, at - 0.15 + fan(len(own), 0.1), "o", s=16)
        kept = told.values(cell, "quantised")
        if kept.size:
            interval(axes, cell, kept, at + 0.18, told.results.confidence)
            style = {"s": 16, "color": "white", "edgecolor": colour(cell), "linewidth": 1}
            points(axes, cell, kept, at + 0.18 + fan(len(kept), 0.1), "s", **style)
            axes.plot([told.values(cell, "capacity").mean()] * 2, [at, at + 0.4], color=INK, lw=1.2)
    name_rows(axes, [wrapped(cell) for cell in told.cells])
    axes.tick_params(axis="y", labelsize=9)
    axes.set_xlim(left=0)
    axes.set_xlabel("I(A; X) of a cell, bits")
    axes.plot([], [], "o", color=INK, ms=4.5, label="map with its noise")
    if _quantised(told):
        axes.plot([], [], "s", color=INK, mfc="white", ms=4.5, label="quantised")
        axes.plot([], [], "|", color=INK, ms=8, label="log2 of anchors")
    figure.legend(loc="outside upper left", ncols=3, fontsize=8.5, columnspacing=1)
    caption = (
        f"What one cell of the map tells of the image on {told.dataset}, mean over cells, as means "
        "are drawn with the cell's own noise; a point is a run "
        f"({count_words(told.cells)} an arm), lines and bands are means and "
        f"{100 * told.results.confidence:g} % t intervals. Anchors cannot let through more than "
        "log2 of their number, nor more than the map that they are the nearest to. Cells are taken "
        "one by one: what they share is counted in each."
    )
    return Drawn(f"{told.name}-{told.dataset}", _title(told), caption, figure)


def _title(told: Told) -> str:
    """The contrast between arms if there is one, else what quantising takes or a cell keeps."""
    found = contrasts(told)
    if found:
        quantised, continuous, judged, _ = found[0]
        bits = told.interval(quantised, "quantised").estimate
        other = told.interval(continuous, "map").estimate
        return (
            f"A quantised cell of {quantised.arm} tells {number(bits)} bits, "
            f"{WORDS[judged.verdict]} the {number(other)} of {continuous.arm}"
        )
    kept = [told.interval(cell, "map").estimate for cell in told.cells]
    return f"A cell of the map tells {number(min(kept))} to {number(max(kept))} bits of the image"


def _by_anchors(told: Told, name: str, cells: list[CellResults]) -> Drawn:
    """Bits of map and quantised map against log2 of the number of anchors, with the capacity."""
    figure = Figure((WIDTH, 3.1), layout="constrained")
    axes = figure.subplots()
    size = [float(np.log2(cell.spec.model.anchor_count)) for cell in cells]
    axes.plot([0, max(size)], [0, max(size)], color=SOFT, lw=1, ls=":", zorder=1)
    drawn = {"map": ("o", "--"), "quantised": ("s", "-")}
    for column, (marker, line) in drawn.items():
        values = [told.values(cell, column) for cell in cells]
        hollow = {"color": "white", "linewidth": 1} if column == "quantised" else {}
        for cell, x, y in zip(cells, size, values, strict=True):
            edge = {"edgecolor": colour(cell)} if hollow else {}
            points(axes, cell, x + fan(len(y), 0.06), y, marker, s=16, **hollow, **edge)
        axes.plot(size, [y.mean() for y in values], line, color=colour(cells[0]), lw=1.2, zorder=2)
    ends = {column: told.values(cells[-1], column).mean() for column in drawn}
    place = {"textcoords": "offset points", "xytext": (9, 0), "va": "center", "fontsize": 9}
    for column, words in (("map", "map"), ("quantised", "quantised")):
        axes.annotate(words, (size[-1], ends[column]), **place)
    axes.annotate("log2 Q", (size[-1], size[-1]), color=SOFT, **place)
    axes.set_xticks(size, [str(cell.spec.model.anchor_count) for cell in cells])
    axes.set(xlabel="anchors Q", ylabel="I(A; X) of a cell, bits", ylim=(0, None))
    axes.set_xlim(min(size) - 0.3, max(size) + 1.1)
    shares = [told.values(c, "quantised").mean() / s for c, s in zip(cells, size, strict=True)]
    title = (
        f"Of log2 Q bits the quantised map uses {100 * min(shares):.0f} to {100 * max(shares):.0f} "
        f"%: {listed([number(told.values(c, 'quantised').mean()) for c in cells])} bits with "
        f"{listed([str(c.spec.model.anchor_count) for c in cells])} anchors"
    )
    bits = told.values(cells[0], "map").mean(), told.values(cells[-1], "map").mean()
    caption = (
        f"The same on {told.dataset} by the number of anchors (ablation {name}), whose logarithm "
        "is the most that the quantised map can let through (dotted); points are runs, lines join "
        f"means. The map before its anchors tells {number(bits[0])} bits with "
        f"{cells[0].spec.model.anchor_count} of them and {number(bits[1])} with "
        f"{cells[-1].spec.model.anchor_count}."
    )
    return Drawn(f"{told.name}-{name}-{told.dataset}", title, caption, figure)
