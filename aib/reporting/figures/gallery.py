"""Images with masks and maps."""

from collections.abc import Iterator
from textwrap import wrap

import numpy as np
from matplotlib.figure import Figure

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import Drawn, with_runs
from aib.reporting.evaluations import of_kind

GALLERY_ROWS = 6


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """Images, masks and maps; of each arm a run that marks the object and one that does not."""
    shown = [
        (cell, record) for cell in with_runs(results, dataset) for record in _gallery_runs(cell)
    ]
    if not shown:
        return
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
    yield Drawn(f"gallery-{dataset}", "Images and maps", caption, figure, "wide")


def _gallery_columns(cell: CellResults) -> Iterator[tuple[str, str]]:
    yield "mean", "mean"
    if cell.spec.model.has_rate:
        yield "sample", "sampled"
    if cell.spec.model.anchor_count:
        yield "quantised", "quantised"


def _gallery_runs(cell: CellResults) -> list[Record]:
    """The first run, and the first of the opposite polarity if there is one."""
    runs = [record for record in cell.counted if record.attention]
    polarity = [polarity_of(record) for record in runs]
    return [record for i, record in enumerate(runs) if polarity.index(polarity[i]) == i]


def _gallery_words(shown: list[tuple[CellResults, Record]]) -> str:
    marked = [
        f"{cell.arm} seed {record.result['seed']} marks {polarity_of(record)}"
        for cell, record in shown
        if polarity_of(record)
    ]
    return f"On validation images {', '.join(marked)}." if marked else ""


def polarity_of(record: Record) -> str | None:
    """What the map is high on, by the declared test on validation; None where there is no mask."""
    found = of_kind(record, "localisation")
    return found and found["polarity"]
