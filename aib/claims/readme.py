"""The ledger in README.md: every claim, with what came of the tests of it that were executed."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from aib.claims.ledger import Finding
from aib.errors import AibError

BEGIN, END = "<!-- ledger: begin, by `aib claims --readme` -->", "<!-- ledger: end -->"


def write_readme(path: Path, findings: Sequence[Finding]) -> None:
    """Put the table between its marks; `AibError` where they are gone."""
    text = path.read_text()
    if BEGIN not in text or END not in text:
        raise AibError(
            f"{path}: has no lines '{BEGIN}' and '{END}' for the ledger to stand between"
        )
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    path.write_text(f"{before}{BEGIN}\n{table(findings)}\n{END}{after}")


def table(findings: Sequence[Finding]) -> str:
    """A row for each executed test of a claim; one for a claim without any. Questions of our own
    are in italics."""
    rows = ["| claim | verdict | what was found | study |", "|---|---|---|---|"]
    for claim, members in groupby(findings, key=lambda each: each.claim):
        tests = list(members)
        words = f"*{claim}*" if tests[0].ours else claim
        executed = [each for each in tests if each.executed]
        for test in executed:
            found = f"{test.asked.rsplit(':', 1)[0]}: {test.found}"
            study = f"[{test.study}](reports/{test.study}/index.html)"
            rows.append(f"| {words} | **{test.word}** | {found} | {study} |")
            words = ""
        if not executed:
            studies = ", ".join(dict.fromkeys(each.study for each in tests if each.study))
            rows.append(f"| {words} | not tested here | | {studies} |")
    return "\n".join(rows)
