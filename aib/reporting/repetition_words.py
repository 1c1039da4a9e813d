"""A comparison with a reference on the terminal."""

import math

from aib.reporting.reference import Content
from aib.reporting.repetition import FALSE_ALARMS, Comparison, Row
from aib.reporting.words import number
from aib.terminal import print_whole, table

APART = "*"
NUMBERS = ("here", "reference", "difference", "by chance ±", "noticed from", "margin")


def question_lines(content: Content) -> list[str]:
    """The verdicts of one side, one a line."""
    lines = [f"study {content['study']}, {len(content['runs'])} runs"]
    for each in content["questions"]:
        text = f"  {each['verdict']:<10} {each['of']}, {each['asked']} on {each['dataset']}"
        if each["difference"] is not None:
            text += f": {number(each['difference'], sign='+')}"
        if each["low"] is not None and each["high"] is not None:
            text += f" [{number(each['low'], sign='+')}, {number(each['high'], sign='+')}]"
        lines.append(text)
    return lines


def print_comparison(found: Comparison) -> None:
    """Figures, same seeds, and why the outcome is what it is; of identical runs a line."""
    same, of = found.same_weights
    if found.outcome == "identical":
        print(f"all {of} runs: same weights, same figures, same evaluations; {found.around}")
        return
    _print_figures(found)
    if found.same_seeds:
        _print_same_seeds(found)
        print(f"{same} of {of} runs of the same spec and seed have the same weights")
    print("\n".join([*_reasons(found), found.around]))


def _print_figures(found: Comparison) -> None:
    shown = table("", "figure", "of", *NUMBERS, "verdict", whole=("figure", "of"), right=NUMBERS)
    several = len({row.dataset for row in found.rows}) > 1
    for row in found.rows:
        about = row.about + APART * row.is_apart
        about += f" on {row.dataset}" if several else ""
        values = row.shift.found, row.shift.expected, row.shift.difference
        limits = row.tolerance, row.noticed, math.nan if row.margin is None else row.margin
        verdicts = "" if row.verdicts is None else _verdicts(row)
        shown.add_row(row.of, about, *map(_digits, (*values, *limits)), verdicts)
    print_whole(shown)
    if any(row.is_apart for row in found.rows):
        print(f"{APART}: by its own spread, as the arms differ too much to share one")


def _verdicts(row: Row) -> str:
    ours, theirs = row.verdicts
    return ours if ours == theirs else f"{ours}; reference {theirs}"


def _print_same_seeds(found: Comparison) -> None:
    headings = ("pairs", "equal", "mean apart", "largest", "std", "std of two seeds")
    shown = table("runs of the same spec and seed", "figure", "on", *headings, right=headings)
    for (dataset, figure), pairs in found.same_seeds.items():
        distances = pairs.mean, pairs.largest, pairs.std, pairs.seeds_std
        counts = str(pairs.count), str(pairs.equal)
        shown.add_row(figure, dataset, *counts, *map(_digits, distances))
    print_whole(shown)


def _reasons(found: Comparison) -> list[str]:
    lines = list(found.unlike)
    lines += [
        f"{row.name}: {_digits(row.shift.found)}, reference {_digits(row.shift.expected)}; "
        f"{_digits(abs(row.shift.difference))} apart, chance allows {_digits(row.tolerance)}"
        for row in found.rows
        if row.is_beyond
    ]
    lines += [
        f"{row.name}: {row.verdicts[0]}, reference {row.verdicts[1]}: the opposite"
        for row in found.rows
        if row.is_turned
    ]
    if found.lacking:
        lines.append(
            f"{len(found.lacking)} figures of the reference alone, first {found.lacking[0]}"
        )
    with_margin = [row for row in found.rows if row.margin is not None]
    blind = [row for row in with_margin if row.is_blind]
    lines.append(
        f"a change as large as the margin would have been noticed with 80 % in "
        f"{len(with_margin) - len(blind)} of the {len(with_margin)} figures that have one"
    )
    lines.append(
        f"{len(found.rows)} figures compared; where nothing changed and arms spread alike, at most "
        f"{100 * FALSE_ALARMS:g} % of comparisons alarm (docs/statistics.md: uneven ones)"
    )
    return lines


def _digits(value: float) -> str:
    """Three significant digits; nothing for what there is not."""
    return f"{value + 0.0:.3g}".replace("-", "−") if math.isfinite(value) else "–"
