"""Every figure that is drawn of the runs themselves, one a file, in the order of the page."""

from collections.abc import Iterator

from aib.reporting.collect import StudyResults
from aib.reporting.drawing import Drawn
from aib.reporting.figures import (
    ablations,
    anchors,
    differences,
    filmstrip,
    gallery,
    information,
    learning,
    runs,
    stability,
)

FIGURES = (
    *(runs, differences, ablations, information, learning),
    *(anchors, stability, gallery, filmstrip),
)


def make_figures(results: StudyResults) -> Iterator[Drawn]:
    """Every figure that applies to the study."""
    for dataset in results.datasets:
        for figure in FIGURES:
            yield from figure.draw(results, dataset)
