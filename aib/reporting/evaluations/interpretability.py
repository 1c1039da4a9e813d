"""The paper's interpretability score, beside shuffled images and centred maps."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import CellResults
from aib.reporting.comparing import contrasts, sorted_out, spanned
from aib.reporting.drawing import WIDTH, Drawn, count_words, legend_height, look, series
from aib.reporting.evaluations import Column, Told

TITLE = "Do maps stay where predictions do?"
COLUMNS = {
    "maker": Column("maps, by runs"),
    "spatial": Column("spatial, cosine ≥ 0.9, %", 1),
    "spatial_centred": Column("centred maps, %", 1),
    "spatial_shuffled": Column("another image's map, %", 1),
    "frequency": Column("frequency, cosine ≥ 0.9, %", 1),
    "frequency_centred": Column("centred maps, %", 1),
    "frequency_shuffled": Column("another image's map, %", 1),
}
HEADLINE = ("spatial", "frequency")
THRESHOLD, OTHERS = "0.9", ("0.85", "0.95")
MAKERS = {"map": "own", "grad_cam": "Grad-CAM"}
REFERENCES = {"own": "", "centred own": "_centred", "shuffled": "_shuffled"}
HEADS = {"own": "as they are", "centred own": "centred", "shuffled": "another image's"}
PANELS = {
    "spatial": "side of the window, pixels of 32",
    "frequency low": "only frequencies below this radius",
    "frequency high": "only frequencies above this radius",
}


def figures(numbers: dict[str, Any]) -> dict[str, Any]:
    """Shares of unchanged predictions whose map agrees, means over modifications."""
    found: dict[str, Any] = {"maker": MAKERS[numbers["maker"]]}
    for kind in ("spatial", "frequency"):
        for maps, suffix in REFERENCES.items():
            found[kind + suffix] = share(numbers, kind, maps)
        found |= {f"{kind}_{t}": share(numbers, kind, "own", t) for t in OTHERS}
    return found


def share(
    numbers: dict[str, Any], kind: str, maps: str, threshold: str = THRESHOLD
) -> float | None:
    """In per cent, over the modifications of that kind that leave any prediction unchanged."""
    shares = [
        each[maps].get(threshold)
        for name, each in numbers["modifications"].items()
        if name.startswith(kind)
    ]
    shares = [each for each in shares if each is not None]
    return 100 * sum(shares) / len(shares) if shares else None


def message(told: Told) -> str:
    """What the score is, what centring leaves of it, and whether the bottleneck raises it."""
    mapped = [cell for cell in told.arms if cell.spec.model.has_map]
    baselines = [cell for cell in told.arms if cell not in mapped]
    text = ""
    if mapped:
        text = (
            f"Of predictions that a change of the image leaves alone, {_both(told, '', mapped)} "
            f"keep their map (range of the arms' means); by the stricter measure of "
            f"centred maps, {_both(told, '_centred', mapped)}. Against another image's map "
            f"it is {_both(told, '_shuffled', mapped)}."
        )
        found = [
            dataclasses.replace(each, words=f"{each.words} ({kind})")
            for kind in ("spatial", "frequency")
            for each in contrasts(told, kind, mapped)
        ]
        text += sorted_out("Between arms", found, 1)
    if baselines:
        text += f" Arms without a map are judged by Grad-CAM: {_both(told, '', baselines)}."
    return text.strip()


def _both(told: Told, suffix: str, cells: list[CellResults]) -> str:
    shares = [spanned(told, kind + suffix, cells) for kind in ("spatial", "frequency")]
    return f"{shares[0]} % (spatial) and {shares[1]} % (frequency)"


def draw(told: Told) -> Iterator[Drawn]:
    """The score by modification: of maps as they are, centred, and of another image."""
    cells = told.arms
    if not cells:
        return
    figure = Figure((WIDTH, 4.9 + legend_height(cells)), layout="constrained")
    grid = figure.subplots(len(PANELS), len(REFERENCES), sharey=True, squeeze=False)
    for line, (kind, words) in zip(grid, PANELS.items(), strict=True):
        for axes, maps in zip(line, REFERENCES, strict=True):
            for number, cell in enumerate(cells):
                _curve(axes, told, cell, kind, maps, 0.25 * (number / len(cells) - 0.5))
        line[1].set_xlabel(words)
    for axes, maps in zip(grid[0], REFERENCES, strict=True):
        axes.set_title(HEADS[maps], fontsize=9.5, fontweight="normal")
        axes.set_ylim(-4, 104)
    axes.set_yticks([0, 50, 100])
    figure.supylabel("maps that agree, %", fontsize=10)
    handles = grid[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=2)
    caption = (
        f"Share of the {told.dataset} test images of unchanged prediction whose map has a cosine "
        f"of at least {THRESHOLD} with the one before the change; means over runs "
        f"({count_words(cells)}) with their t intervals. Rows: a window filled with other pixels, "
        "a mean over what with; low, then high frequencies kept alone. Columns: maps as they are, "
        "less their mean, and against the map of another image. Open marks: Grad-CAM, for want of "
        "a map. Shares at other thresholds are in the table of runs."
    )
    mapped = [cell for cell in cells if cell.spec.model.has_map] or cells
    title = (
        f"After spatial changes {spanned(told, 'spatial', mapped, 0)} % of maps agree, "
        f"{spanned(told, 'spatial_centred', mapped, 0)} % of centred ones"
    )
    yield Drawn(f"{told.name}-{told.dataset}", title, caption, figure)


def _curve(axes: Any, told: Told, cell: CellResults, kind: str, maps: str, shift: float) -> None:
    """One arm in one panel; the last word of a modification's name is its size."""
    changes = [run.numbers(told.name)["modifications"] for run in told.runs(cell)]
    sizes = sorted({int(name.split()[-1]) for name in changes[0] if name.startswith(kind)})
    values = [
        [np.nan if (found := _of_size(each, kind, size, maps)) is None else found for size in sizes]
        for each in changes
    ]
    marker, line = look(told.results, cell)
    style = {} if cell.spec.model.has_map else {"markerfacecolor": "white"}
    name = cell.arm if cell.spec.model.has_map else f"{cell.arm} (Grad-CAM)"
    x = np.arange(len(sizes)) + shift
    series(axes, told.results, cell, x, values, marker + line, label=name, **style)
    axes.set_xticks(range(len(sizes)), sizes)


def _of_size(changes: dict[str, Any], kind: str, size: int, maps: str) -> float | None:
    chosen = {name: each for name, each in changes.items() if name.endswith(f" {size}")}
    return share({"modifications": chosen}, kind, maps)
