"""Numbers and lists in sentences and tables."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from aib.statistics import Interval


def number(value: float, digits: int = 2, sign: str = "") -> str:
    """With a true minus sign, and none on what rounds to 0."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")


def fixed(value: float | None, digits: int = 2) -> str:
    """Like `number`; a dash for none."""
    return number(value, digits) if _known(value) else "—"


def signed(value: float | None, digits: int = 2) -> str:
    """Like `fixed`, the plus sign written too."""
    return number(value, digits, "+") if _known(value) else "—"


def between(row: dict[str, Any], low: str, high: str, digits: int = 2, sign: str = "") -> str:
    """An interval in brackets; nothing where there is none."""
    if not _known(row.get(low)):
        return ""
    return f"[{number(row[low], digits, sign)}, {number(row[high], digits, sign)}]"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def p_value(value: float | None) -> str:
    """A p value with three digits."""
    if not _known(value):
        return "—"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def points(value: float) -> str:
    """Percentage points with their unit."""
    return "1 point" if value == 1 else f"{value:g} points"


def duration(seconds: float) -> str:
    """Seconds as hours, minutes and seconds, the two largest."""
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def estimated(found: Interval, digits: int = 2, sign: str = "") -> str:
    """An estimate, and its interval in brackets where there is one."""
    text = number(found.estimate, digits, sign)
    if np.isfinite(found.low):
        text += f" [{number(found.low, digits, sign)}, {number(found.high, digits, sign)}]"
    return text


def spanned(values: Sequence[float], digits: int = 2) -> str:
    """The lowest and the highest, or the one that they share."""
    low, high = (number(end, digits) for end in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def listed(words: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
