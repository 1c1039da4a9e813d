"""Forest plot of every declared question over the band of the margin."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from aib.reporting.collect import StudyResults
from aib.reporting.drawing import (
    BAND,
    INK,
    SOFT,
    WIDTH,
    Drawn,
    colour,
    name_rows,
    size_words,
)
from aib.reporting.questions import MAIN_EFFECTS, verdict_rows
from aib.reporting.words import listed, signed

WORDS = ("better", "worse", "equivalent", "undecided")


def draw(results: StudyResults, dataset: str) -> Iterator[Drawn]:
    """Forest plot: each contrast's difference and interval over the band of the margin."""
    declared = [row for row in verdict_rows(results) if row["dataset"] == dataset]
    rows = [row for row in declared if row["difference"] is not None]
    if not rows:
        return
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
        ends = np.clip([row["low"], row["high"]], -limit, limit)
        axes.plot(ends, [at, at], color=tone, lw=2, solid_capstyle="butt")
        for end in (row["low"], row["high"]):
            if abs(end) > limit:  # it goes on beyond the edge
                mark = ">" if end > 0 else "<"
                axes.plot(np.sign(end) * limit, at, mark, color=tone, ms=6)
        if abs(row["difference"]) > limit:  # its value stands at that edge
            side = np.sign(row["difference"])
            style = {"va": "bottom", "ha": "right" if side > 0 else "left", "fontsize": 9}
            value = signed(row["difference"], 1)
            axes.annotate(value, (side * limit, at - 0.12), color=tone, **style)
        else:
            axes.plot(row["difference"], at, "s", color=tone, ms=6)
        place = {"xy": (1.02, at), "xycoords": ("axes fraction", "data"), "va": "center"}
        axes.annotate(row["verdict"], **place, fontweight="bold", fontsize=9)
    name_rows(axes, [f"{row['treatment']}\n− {row['control']}" for row in rows])
    axes.tick_params(axis="y", labelsize=9)
    for at, (above, below) in enumerate(pairwise(rows)):
        if above["family"] != below["family"]:
            axes.axhline(at + 0.5, color=SOFT, lw=0.6, ls=":")
    axes.set_xlabel(
        f"difference in {results.split} accuracy, points\n← control better · treatment better →"
    )
    sizes = sorted({row[n] for row in rows for n in ("n_treatment", "n_control")})
    caption = (
        f"Difference of mean {results.split} accuracy of every declared question on {dataset}, "
        f"treatment minus control, with its {100 * results.confidence:g} % interval (each for "
        f"itself; the verdicts are corrected over the family). Grey band: the margin, ±{margin:g} "
        "points; an arrow goes on beyond the scale. "
        f"{size_words(sizes)} runs a side. An interval that covers 0 and leaves the band decides "
        "nothing."
    )
    yield Drawn(f"differences-{dataset}", _title(declared), caption, figure)


def _title(rows: list[dict[str, Any]]) -> str:
    """How many questions got which word."""
    counts = Counter(row["verdict"] for row in rows)
    found = [f"{counts[word]} {word}" for word in WORDS if counts[word]]
    return f"Of {len(rows)} differences {listed(found)}"


def reach(rows: list[dict[str, Any]], margin: float) -> float:
    """How far an axis of differences goes: over every interval, or ten margins and what fits.

    One arm that broke down must not press all the others against zero.
    """
    ends = [max(abs(row["low"]), abs(row["high"])) for row in rows if row["low"] is not None]
    inside = [end for end in ends if end <= 10 * margin]
    return max(margin * 1.5, *(inside or ends or [0.0]))
