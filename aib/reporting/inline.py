"""Figures inside the page, and links from numbers to the runs that they rest on."""

import re
from pathlib import Path

from markupsafe import Markup

from aib.reporting.collect import CellResults, StudyResults
from aib.reporting.drawing import PAGE, Drawn, run_anchor


def group_anchor(cell: CellResults) -> str:
    """The id of the rows of a cell's runs in the page."""
    return f"{cell.dataset}-{cell.model}-{cell.spec.key}"


def runs_title(cell: CellResults) -> str:
    """Which runs a number rests on, for hovering."""
    if not cell.counted:
        return f"{cell.arm}: no run finished"
    result = cell.counted[0].result
    codes = " and ".join(sorted({record.result["code_hash"] for record in cell.counted}))
    seeds = ", ".join(map(str, cell.seeds))
    return (
        f"{cell.arm} on {cell.dataset}: {len(cell.counted)} runs of spec {cell.spec.key}, "
        f"seeds {seeds}; code {codes}; data {short(result['data_digest'])}"
    )


def short(digest: str) -> str:
    """The first twelve digits of a digest, without the name of its algorithm."""
    return digest.rsplit(":", 1)[-1][:12]


def point_titles(results: StudyResults) -> dict[str, str]:
    """Of every run with figures, by its anchor: what it is, for hovering."""
    return {
        run_anchor(record): (
            f"{' = '.join(cell.arm for cell in cells)}, seed {record.result['seed']}: "
            f"{results.split} error {cells[0].headline(record, 'error'):.2f} %, "
            f"spec {record.result['key']}, code {record.result['code_hash']}, "
            f"data {short(record.result['data_digest'])}"
        )
        for record, cells in results.runs
        if record.has_figures
    }


def inlined(drawn: Drawn, path: Path) -> Markup:
    """A figure as part of the page; ids get a prefix, since the page holds several figures."""
    label = Markup.escape(f"{drawn.title}. {drawn.caption}")
    text = path.read_text()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'(?<=\s)id="', f'id="{drawn.name}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\1#{drawn.name}-", text)
    text = text.replace(f'"{PAGE}#', '"#')
    # The size gives way to the page's; the view box keeps the proportions.
    text = re.sub(r'<svg ([^>]*?)width="[^"]*"', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*"', r"<svg \1", text, count=1)
    return Markup(text.replace("<svg ", f'<svg role="group" aria-label="{label}" ', 1))
