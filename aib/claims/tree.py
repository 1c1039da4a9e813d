"""The ledger as a tree on the terminal."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from aib.claims.ledger import LEAVES, Finding, coverage
from aib.claims.words import CONTRADICTED, NOT_TESTED, SMALL, SUPPORTED, UNDECIDED
from aib.reporting.words import listed

STYLES = {
    SUPPORTED: "green",
    CONTRADICTED: "red",
    SMALL: "blue",
    UNDECIDED: "yellow",
    NOT_TESTED: "dim",
}


def show(findings: Sequence[Finding]) -> None:
    """Print groups, claims and tests, each with how many of its leaves are so, and what lacks."""
    tree = Tree(_counted("claims of the paper, and questions it leaves open", findings))
    for _, of_group in groupby(findings, key=lambda each: each.group):
        members = list(of_group)
        group = tree.add(_counted(members[0].group, members, "bold"))
        for _, of_claim in groupby(members, key=lambda each: each.claim):
            tests = list(of_claim)
            first = tests[0]
            source = first.source if first.ours else f"paper: {first.source}"
            claim = group.add(_counted(f"{first.claim} ({source})", tests))
            for test in tests:
                claim.add(_test(test))
    console = Console(highlight=False)
    console.print(tree)
    counts = coverage(findings)
    share = {name: f"{counts[name]} ({counts[name] / counts['tests']:.0%})" for name in LEAVES}
    words = listed([f"{count} {word}" for word, count in counts["words"].items()]) or "none"
    console.print(
        f"\nOf {counts['tests']} tests of the paper's own claims {share['implemented']} are "
        f"implemented, {share['executed']} executed, and {share['matches']} came out as the paper "
        f"says. Of those executed: {words}. Marks: implemented, executed, result matches."
    )


def _counted(words: str, findings: Sequence[Finding], style: str = "") -> Text:
    counts = [str(sum(getattr(each, leaf) for each in findings)) for leaf in LEAVES]
    return Text(words, style=style).append(
        f"  {' · '.join(counts)} of {len(findings)}", style="not bold dim"
    )


def _test(test: Finding) -> Text:
    marks = "".join("✓" if getattr(test, leaf) else "–" for leaf in LEAVES)
    said = "; ".join(filter(None, (test.asked, test.found, test.where, test.wanted)))
    return Text(f"{marks} {test.word}", style=STYLES[test.word]).append(f"  {said}", "default")
