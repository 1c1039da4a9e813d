"""The maps at a glance: a few images, each under the map of the first run of every arm."""

from collections.abc import Iterator
from textwrap import wrap

import numpy as np

from aib.reporting.collect import StudyResults
from aib.reporting.drawing import PAGE, WIDTH, Drawn, run_anchor, with_runs
from aib.reporting.figures.gallery import maps_of, pictures_of, sample, with_maps
from aib.reporting.pictures import Sheet, outline, overlay, small
from aib.reporting.questions import correct

SHOWN = {"right in every run": 2, "wrong in at least half": 1}  # images of each kind
ARMS = 4  # that fit beside the image
LEFT, TOP, GAP = 0.06, 0.42, 0.08


def glance(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """A row an image, then a map an arm; images and their draw are those of the gallery."""
    arms = [(cell, runs) for cell in with_runs(results, dataset) if (runs := with_maps(cell))]
    arms = arms[:ARMS]
    if not arms:
        return
    every = [record for _, runs in arms for record in runs]
    images, masks = pictures_of(results, dataset, every[0])
    count = min(len(images), *(len(maps_of(results, record)) for record in every))
    groups = sample(np.array([correct(record)[:count] for record in every]))
    numbers = [n for words, most in SHOWN.items() for n in groups.get(words, [])[:most]]
    step = (WIDTH - LEFT) / (1 + max(len(arms), 3))
    sheet = Sheet(WIDTH, TOP + step * len(numbers))
    sheet.text(LEFT, 0.06, "image", 9)
    for row, number in enumerate(numbers):
        top, pixels = TOP + step * row, small(images[number])
        axes = sheet.picture(pixels, LEFT, top, step - GAP)
        if masks is not None:
            outline(axes, masks[number], len(pixels))
        for column, (cell, runs) in enumerate(arms, 1):
            left, attention = LEFT + step * column, maps_of(results, runs[0])[number]
            ends = float(attention.min()), float(attention.max())
            laid = overlay(images[number], attention, *ends)
            sheet.picture(laid, left, top, step - GAP, f"{PAGE}#{run_anchor(runs[0])}")
            if row == 0:
                name = "\n".join(wrap(cell.arm, 40 // max(len(arms), 3))[:2])
                sheet.text(left, 0.06, name, 9, fontweight="bold")
    kinds = ", ".join(f"{most} {words}" for words, most in SHOWN.items() if words in groups)
    caption = (
        f"{results.split.capitalize()} images, {kinds}, of the runs with maps here, drawn once "
        f"by a fixed seed{', the object outlined' if masks is not None else ''}; beside each the "
        "map of the first run of an arm, clear at its lowest value and orange at its highest."
    )
    yield Drawn(f"glance-{dataset}", "Where the networks look", caption, sheet.figure)
