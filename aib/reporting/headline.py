"""Verdicts in words, for the terminal, the page and the ledger."""

import math
from typing import Any

from aib.reporting.words import number, points, signed
from aib.statistics.power import MOST_SEEDS


def headline_lines(summary: dict[str, Any]) -> list[str]:
    """The verdicts for the terminal, one a line."""
    lines = [f"{summary['title']} (study {summary['study']}, margin {summary['margin']:g} points)"]
    for row in summary["verdicts"]:
        arms = f"{row['treatment']} against {row['control']} on {row['dataset']}"
        lines.append(f"  {row['verdict']:<10} {arms}: {difference_words(row)}")
    for row in summary["interactions"]:
        words = f"interaction of attention and bottleneck on {row['dataset']}"
        lines.append(f"  {'not judged':<10} {words}: {interaction_words(row)}")
    runs = summary["runs"]
    for status in ("collapsed", "diverged"):
        count = sum(run["status"] == status for run in runs)
        lines += [f"  {count} of {len(runs)} runs {status}"] if count else []
    return lines


def difference_words(row: dict[str, Any]) -> str:
    """The difference of a question with its interval; if undecided, why."""
    if row["difference"] is None:
        return row["reason"]
    text = f"{_points(row, 'difference', 'low', 'high')}, n = {row['n_treatment']} and "
    text += f"{row['n_control']}"
    if row["verdict"] == "undecided":
        text += f"; {row['reason']} {seeds_words(row)}"
    return text.rstrip()


def interaction_words(row: dict[str, Any]) -> str:
    """The interaction with its interval."""
    if row["interaction"] is None:
        return "an arm has no run"
    return _points(row, "interaction", "interaction_low", "interaction_high") + f", n = {row['n']}"


def seeds_words(row: dict[str, Any]) -> str:
    """What number of seeds would decide an undecided question; empty where there is no spread."""
    if row["std"] is None:
        return ""
    needed = (row[f"seeds_needed_{kind}"] for kind in ("equivalence", "superiority"))
    none, margin = (f"about {n}" if n else f"more than {MOST_SEEDS}" for n in needed)
    return (
        f"Seeds an arm for a power of 80 %: {none} if there is no difference, {margin} if it is as "
        "large as the margin."
    )


def _points(row: dict[str, Any], value: str, low: str, high: str) -> str:
    text = number(row[value], sign="+") + " points"
    if row[low] is not None and math.isfinite(row[low]):
        text += f" [{number(row[low], sign='+')}, {number(row[high], sign='+')}]"
    return text


def verdict_words(row: dict[str, Any], alpha: float, split: str = "test") -> dict[str, str]:
    """A question in plain words: the claim, the numbers it rests on, and why."""
    treatment, control = row["treatment"], row["control"]
    if row["low"] is None:
        return {"claim": f"{treatment} against {control}.", "found": "", "rest": row["reason"]}
    interval = "repeated interval" if "look" in row else "interval"
    found = (
        f"{signed(row['difference'])} points of {split} accuracy, "
        f"{100 * (1 - alpha):g} % {interval} {signed(row['low'])} to {signed(row['high'])}."
    )
    rest = row["reason"]
    if row["verdict"] == "equivalent":
        claim = (
            f"{treatment} and {control} differ by less than the margin of {points(row['margin'])}."
        )
    elif row["verdict"] == "undecided":
        claim = f"Whether {treatment} differs from {control} stays open."
        rest = f"{rest} {seeds_words(row)}".rstrip()
    else:
        claim = f"{treatment} is {row['verdict']} than {control}."
    return {"claim": claim, "found": found, "rest": rest}
