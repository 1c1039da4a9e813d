"""What a study can say of a claim: one of five words, what it rests on, what would decide it."""

from typing import NamedTuple

SUPPORTED, CONTRADICTED = "supported", "contradicted"
UNDECIDED, NOT_TESTED = "undecided", "not tested here"
# An effect may be there; it is too small to matter.
SMALL = "within the margin"
DECIDED = (SUPPORTED, SMALL, CONTRADICTED, UNDECIDED)  # what a study that was run can say


class Judged(NamedTuple):
    """A word, the numbers it rests on, and what it would take to decide it."""

    word: str
    found: str = ""
    wanted: str = ""
