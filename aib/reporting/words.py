"""Numbers and lists in sentences."""

from collections.abc import Sequence

import numpy as np

from aib.statistics import Interval


def number(value: float, digits: int = 2, sign: str = "") -> str:
    """With a true minus sign, and none on what rounds to 0."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")


def estimated(found: Interval, digits: int = 2, sign: str = "") -> str:
    """An estimate, and its interval in brackets where there is one."""
    text = number(found.estimate, digits, sign)
    if np.isfinite(found.low):
        text += f" [{number(found.low, digits, sign)}, {number(found.high, digits, sign)}]"
    return text


def listed(words: Sequence[str]) -> str:
    """One, two and three."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
