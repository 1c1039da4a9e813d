"""Is a report what the records give? It is written again elsewhere, and every file compared.

Numbers in JSON and CSV may differ by the rounding of another processor's arithmetic, and so may
places in figures; the text of the page may not differ at all.
"""

import json
import math
import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aib.params import Published
from aib.reporting.collect import StudyResults
from aib.reporting.page import write_report

ROUNDING = 1e-6  # relative
PLACE = 0.02  # of coordinates in figures, which are kept to hundredths
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")
FIGURE = re.compile(r"\s*<figure.*?</figure>", re.S)
DRAWING = re.compile(r"(<svg.*?</svg>)", re.S)
WINNERS = "winners.json"  # of a tuning study
SHOWN = 5  # differences of one file


def report(results: StudyResults, folder: Path, published: Published, whole: bool) -> Iterator[str]:
    """What in a report's folder the records do not give.

    Args:
        results: the records.
        folder: reports/STUDY.
        published: what the page compares with.
        whole: whether all records are here; those in evidence have no maps to draw.
    """
    with TemporaryDirectory() as temporary:
        again = Path(temporary) / folder.name
        write_report(results, again, published, folder.parent)
        for made in sorted(path for path in again.rglob("*") if path.is_file()):
            name = made.relative_to(again)
            if not whole and name.suffix == ".svg":
                continue
            if not (folder / name).exists():
                yield f"{name} is missing"
                continue
            for what in _differences((folder / name).read_text(), made.read_text(), name, whole):
                yield f"{name}: {what}"
        drawn = {path.name for path in again.glob("figures/*")} if whole else set()
        for path in sorted(
            (*folder.glob("tables/*"), *(folder.glob("figures/*") if whole else ()))
        ):
            if path.name not in drawn and not (again / "tables" / path.name).exists():
                yield f"{path.relative_to(folder)} is of no such report"


def _differences(there: str, here: str, name: Path, whole: bool) -> Iterator[str]:
    match name.suffix:
        case ".json":
            found = _unlike(json.loads(there), json.loads(here), "")
        case ".html":
            found = _pages(there, here, whole)
        case ".csv":
            found = _lines(there, here, ROUNDING, 0)
        case _:
            found = _lines(there, here, 0, PLACE)
    for count, what in enumerate(found):
        if count == SHOWN:
            yield "and more"
            return
        yield what


def _unlike(there: Any, here: Any, place: str) -> Iterator[str]:
    """Where two JSON contents differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in there.keys() | here.keys():
            where = f"{place}.{key}" if place else key
            if key not in there or key not in here:
                yield f"{where} is there in only one of report and records"
            else:
                yield from _unlike(there[key], here[key], where)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for number, pair in enumerate(zip(there, here, strict=True)):
            yield from _unlike(*pair, f"{place}.{number}")
    elif _number(there) and _number(here):
        if not math.isclose(there, here, rel_tol=ROUNDING, abs_tol=1e-9):
            yield f"{place} is {there}, the records give {here}"
    elif there != here:
        yield f"{place} is {there!r:.60}, the records give {here!r:.60}"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _lines(there: str, here: str, relative: float, absolute: float) -> Iterator[str]:
    """Lines that differ in words, or in numbers by more than the tolerance."""
    for number, (old, new) in enumerate(
        zip_longest(there.splitlines(), here.splitlines(), fillvalue=""), 1
    ):
        if old != new and not _close(old, new, relative, absolute):
            yield f"line {number} is {_shown(old, new)!r}, the records give {_shown(new, old)!r}"


def _close(old: str, new: str, relative: float, absolute: float) -> bool:
    if NUMBER.sub("#", old) != NUMBER.sub("#", new):
        return False
    pairs = zip(NUMBER.findall(old), NUMBER.findall(new), strict=True)
    return all(
        math.isclose(float(a), float(b), rel_tol=relative, abs_tol=absolute) for a, b in pairs
    )


def _shown(text: str, other: str, width: int = 60) -> str:
    """The part of a line in which it begins to differ from another."""
    start = next((i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    return text[max(0, start - width // 2) : start + width // 2]


def _pages(there: str, here: str, whole: bool) -> Iterator[str]:
    """Two pages, text and drawings apart; without all maps, what stands around figures alone."""
    if not whole:
        there, here = (FIGURE.sub("", text) for text in (there, here))
    pieces = zip_longest(DRAWING.split(there), DRAWING.split(here), fillvalue="")
    for old, new in pieces:
        yield from _lines(old, new, 0, PLACE if new.startswith("<svg") else 0)
