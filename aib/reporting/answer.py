"""What a study found, in a sentence, for somebody who has not read the paper.

Written from its summary alone, so that the page over all studies says the same.
"""

from collections import Counter
from typing import Any

from aib.reporting.questions import MAIN_EFFECTS
from aib.reporting.words import between, listed, points, sentence, signed, spanned

MOST = 4  # questions that a sentence names one by one
PARTS = {"attention": "attention", "bottleneck": "an information bottleneck"}
VERDICTS = ("better", "worse", "equivalent", "undecided")
SHORT = {
    "better": "More accurate.",
    "worse": "Less accurate.",
    "equivalent": "No difference that matters.",
    "undecided": "Not decided.",
}
NOTHING = {
    "test": "This study compares nothing: it describes its arms.",
    "validation": "This study chooses settings on validation, and compares nothing.",
}
OPEN = "Open is no finding of “no effect”: the runs do not suffice to say."

Row = dict[str, Any]


def answer(summary: dict[str, Any]) -> str:
    """The main effects, else the main family, else all questions; then the rest, counted."""
    rows = summary["verdicts"]
    effects = [row for row in rows if row["family"] == MAIN_EFFECTS]
    first = effects or [row for row in rows if row["family"] == "main"] or rows
    if not first:
        return NOTHING[summary["split"]]
    accuracy = f"{summary['split']} accuracy"
    verdicts = {row["verdict"] for row in first}
    said = [SHORT[verdicts.pop()]] if len(verdicts) == 1 else []
    said += [_named(first, accuracy) if len(first) <= MOST else _counted(first, "comparisons")]
    ablations = [row for row in rows if row["family"] == "ablation" and row not in first]
    said += [_counted(ablations, "varied settings")] if ablations else []
    if any(row["verdict"] == "undecided" for row in [*first, *ablations]):
        said.append(OPEN)
    return " ".join(said)


def _named(rows: list[Row], accuracy: str) -> str:
    """Each question with its difference and interval, those of one verdict together."""
    several = len({row["dataset"] for row in rows}) > 1
    clauses = []
    for verdict in VERDICTS:
        found = [_item(row, several) for row in rows if row["verdict"] == verdict]
        if found:
            clauses.append(_clause(verdict, found, accuracy, points(rows[0]["margin"])))
    return sentence("; ".join(clauses))


def _item(row: Row, several: bool) -> str:
    """What is asked about, with the difference in points of accuracy."""
    text = f"using {row['treatment']} in place of {row['control']}"
    if row["family"] == MAIN_EFFECTS:
        text = PARTS[row["treatment"]]
    text += f" on {row['dataset']}" if several else ""
    if row["difference"] is None:
        return f"{text} (not measured)"
    size = f"{signed(row['difference'])} points {between(row, 'low', 'high', sign='+')}"
    return f"{text} ({size.rstrip()})"


def _clause(verdict: str, found: list[str], accuracy: str, margin: str) -> str:
    what, s = listed(found), "s" if len(found) == 1 else ""
    return {
        "better": f"{what} raise{s} {accuracy}",
        "worse": f"{what} lower{s} {accuracy}",
        "equivalent": f"{what} change{s} {accuracy} by less than {margin}, if at all",
        "undecided": f"whether {what} change{s} {accuracy} stays open",
    }[verdict]


def _counted(rows: list[Row], what: str) -> str:
    """How many questions got which word, and between what the decided small ones lie."""
    counts = Counter(row["verdict"] for row in rows)
    small = [row["difference"] for row in rows if row["verdict"] == "equivalent"]
    words = {
        "better": "more accurate",
        "worse": "less accurate",
        "equivalent": f"different by less than {points(rows[0]['margin'])}, if at all",
        "undecided": "open",
    }
    if small:
        words["equivalent"] += f" (seen: {spanned(small)})"
    found = [
        f"{counts[word]} {'is' if counts[word] == 1 else 'are'} {words[word]}"
        for word in VERDICTS
        if counts[word]
    ]
    return f"Of {len(rows)} {what} {listed(found)}."


def rests_on(summary: dict[str, Any]) -> str:
    """How many networks of how many arms."""
    arms = {name for cells in summary["cells"].values() for name in cells}
    sizes = [cell["n"] for cells in summary["cells"].values() for cell in cells.values()]
    return f"{len(summary['runs'])} networks, {spanned(sizes, 0)} of each of {len(arms)} arms"
