"""The ledger: each claim of the paper with its verdicts, from the reports of studies alone."""

from aib.claims.ledger import Finding, coverage, ledger
from aib.claims.words import CONTRADICTED, NOT_TESTED, SMALL, SUPPORTED, UNDECIDED

__all__ = [
    "CONTRADICTED",
    "NOT_TESTED",
    "SMALL",
    "SUPPORTED",
    "UNDECIDED",
    "Finding",
    "coverage",
    "ledger",
]
