"""Arms and questions as tables for a paper: LaTeX (booktabs) and Markdown."""

from typing import Any, NamedTuple

from aib.reporting.words import between, fixed, p_value, points, signed

SPECIAL = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "−": "$-$", "—": "---"}
SPECIAL |= {"<": "$<$", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}"}
LEFT = ("arm", "question", "verdict", "dataset")  # columns of words


class Table(NamedTuple):
    """Text in rows under heads, and what stands above it all."""

    caption: str
    heads: list[str]
    rows: list[list[str]]


def arms(summary: dict[str, Any]) -> Table:
    """Every arm with its mean error and interval."""
    heads = ["dataset", "arm", "n", "error, %", interval(summary), "parameters"]
    rows = [
        [dataset, name, str(arm["n"]), *_sizes(arm)]
        for dataset, cells in summary["cells"].items()
        for name, arm in cells.items()
    ]
    text = f"Study {summary['study']}: {summary['split']} error by arm, mean over runs."
    return Table(text, heads, rows)


def questions(summary: dict[str, Any]) -> Table:
    """Every declared question with difference, interval, corrected p and verdict."""
    heads = ["dataset", "question", "n", "difference, points", interval(summary), "p", "verdict"]
    rows = [[row["dataset"], *_asked(row)] for row in summary["verdicts"]]
    text = (
        f"Study {summary['study']}: differences in {summary['split']} accuracy, margin "
        f"{points(summary['margin'])}. Intervals are each for themselves; p and verdicts are "
        "corrected over their family."
    )
    return Table(text, heads, rows)


def _sizes(arm: dict[str, Any]) -> list[str]:
    """Error, its interval, parameters; dashes for an arm without runs."""
    mean, count = arm.get("test_error_mean"), arm.get("parameters")
    ends = between(arm, "test_error_low", "test_error_high")
    return [fixed(mean), ends, "—" if count is None else f"{count:,}"]


def _asked(row: dict[str, Any]) -> list[str]:
    """The question and what came of it."""
    pair = f"{row['treatment']} against {row['control']}"
    sizes, ends = f"{row['n_treatment']}, {row['n_control']}", between(row, "low", "high", sign="+")
    return [
        pair,
        sizes,
        signed(row["difference"]),
        ends,
        p_value(row["p_adjusted"]),
        row["verdict"],
    ]


def interval(summary: dict[str, Any]) -> str:
    """What the brackets are."""
    return f"{100 * (1 - summary['alpha']):g} % interval"


def markdown(table: Table) -> str:
    """With the caption above; columns of numbers to the right."""
    rules = [":--" if head in LEFT else "--:" for head in table.heads]
    lines = [table.heads, rules, *table.rows]
    text = "\n".join(f"| {' | '.join(cell.replace('|', '∣') for cell in line)} |" for line in lines)
    return f"{table.caption}\n\n{text}\n"


def latex(table: Table) -> str:
    r"""A table environment; it needs \usepackage{booktabs}."""
    columns = "".join("l" if head in LEFT else "r" for head in table.heads)
    body = [" & ".join(map(escaped, row)) + r" \\" for row in table.rows]
    lines = [
        r"\begin{table}",
        rf"\caption{{{escaped(table.caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(map(escaped, table.heads)) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """For LaTeX; a cell that begins with a bracket would be taken for an option of the row."""
    safe = "".join(SPECIAL.get(letter, letter) for letter in text.replace("\\", "/"))
    return f"{{{safe}}}" if safe.startswith("[") else safe
