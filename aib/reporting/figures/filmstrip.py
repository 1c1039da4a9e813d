"""A map over training: the first run of each arm, the same images at every evaluated epoch."""

from collections.abc import Iterator
from textwrap import wrap

import numpy as np

from aib.evaluation.cells import areas, auroc, counts
from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import PAGE, Drawn, run_anchor, with_runs
from aib.reporting.pictures import Sheet, outline, overlay, small
from aib.statistics import mean_interval

IMAGES, EPOCHS = 2, 9  # of an arm; columns
SIDE, STEP = 0.42, 0.45
LEFT, HEAD, BELOW = 0.06, 0.56, 0.12


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """A block an arm: epochs with how well the maps find the object, then two images."""
    cells = [c for c in with_runs(results, dataset) if any(map(_has_film, c.counted))]
    if not cells:
        return
    height = len(cells) * (HEAD + IMAGES * STEP + BELOW)
    sheet = Sheet(LEFT + STEP * (1 + EPOCHS) + 0.15, height)
    for number, cell in enumerate(cells):
        _block(sheet, cell, number * height / len(cells))
    films = [record for cell in cells for record in cell.counted if _has_film(record)]
    with_masks = [record for record in films if "gallery_masks" in record.attention]
    title, caption = "Maps over training", _caption(dataset, cells)
    if with_masks:
        starts = [begin(record) for record in with_masks]
        found = [epoch for epoch in starts if epoch is not None]
        title = f"The object stays in the map in {len(found)} of {len(starts)} runs"
        if found:
            title += f", from epoch {int(np.median(found))} on (median)"
        caption += _starts(cells)
    yield Drawn(f"filmstrip-{dataset}", title, caption, sheet.figure, "strip")


def _has_film(record: Record) -> bool:
    return "film" in record.attention and len(record.attention["film_epochs"]) > 0


def localisation(record: Record) -> np.ndarray:
    """AUROC of the object against all other pixels, by epoch and gallery image."""
    film, masks = (record.attention[name] for name in ("film", "gallery_masks"))
    inside = counts(masks, film.shape[-1])
    outside = areas(masks.shape[-1], film.shape[-1]) - inside
    return np.stack([auroc(maps, inside, outside) for maps in film])


def begin(record: Record) -> int | None:
    """The epoch from which on the interval over images of the mean AUROC is above 0.5; or None."""
    above = [
        mean_interval(found[np.isfinite(found)], 0.95).low > 0.5 for found in localisation(record)
    ]
    last_below = max((n for n, each in enumerate(above) if not each), default=-1)
    return int(record.attention["film_epochs"][last_below + 1]) if above[-1] else None


def shown_epochs(count: int) -> np.ndarray:
    """Which of the evaluated epochs have a column: all, or as many spread evenly, ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, EPOCHS)).round().astype(int))


def _block(sheet: Sheet, cell: CellResults, top: float) -> None:
    record = next(record for record in cell.counted if _has_film(record))
    kept = record.attention
    columns = shown_epochs(len(kept["film_epochs"]))
    name = wrap(f"{cell.arm}, seed {record.result['seed']}", 52)[0]
    sheet.text(LEFT, top + 0.04, name, 9, fontweight="bold")
    masks = kept.get("gallery_masks")
    sheet.text(LEFT, top + 0.22, "epoch" if masks is None else "epoch\nAUROC", 8)
    scores = None if masks is None else np.nanmean(localisation(record), axis=1)
    lefts = [LEFT + STEP * (n + 1) + 0.06 for n in range(len(columns))]
    for left, column in zip(lefts, columns, strict=True):
        words = str(kept["film_epochs"][column])
        sheet.text(left, top + 0.22, words + ("" if scores is None else f"\n{scores[column]:.2f}"))
    for row, image in enumerate(kept["gallery_images"][:IMAGES]):
        line, maps = top + HEAD + STEP * row, kept["film"][columns, row]
        pixels = small(image)
        axes = sheet.picture(pixels, LEFT, line, SIDE)
        if masks is not None:
            outline(axes, masks[row], len(pixels))
        for left, attention in zip(lefts, maps, strict=True):
            pixels = overlay(image, attention, float(maps.min()), float(maps.max()))
            sheet.picture(pixels, left, line, SIDE, f"{PAGE}#{run_anchor(record)}")


def _caption(dataset: str, cells: list[CellResults]) -> str:
    return (
        f"The first {IMAGES} scored images of {dataset} under the mean map of the first declared "
        f"seed of {'each arm' if len(cells) > 1 else 'the arm'}; columns are evaluated epochs, up "
        f"to {EPOCHS}. The colour goes from clear to full between the lowest and the highest value "
        "of a row. "
    )


def _starts(cells: list[CellResults]) -> str:
    said, films = [], [r for cell in cells for r in cell.counted if _has_film(r)]
    first = min(int(record.attention["film_epochs"][0]) for record in films)
    for cell in cells:
        found = [begin(r) for r in cell.counted if _has_film(r) and "gallery_masks" in r.attention]
        words = ", ".join("never" if epoch is None else str(epoch) for epoch in found)
        said.append(f"{cell.arm} {words}")
    return (
        "AUROC: of the object's pixels against all others, mean of the gallery's images. The "
        "object stays in the map from the epoch on at which the 95 % interval of that mean begins "
        f"to keep above 0.5; by run: {'; '.join(said)}. The first look is at epoch {first}."
    )
