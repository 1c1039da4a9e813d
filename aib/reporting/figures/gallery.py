"""Images with the maps of several arms and seeds laid over them."""

from collections.abc import Iterator
from textwrap import wrap

import numpy as np

from aib.record import Record
from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import PAGE, WIDTH, Drawn, run_anchor, with_runs
from aib.reporting.evaluations import of_kind
from aib.reporting.pictures import Sheet, outline, overlay, small
from aib.reporting.questions import correct
from aib.reporting.tables import class_names

COLUMNS = 12  # maps in a row, at most; every arm has one
SAMPLE = {
    "right in every run": 3,
    "right in most runs only": 1,
    "wrong in at least half": 3,
}
SIDE, STEP, LINE = 0.62, 0.68, 0.83  # inches: a picture, from one to the next, from row to row
LEFT, TOP, HEAD, BETWEEN = 0.85, 0.7, 0.24, 0.12

Shown = list[tuple[CellResults, list[Record]]]


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """The same images in every column, a column a run; a fixed random sample of them."""
    arms = [(cell, runs) for cell in with_runs(results, dataset) if (runs := with_maps(cell))]
    if not arms:
        return
    every = [record for _, runs in arms for record in runs]
    images, masks = pictures_of(results, dataset, every[0])
    count = min(len(images), *(len(maps_of(results, record)) for record in every))
    groups = sample(np.array([correct(record)[:count] for record in every]))
    shown = [(cell, chosen(runs, max(1, COLUMNS // len(arms)))) for cell, runs in arms]
    sheet = _sheet(results, shown, groups, images, masks)
    polarity = [polarity_of(record) for record in every if polarity_of(record)]
    title = "Images and maps"
    if polarity:
        title = f"The map marks the object in {polarity.count('object')} of {len(polarity)} runs"
    shape = "wide" if sheet.width > 1.3 * WIDTH else ""
    caption = _caption(results, dataset, shown, count, masks is not None)
    yield Drawn(f"gallery-{dataset}", title, caption, sheet.figure, shape)


# ---------------------------------------------------------------- what is shown


def sample(right: np.ndarray) -> dict[str, list[int]]:
    """Some images of each kind, by how many runs are right, (runs, images); the draw is fixed."""
    share, rng = right.mean(axis=0), np.random.default_rng(0)
    kinds = (share == 1, (share < 1) & (share > 0.5), share <= 0.5)
    found = {}
    for (words, wanted), kind in zip(SAMPLE.items(), kinds, strict=True):
        numbers = np.flatnonzero(kind)
        if numbers.size:
            drawn = rng.choice(numbers, min(wanted, numbers.size), replace=False)
            found[words] = sorted(map(int, drawn))
    return found


def chosen(runs: list[Record], most: int) -> list[Record]:
    """The first runs; the last gives way to the first run of a polarity that is not among them."""
    first = runs[:most]
    seen = {polarity_of(record) for record in first}
    others = [record for record in runs[most:] if polarity_of(record) not in seen]
    return [*first[:-1], others[0]] if others and most > 1 else first


def polarity_of(record: Record) -> str | None:
    """What the map is high on, by the declared test on validation; None where there is no mask."""
    found = of_kind(record, "localisation")
    return found and found["polarity"]


def with_maps(cell: CellResults) -> list[Record]:
    """The counted runs that kept maps and predictions."""
    return [r for r in cell.counted if "gallery_mean" in r.attention and r.predictions]


def maps_of(results: StudyResults, record: Record) -> np.ndarray:
    """Mean maps of the first scored images; of the gallery alone where no others are kept."""
    return record.attention.get(f"{results.split}_mean", record.attention["gallery_mean"])


def pictures_of(
    results: StudyResults, dataset: str, record: Record
) -> tuple[np.ndarray, np.ndarray | None]:
    """Images and masks as the network saw them: of the prepared data, else of the gallery."""
    gallery, prepared = record.attention, results.prepared[dataset]
    if "images" not in prepared:
        return gallery["gallery_images"], gallery.get("gallery_masks")
    side, size = prepared["images"].shape[-1], gallery["gallery_images"].shape[-1]
    start = round((side - size) / 2)  # the centre, as in aib.data.crop
    window = (..., slice(start, start + size), slice(start, start + size))
    masks = prepared.get("masks")
    return prepared["images"][window], None if masks is None else masks[window]


# ---------------------------------------------------------------- the sheet


def _sheet(
    results: StudyResults,
    shown: Shown,
    groups: dict[str, list[int]],
    images: np.ndarray,
    masks: np.ndarray | None,
) -> Sheet:
    rows = sum(map(len, groups.values()))
    maps = sum(len(runs) for _, runs in shown)
    width = LEFT + STEP * (1 + maps) + BETWEEN * len(shown)
    sheet = Sheet(width, TOP + HEAD * len(groups) + LINE * rows)
    _heads(sheet, shown)
    top = TOP
    for words, numbers in groups.items():
        sheet.text(0.05, top, words, 9, fontweight="bold")
        top += HEAD
        for number in numbers:
            mask = None if masks is None else masks[number]
            _row(sheet, results, shown, number, images[number], mask, top)
            top += LINE
    return sheet


def _lefts(shown: Shown) -> list[list[float]]:
    """Where the columns of each arm begin; arms stand apart."""
    found, left = [], LEFT + STEP
    for _, runs in shown:
        left += BETWEEN
        found.append([left + STEP * i for i in range(len(runs))])
        left += STEP * len(runs)
    return found


def _heads(sheet: Sheet, shown: Shown) -> None:
    for (cell, runs), lefts in zip(shown, _lefts(shown), strict=True):
        lines = wrap(cell.arm, 8 * len(runs))[:3]
        sheet.text(lefts[0], 0.36 - 0.15 * (len(lines) - 1), "\n".join(lines), 9, fontweight="bold")
        for left, record in zip(lefts, runs, strict=True):
            sheet.text(left, 0.53, f"seed {record.result['seed']}")


def _row(
    sheet: Sheet,
    results: StudyResults,
    shown: Shown,
    number: int,
    image: np.ndarray,
    mask: np.ndarray | None,
    top: float,
) -> None:
    """One image: as it is, then under the map of every run; the colours have one scale."""
    maps = [[maps_of(results, record)[number] for record in runs] for _, runs in shown]
    every = np.concatenate([np.ravel(each) for each in maps])
    low, high = float(every.min()), float(every.max())
    cell, runs = shown[0]
    names = class_names(cell, int(runs[0].predictions["labels"].max()) + 1)
    label = names[runs[0].predictions["labels"][number]]
    words = "\n".join([*wrap(label, 11)[:2], f"{low:.2f}–{high:.2f}"])
    sheet.text(0.05, top + 0.1, words)
    pixels = small(image)
    axes = sheet.picture(pixels, LEFT, top, SIDE)
    if mask is not None:
        outline(axes, mask, len(pixels))
    for (_, runs), lefts, row in zip(shown, _lefts(shown), maps, strict=True):
        for record, left, attention in zip(runs, lefts, row, strict=True):
            laid = overlay(image, attention, low, high)
            sheet.picture(laid, left, top, SIDE, f"{PAGE}#{run_anchor(record)}")
            predicted = record.predictions["predicted"][number]
            wrong = predicted != record.predictions["labels"][number]
            style = {"color": "#b34700", "fontweight": "bold"} if wrong else {}
            mark = "✗ " if wrong else ""
            sheet.text(left, top + SIDE + 0.02, f"{mark}{names[predicted][:9]}", 7.5, **style)


def _caption(results: StudyResults, dataset: str, shown: Shown, count: int, has_masks: bool) -> str:
    scores = "; ".join(
        f"{cell.arm} " + ", ".join(map(_score, runs))
        for cell, runs in shown
        if any(polarity_of(record) for record in runs)
    )
    groups = ", ".join(f"{most} {words}" for words, most in SAMPLE.items())
    return (
        f"{results.split.capitalize()} images of {dataset}, drawn once by a fixed seed from "
        f"the first {count}: {groups}, of all runs of these arms and where there are any. Left: "
        f"the image{', the object outlined' if has_masks else ''}, its class, and the lowest and "
        "highest value of the row's maps, between which the colour goes from clear to full. Right: "
        "the mean map of single runs over the image in grey, and the class predicted, ✗ if wrong. "
        "Runs are those of the first seeds; the last gives way to one of another polarity, if any."
        + (f" Seed, polarity and localisation (primary figure): {scores}." if scores else "")
    )


def _score(record: Record) -> str:
    found = of_kind(record, "localisation")
    if found is None:
        return f"{record.result['seed']} –"
    primary = found["as_learned"]["primary"]
    return f"{record.result['seed']} {found['polarity']} {primary:.2f}"
